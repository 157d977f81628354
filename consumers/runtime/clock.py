"""This machine's clock beside the broker's.

A clock that is wrong by hours makes orders expire that are in time, and old news of fresh ones. So what is
decided by the clock is decided by the broker's, where both are known to differ.

I/O: Kafka and the store, through what it is given.
"""

import socket
from dataclasses import dataclass

from clients.broker_clock import clock_offset_ms, newest_group_record_at
from clients.config import Cluster
from consumers.runtime.stores.store import Identity, Store
from schemas.times import now_ms


@dataclass(slots=True)
class MemberClock:
    """What a member knows of the broker's clock.

    Attributes:
        cluster: where its group is.
        store: its store.
        identity: of that store.
        began_now: whether the store was made by this very start.
        skew_ms: how far clocks may differ.
        offset_ms: how far the broker's clock is ahead, if by more than that; else 0.
        first_start_at: when the group ran for the very first time, by the broker's clock.
    """

    cluster: Cluster
    store: Store
    identity: Identity
    began_now: bool
    skew_ms: int
    offset_ms: int = 0
    first_start_at: int = 0

    def __post_init__(self) -> None:
        self.first_start_at = self.identity.created_at

    @property
    def difference(self) -> str | None:
        """What is wrong with this machine's clock, and what to do; None if nothing is known to be."""
        if not self.offset_ms:
            return None
        differs = f"{abs(self.offset_ms) / 1000:,.0f} s {'behind' if self.offset_ms > 0 else 'ahead of'}"
        return (
            f"the clock of {socket.gethostname()} is {differs} the broker's, by which deadlines are judged; "
            "set it right, then start the members there anew"
        )

    def compare(self, asked_at: int) -> None:
        """Ask for the broker's clock; nothing changes where it does not tell.

        Args:
            asked_at: now, ms since the epoch, from before the group wrote its newest record.

        Raises:
            DependencyUnavailable: the store does not take the time of the first start.
        """
        stamped_at = newest_group_record_at(self.cluster, self.identity.group)
        if stamped_at is None:
            return
        offset = clock_offset_ms(stamped_at, asked_at=asked_at, answered_at=now_ms())
        self.offset_ms = offset if abs(offset) > self.skew_ms else 0
        known = self.identity.created_at
        self.first_start_at = first_start_ms(known, now_ms(), self.offset_ms, began_now=self.began_now)
        if self.first_start_at != known:
            self.store.set_first_start(self.first_start_at)
            self.identity = self.identity._replace(created_at=self.first_start_at)
            self.began_now = False


def first_start_ms(known: int, now: int, offset: int, *, began_now: bool) -> int:
    """When a group first started, by the broker's clock. Pure.

    Args:
        known: the time that the store has.
        now: our clock.
        offset: as `MemberClock.offset_ms`.
        began_now: whether `known` is by our clock as it is now.

    Returns: never a time in the future, which only a clock that was wrong then can have given.
    """
    return min(known + offset if began_now else known, now + offset)
