"""A store that tells what it does, and the real loop over it and over Kafka as lists.

I/O: SQLite files, threads.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from clients.config import Cluster
from clients.log import Log
from consumers.runtime.clock import MemberClock
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.events import MemberEvents
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.loop import ConsumeLoop
from consumers.runtime.reaction import AnyReaction
from consumers.runtime.records import KnownEffect, Partition
from consumers.runtime.resources import Resources
from consumers.runtime.retry_policy import RetryPolicy
from consumers.runtime.status import MemberStatus
from consumers.runtime.store_check import StoreCheck
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.codec import Codec
from tests.support.consumers.list_kafka import NO_STORE, Died, ListConsumer, ListKafka, Step
from tests.support.stores.stores import template

_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


class WatchedStore(Store):
    """A store at whose writes something may befall the process; it remembers the order of effects."""

    def __init__(self, path: Path, group: str, kafka: ListKafka) -> None:
        super().__init__(StoreAddress(f"sqlite:///{path}", group))
        self.kafka = kafka
        self.made: list[tuple[int, str]] = []

    def find_effects(self, order_ids: Iterable[int]) -> dict[tuple[int, str], KnownEffect]:
        effects = super().find_effects(order_ids)
        self.kafka.looked_up()
        return effects

    def write(self, batch: StoreWrite) -> None:
        self.kafka.step(NO_STORE)
        super().write(batch)
        self.made += [(row.order_id, row.effect) for row in batch.effects]
        self.kafka.step(NO_STORE)


@contextmanager
def short_lived_store(group: str, kafka: ListKafka) -> Iterator[WatchedStore]:
    """An empty store for one life, in memory where there is a file system for that."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        path = Path(folder) / "store.sqlite3"
        shutil.copyfile(template(), path)
        with closing(WatchedStore(path, group, kafka)) as store:
            yield store


class ListMember:
    """One process's life: the real loop over the lists, from the group's offsets on."""

    def __init__(
        self,
        kafka: ListKafka,
        store: WatchedStore,
        reaction: AnyReaction,
        retry_policy: RetryPolicy,
        channels: Mapping[str, Channel] | None = None,
        *,
        codec: Codec | None = None,
        **config: Any,
    ) -> None:
        self._pool = DeliveryPool(reaction.name, channels or {}, 2)
        failures = FailureTracker(store, longest_wait_ms=retry_policy.max_backoff_ms)
        status = MemberStatus(reaction.name)
        identity, nowhere = store.identity("cluster", 0), Cluster(bootstrap="nowhere")
        resources = Resources(
            reaction=reaction,
            codec=codec or Codec(),
            config=MemberConfig(retry_policy=retry_policy, **config),
            store=store,
            identity=identity,
            producer=kafka,  # type: ignore[arg-type]  # the lists stand in for it
            pool=self._pool,
            failures=failures,
            events=MemberEvents(status, failures.alarms, Log(group=reaction.name)),
            clock=MemberClock(nowhere, store, identity, began_now=True, skew_ms=5_000),
        )
        failures.load([*kafka.log])
        upto = dict(kafka.committed)

        def assigned(partition: Partition) -> None:
            upto[partition] = kafka.committed[partition]
            failures.load([partition])

        self._consumer = ListConsumer(kafka, assigned)
        kafka.consumer = self._consumer
        consumer: Any = self._consumer
        committed = CommittedOffsets(consumer, nowhere, upto, {})
        store_check = StoreCheck(store, consumer, nowhere, ())
        self._loop = ConsumeLoop(resources, consumer, committed, store_check, status=status, stopping=Event())
        self._loop._joining_at = None  # nobody tells this group's clock

    def take(self, takes: int, turns: int) -> None:
        """Some turns of the loop, each with so many records of each partition at most."""
        self._consumer.takes = takes
        for _ in range(turns):
            self._loop.run_once()

    def leave(self) -> None:
        """End as one that is told to stop."""
        self._loop._finish()
        self.close()

    def close(self) -> None:
        """End; what is under way ends first, as a process takes its threads with it."""
        self._pool.drain()
        self._pool.close()


def live(
    kafka: ListKafka, started: Callable[[], ListMember], steps: Iterable[Step], is_over: Callable[[], bool]
) -> None:
    """Let members live one after the other, as they die, until everything is done.

    Args:
        kafka: the world of all of them.
        started: starts one.
        steps: what they do and what befalls them; behind these they read on unhindered.
        is_over: asked after each step.
    """
    member, rest, kafka.started = started(), iter(steps), started
    while not is_over():
        step = next(rest, Step(99, 1, None))
        kafka.left, kafka.fault = step.crash, step.fault
        if kafka.left is not None and kafka.fault == "taken over":
            kafka.left //= 3  # there are fewer decisions than steps of a write
        try:
            member.take(step.takes, step.turns)
        except Died:
            kafka.crashes += 1
            member.close()
            member = started()
        kafka.left = None
    member.close()
