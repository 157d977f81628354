"""Our side of the consuming measurements: one member, run by a `Runner` as `cev consume` does.

I/O: Kafka, the store.
"""

import time
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

from benchmarks.harness.runs import Run
from benchmarks.loops import rated
from clients.config import Cluster
from consumers.registry import named
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.member import Member
from consumers.runtime.reaction import AnyReaction
from consumers.runtime.runner import Runner
from consumers.runtime.status import MemberStatus
from databases.address import StoreAddress
from schemas.codec import Codec

Done = Callable[[MemberStatus], int]

_LOOK_S = 0.002
_SILENCE_S = 60.0
_DRAIN_S = 60.0


class Stopwatch:
    """Watches a member from a thread of its own: when it got its partitions, and when its work was done."""

    def __init__(self, status: MemberStatus, stopping: Event, done: Done, orders: int) -> None:
        self._status = status
        self._stopping = stopping
        self._done = done
        self._orders = orders
        self.began = self.ended = 0.0

    def run(self) -> None:
        """Look until the work is done, or nothing gets done any more; then stop the member."""
        progress, heard_at = -1, time.monotonic()
        while time.monotonic() - heard_at < _SILENCE_S and self._status.failure is None:
            if not self.began and (self._status.start_offsets or self._status.joined):
                self.began = time.perf_counter()
            if (done := self._done(self._status)) != progress:
                progress, heard_at = done, time.monotonic()
            if done >= self._orders:
                break
            time.sleep(_LOOK_S)
        self.ended = time.perf_counter()
        self._stopping.set()


def consumed(
    cluster: Cluster,
    reaction: str | AnyReaction,
    orders: int,
    url: str,
    *,
    channels: Mapping[str, Channel] | None = None,
    done: Done = lambda status: status.effects,
    **config: Any,
) -> Run:
    """Let a member read its topics from the beginning until its work is done.

    Args:
        cluster: where.
        reaction: a name of the registry, or a reaction of its own.
        orders: how much it has to do.
        url: of the database of its store.
        channels: ways to the outside.
        done: how much is done, for any thread; by default the committed effects.
        config: of `MemberConfig`.

    Raises:
        CommandEventError: why the member stopped.
    """
    stopping = Event()
    chosen = named(reaction) if isinstance(reaction, str) else reaction
    status = MemberStatus(chosen.name)
    member = Member(
        chosen,
        cluster=cluster,
        codec=Codec(),
        store=StoreAddress(url, chosen.name),
        channels=channels or {},
        config=MemberConfig(**config),
        status=status,
        stopping=stopping,
    )
    watch = Stopwatch(status, stopping, done, orders)
    runner = Runner([(member, status)], stopping)
    thread = Thread(target=watch.run)
    thread.start()
    runner.run(until_idle_s=None, drain_s=_DRAIN_S, watch=lambda: None)
    thread.join()
    for failure in runner.failures():
        raise failure
    return rated(expected=orders, completed=done(status), seconds=watch.ended - watch.began)
