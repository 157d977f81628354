"""What a member remembers of failures in its partitions, so that the store need not be asked at every batch.

Attempts are written by the partition's owner alone, and read again when a partition changes hands; a member
that lost one without knowing can at most try a record once more.

I/O: through the store that it is given.
"""

from collections.abc import Mapping, Sequence

from consumers.runtime.failures.alarms import Alarms
from consumers.runtime.failures.unknown_schemas import UnknownSchemaDetector
from consumers.runtime.records import Attempts, FailedAttempt, Partition
from consumers.runtime.stores.store import Store
from schemas.errors import Position  # noqa: TC001 - beside its neighbours, which are needed at run time
from schemas.times import now_ms


class FailureTracker:
    """One member's memory of failures.

    Args:
        store: the group's store.
        longest_wait_ms: no attempt that is known from before waits longer, for it may be of another machine,
            whose clock is ahead.

    Attributes:
        attempts: of records that failed, how often and when they are tried next.
        alarms: the group's alarms.
        rollouts: runs of records with unknown schemas.
    """

    def __init__(self, store: Store, *, longest_wait_ms: int) -> None:
        self._store = store.setbacks
        self._longest_wait_ms = longest_wait_ms
        self.attempts: dict[Position, Attempts] = {}
        self.alarms = Alarms(store.setbacks)
        self.rollouts = UnknownSchemaDetector()

    def begin(self, partitions: list[Partition]) -> None:
        """Learn what the store knows of newly assigned partitions.

        Raises:
            DependencyUnavailable: it does not answer.
        """
        new = set(partitions)
        self.attempts = {where: tried for where, tried in self.attempts.items() if where[:2] not in new}
        latest = now_ms() + self._longest_wait_ms
        known = self._store.tries(new)
        self.attempts |= {where: tried._replace(at=min(tried.at, latest)) for where, tried in known.items()}
        self.alarms.load()
        self.rollouts.forget(partitions)
        self.rollouts.stood(self.alarms.standing(partitions))

    def noted(self, setbacks: Sequence[FailedAttempt]) -> None:
        """These were stored."""
        self.attempts |= {each.position: each.tried for each in setbacks}

    def passed(self, sent_upto: Mapping[Partition, int]) -> dict[Partition, int]:
        """Where attempts need not be remembered any more: behind what Kafka is known to have."""
        if not self.attempts:
            return {}
        over = {where[:2] for where in self.attempts if where.offset < sent_upto.get(where[:2], 0)}
        return {each: sent_upto[each] for each in over}

    def forget(self, passed: Mapping[Partition, int]) -> None:
        """These were removed from the store."""
        if passed:
            self.attempts = {
                where: tried
                for where, tried in self.attempts.items()
                if where.offset >= passed.get(where[:2], 0)
            }
