"""A member's state, for health checks, start lines and `--until-idle`.

Written by the member's thread and read by others; every field is replaced whole, so no lock is needed.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from consumers.runtime.records import Partition

STUCK_S = 60.0
"""A member with records to read that handled none for this long is not ready."""


@dataclass(slots=True)
class MemberStatus:
    """A member's state.

    Attributes:
        group: its consumer group.
        store_id, slot: id of its store and its slot there, once open.
        joined: whether the group granted an assignment.
        owned: number of assigned partitions.
        start_offsets: offsets at which the last assigned partitions began.
        first_starts: how many of them began for the very first time.
        progress_at: monotonic seconds of the last progress, or of the last poll that found nothing to do but
            to wait for the next attempt.
        record_at: monotonic seconds of the last record.
        at_end: whether every partition was read to its end.
        outage: the outage that it waits for, or None.
        failure: why it had to stop, or None.
        effects, dead, duplicates, discarded: counts of this run.
        unread_expiries: commands of this run that were carried out, though their expiry cannot be read.
        paused: partitions that are paused at records of an unknown schema.
    """

    group: str
    store_id: str = ""
    slot: int = -1
    joined: bool = False
    owned: int = 0
    start_offsets: dict[Partition, int] = field(default_factory=dict)
    first_starts: int = 0
    progress_at: float = field(default_factory=time.monotonic)
    record_at: float = field(default_factory=time.monotonic)
    at_end: bool = False
    outage: str | None = None
    failure: BaseException | None = None
    effects: int = 0
    dead: int = 0
    duplicates: int = 0
    discarded: int = 0
    unread_expiries: int = 0
    paused: tuple[Partition, ...] = ()

    def opened(self, store_id: str, slot: int) -> None:
        """The store is open and a slot in it claimed."""
        self.store_id, self.slot = store_id, slot

    def assigned(self, offsets: dict[Partition, int], *, first: int) -> None:
        """Partitions were assigned, each with its start offset; so many of them for the very first time."""
        self.start_offsets = {**self.start_offsets, **offsets}
        self.first_starts += first

    def left(self) -> None:
        """The member is in its group no more."""
        self.joined, self.owned, self.at_end = False, 0, False

    def batch_started(self, *, owned: int) -> None:
        """A batch is in hand: the member has joined, and is not at the end until the batch is done."""
        self.record_at, self.at_end = time.monotonic(), False
        self.joined, self.owned = True, owned

    def polled(self, *, joined: bool, owned: int, records: int, at_end: bool, retries: bool = False) -> None:
        """A turn of the loop is over.

        Args:
            joined: whether the group granted an assignment.
            owned: number of assigned partitions.
            records: how many were handled: read, tried again, or delivered.
            at_end: whether every partition was read to its end and nothing waits.
            retries: whether a record waits for a moment at which it is tried again: no reason to worry, for
                attempts are bounded.
        """
        now = time.monotonic()
        if records:
            self.record_at = now
        if records or at_end or retries:
            self.progress_at = now
        self.joined, self.owned, self.at_end = joined, owned, at_end and not records

    def batch_done(self, *, effects: int, dead: int, duplicates: int, discarded: int = 0) -> None:
        """A batch is committed."""
        self.effects += effects
        self.dead += dead
        self.duplicates += duplicates
        self.discarded += discarded

    def set_paused(self, partitions: Collection[Partition]) -> None:
        """Exactly these partitions are paused at records of an unknown schema."""
        if partitions or self.paused:
            self.paused = tuple(sorted(partitions))

    @property
    def ready(self) -> bool:
        """Joined, no outage, no partition paused, and progress wherever there is something to read."""
        progressing = time.monotonic() - self.progress_at < STUCK_S
        healthy = self.failure is None and self.outage is None and not self.paused
        return self.joined and healthy and progressing

    def idle(self, for_s: float) -> bool:
        """Whether everything was read to its end and no record came for so many seconds."""
        return self.joined and self.at_end and time.monotonic() - self.record_at >= for_s
