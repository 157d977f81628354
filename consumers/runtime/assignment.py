"""Where newly assigned partitions begin, and when they must not begin at all (invariant 14).

`PartitionAssigner` asks Kafka what is committed and the store what it knows, has `starting_offset` decide,
and announces first starts before anything is read.

I/O: Kafka and the store, through the consumer and the store that it is given.
"""

from consumers.runtime.copy_fence import CopyFence
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.reaction import Start
from consumers.runtime.records import Partition
from consumers.runtime.starting_offset import starting_offset
from consumers.runtime.status import MemberStatus
from consumers.runtime.stores.store import Store
from schemas.times import now_ms


class PartitionAssigner:
    """Begins the newly assigned partitions of one member.

    Args:
        store: the group's store.
        start: where the group begins at its very first start.
        status: is told where partitions begin.
        failures: loads what the store knows of failures in the partitions.
        fence: refuses to begin beside a member that uses a copy of the store, or with a topic made anew.

    Attributes:
        results_upto: per partition, the offset below which results are known to be in Kafka.
        stored: per partition, the offset up to which the store is ahead of Kafka; none where it is not.
    """

    def __init__(
        self,
        store: Store,
        start: Start,
        status: MemberStatus,
        failures: FailureTracker,
        fence: CopyFence,
    ) -> None:
        self._store = store
        self._watermark = 1 if start == "now" else 0
        self.results_upto: dict[Partition, int] = {}
        self.stored: dict[Partition, int] = {}
        self._status = status
        self._failures = failures
        self._fence = fence

    def assign(self, consumer: GroupConsumer, partitions: list[Partition]) -> dict[Partition, int]:
        """Offsets at which newly assigned partitions begin.

        Raises:
            LostOffset, ForeignStore: a partition must not be read.
            Unreachable: the store or the coordinator does not answer.
        """
        self._fence.check({topic for topic, _ in partitions})
        committed = consumer.committed(partitions)
        progress = self._store.progress(partitions)
        offsets: dict[Partition, int] = {}
        first: dict[Partition, int] = {}
        for partition in partitions:
            started = partition in progress and progress[partition].started
            new = committed[partition] is None and not started
            start = starting_offset(
                partition,
                committed[partition],
                progress.get(partition),
                group=self._store.name.group,
                store_id=consumer.store_id,
                first=consumer.watermarks(partition)[self._watermark] if new else 0,
            )
            offsets[partition] = start.offset
            self.results_upto[partition] = start.offset
            self.stored.pop(partition, None)
            if start.stored > start.offset:
                self.stored[partition] = start.stored
            if start.first:
                first[partition] = start.offset
        self._announce(consumer, first)
        self._failures.load(partitions)
        self._status.assigned(offsets, first=len(first))
        return offsets

    def _announce(self, consumer: GroupConsumer, offsets: dict[Partition, int]) -> None:
        """Commit first offsets before anything is read: a missing one later is a lost one (invariant 14)."""
        if not offsets:
            return
        at = now_ms()
        self._store.announce_start(offsets, at, started=False)
        consumer.commit(offsets)
        self._store.announce_start(offsets, at, started=True)
