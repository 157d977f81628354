"""What a member remembers of failures in its partitions, so that the store need not be asked at every batch.

Attempts are written by the partition's owner alone, and read again when a partition changes hands. A member
that lost a partition without knowing can at most try a record once more.

I/O: through the store that it is given.
"""

from collections.abc import Mapping, Sequence

from consumers.runtime.failures.alarms import Alarms
from consumers.runtime.failures.unknown_schemas import UnknownSchemaDetector
from consumers.runtime.plan import FailedAttempt
from consumers.runtime.records import Attempts, Partition
from consumers.runtime.stores.store import Store
from schemas.errors import Position  # noqa: TC001 - beside its neighbours, which are needed at run time
from schemas.times import now_ms


class FailureTracker:
    """One member's memory of failures.

    Args:
        store: the group's store.
        longest_wait_ms: no attempt that was stored earlier waits longer: another machine may have written
            it, whose clock is ahead.

    Attributes:
        attempts: of records that failed, how often and when they are tried next.
        alarms: the group's alarms.
        unknown_schemas: runs of records with unknown schemas.
    """

    def __init__(self, store: Store, *, longest_wait_ms: int) -> None:
        self._store = store.failures
        self._longest_wait_ms = longest_wait_ms
        self.attempts: dict[Position, Attempts] = {}
        self.alarms = Alarms(store.failures)
        self.unknown_schemas = UnknownSchemaDetector()

    def load(self, partitions: list[Partition]) -> None:
        """Load what the store knows of newly assigned partitions.

        Raises:
            DependencyUnavailable: it does not answer.
        """
        new = set(partitions)
        latest = now_ms() + self._longest_wait_ms
        stored = {
            position: attempts._replace(at=min(attempts.at, latest))
            for position, attempts in self._store.attempts(new).items()
        }
        kept = {
            position: attempts
            for position, attempts in self.attempts.items()
            if position.topic_partition not in new
        }
        self.attempts = kept | stored
        self.alarms.load()
        self.unknown_schemas.forget(partitions)
        self.unknown_schemas.remember_paused(self.alarms.paused(partitions))

    def remember(self, failed_attempts: Sequence[FailedAttempt]) -> None:
        """Remember attempts that were stored."""
        self.attempts |= {failed.position: failed.attempts for failed in failed_attempts}

    def passed(self, results_upto: Mapping[Partition, int]) -> dict[Partition, int]:
        """Partitions with attempts below what Kafka is known to have: they need not be remembered any more.

        Args:
            results_upto: per partition, the offset below which Kafka is known to have everything.
        """
        if not self.attempts:
            return {}
        partitions = {
            position.topic_partition
            for position in self.attempts
            if position.offset < results_upto.get(position.topic_partition, 0)
        }
        return {partition: results_upto[partition] for partition in partitions}

    def forget(self, passed: Mapping[Partition, int]) -> None:
        """Forget attempts below these offsets, which were removed from the store."""
        if passed:
            self.attempts = {
                position: attempts
                for position, attempts in self.attempts.items()
                if position.offset >= passed.get(position.topic_partition, 0)
            }
