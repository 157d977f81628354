"""What `cev consume` logs about its groups: what each works with, where it begins, and how it goes.

I/O: the log.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from cli.logs import counts_every_s
from clients.log import Log
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.reaction import AnyReaction
from consumers.runtime.status import MemberStatus
from databases.address import StoreAddress
from schemas.topics import BY_NAME


def introduce(reaction: AnyReaction, store: StoreAddress, channels: Mapping[str, Channel]) -> None:
    """Log what a group reads, and where its store and its channels are."""
    reads = ", ".join(
        f"{name} ({BY_NAME[name].kind}, owner {BY_NAME[name].owner})" for name in reaction.reads
    )
    described = {name: channel.describe for name, channel in channels.items()}
    Log(group=reaction.name).info("starting", reads=reads, store=str(store), **described)


class GroupLines:
    """Logs each group's assignment once it is there, and its counts now and then: the sign of life.

    Args:
        statuses: the members'; read only.
        every_s: seconds between two lines of counts of a group, at least. A group whose counts stay as they
            are has no line.
        clock: seconds that never run backwards.
    """

    def __init__(
        self,
        statuses: Sequence[MemberStatus],
        *,
        every_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._statuses = statuses
        self._every_s = every_s or counts_every_s()
        self._clock = clock
        self._due = clock() + self._every_s
        self._joined: set[str] = set()
        self._logged: dict[str, tuple[object, ...]] = {}

    def __call__(self) -> None:
        """Log what is new; meant to be called several times a second."""
        for status in self._statuses:
            if status.joined and status.owned and status.group not in self._joined:
                self._joined.add(status.group)
                _log_joined(status)
        if self._clock() >= self._due:
            self._due = self._clock() + self._every_s
            for status in self._statuses:
                self._log_counts(status)

    def log_ends(self) -> None:
        """Log how each group went, after all of them have ended."""
        for status in self._statuses:
            unread = {"unread_expiries": status.unread_expiries} if status.unread_expiries else {}
            Log(group=status.group).info("ended", **_counts(status), **unread)

    def _log_counts(self, status: MemberStatus) -> None:
        counts = _counts(status)
        state = (*counts.values(), status.at_end)
        if status.joined and any(counts.values()) and self._logged.get(status.group) != state:
            self._logged[status.group] = state
            Log(group=status.group).info("running", **counts, at_end=status.at_end)


def _counts(status: MemberStatus) -> dict[str, int]:
    return {"effects": status.effects, "duplicates": status.duplicates, "dead_letters": status.dead}


def _log_joined(status: MemberStatus) -> None:
    first = status.first_starts == len(status.start_offsets)
    Log(group=status.group).info(
        "joined",
        partitions=status.owned,
        start="for the first time" if first else "where it left off",
        offset_sum=sum(status.start_offsets.values()),
    )
