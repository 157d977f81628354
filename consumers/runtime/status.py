"""How a member is, as others may ask it: for health checks, start lines and `--until-idle`.

Written by the member's thread, read by others; every field is replaced whole, so no lock is needed.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from consumers.runtime.records import Partition

STUCK_S = 60.0
"""Records are there and nothing was handled for this long: not ready."""


@dataclass(slots=True)
class MemberStatus:
    """A member's state.

    Attributes:
        group: its consumer group.
        store, slot: id of its store and its slot there, once open.
        joined: whether the group granted an assignment.
        owned: number of partitions.
        starts: offsets at which the last assigned partitions began.
        fresh: how many of them began for the very first time.
        handled_at: monotonic seconds of the last progress, or of the last look that found nothing to do.
        busy_at: monotonic seconds of the last record.
        ended: whether every partition was read to its end.
        down: the outage it waits for, or None.
        failure: why it had to stop, or None.
        effects, dead, duplicates, discarded: counts of this run.
        standing: partitions that stand still at records of an unknown schema.
    """

    group: str
    store: str = ""
    slot: int = -1
    joined: bool = False
    owned: int = 0
    starts: dict[Partition, int] = field(default_factory=dict)
    fresh: int = 0
    handled_at: float = field(default_factory=time.monotonic)
    busy_at: float = field(default_factory=time.monotonic)
    ended: bool = False
    down: str | None = None
    failure: BaseException | None = None
    effects: int = 0
    dead: int = 0
    duplicates: int = 0
    discarded: int = 0
    standing: tuple[Partition, ...] = ()

    def opened(self, store: str, slot: int) -> None:
        """The store is open and a slot in it claimed."""
        self.store, self.slot = store, slot

    def assigned(self, starts: dict[Partition, int], *, first: int) -> None:
        """Partitions were assigned."""
        self.starts, self.fresh = {**self.starts, **starts}, self.fresh + first

    def took(self, *, owned: int) -> None:
        """A batch is in hand, so we have joined; until it is done there is more to come."""
        self.busy_at, self.ended = time.monotonic(), False
        self.joined, self.owned = True, owned

    def looked(self, *, joined: bool, owned: int, took: int, ended: bool) -> None:
        """One turn of the loop is done."""
        now = time.monotonic()
        if took:
            self.busy_at = now
        if took or ended:
            self.handled_at = now
        self.joined, self.owned, self.ended = joined, owned, ended and not took

    def handled(self, *, effects: int, dead: int, duplicates: int, discarded: int = 0) -> None:
        """A batch is done."""
        self.effects += effects
        self.dead += dead
        self.duplicates += duplicates
        self.discarded += discarded

    def stand_still(self, partitions: Collection[Partition]) -> None:
        """These partitions stand still; none, as nearly always, says that all go on."""
        if partitions or self.standing:
            self.standing = tuple(sorted(partitions))

    def outage(self, why: str | None) -> None:
        """Something does not answer, or answers again."""
        self.down = why

    @property
    def ready(self) -> bool:
        """Joined, no outage, nothing at a standstill, and progress wherever there is something to read."""
        moving = time.monotonic() - self.handled_at < STUCK_S
        return self.failure is None and self.joined and self.down is None and not self.standing and moving

    def idle(self, for_s: float) -> bool:
        """Whether everything was read to its end and nothing came for so many seconds."""
        return self.joined and self.ended and time.monotonic() - self.busy_at >= for_s
