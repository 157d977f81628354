"""Where newly assigned partitions begin, and when they must not begin at all (invariant 14).

`starting_offset` is pure: what Kafka has committed and what the store knows go in, an offset or a refusal
comes out. `PartitionAssigner` asks both and announces first starts before anything is read.

I/O: Kafka and the store, through the consumer and the store that it is given.
"""

from typing import NamedTuple

from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.reaction import Start
from consumers.runtime.records import Committed, Partition
from consumers.runtime.status import MemberStatus
from consumers.runtime.stores.store import Progress, Store
from schemas.errors import ForeignStore, LostOffset
from schemas.times import now_ms


class StartingPoint(NamedTuple):
    """Where a partition begins.

    Attributes:
        offset: the first offset to read.
        results_upto: results of offsets below are known to be in Kafka.
        first: this is the partition's very first start; the caller announces it before it reads.
    """

    offset: int
    results_upto: int
    first: bool


def starting_offset(
    partition: Partition, committed: Committed | None, progress: Progress | None, *, store_id: str, first: int
) -> StartingPoint:
    """Decide where a partition begins.

    Args:
        partition: topic and number, for the message.
        committed: the group's committed offset, or None.
        progress: the store's progress, or None.
        store_id: the id of the store in use.
        first: where the group's registry line says to begin.

    Raises:
        LostOffset: the store has worked on the partition and Kafka has no committed offset any more.
        ForeignStore: the offset was committed with another store, or lies beyond what this one knows.
    """
    name = f"{partition[0]}:{partition[1]}"
    if committed is None:
        if progress is None or not progress.started:
            return StartingPoint(first, first, first=True)
        raise LostOffset(
            f"{name}: the store is at offset {progress.position}, but the group's committed offset is gone; "
            f"find out why before you set it again (its metadata is {store_id})"
        )
    if committed.store_id != store_id:
        raise ForeignStore(
            f"{name}: offset {committed.offset} was committed with the store "
            f"{committed.store_id or 'of another program'}, this one is {store_id}; one group has one store"
        )
    if progress is None or committed.offset > progress.position:
        position = "nothing" if progress is None else f"offset {progress.position}"
        raise ForeignStore(
            f"{name}: the group has committed offset {committed.offset}, the store knows {position}: "
            "a restored backup would forget effects; restore a newer one"
        )
    return StartingPoint(committed.offset, max(progress.results_upto, committed.offset), first=False)


class PartitionAssigner:
    """Begins the newly assigned partitions of one member.

    Args:
        store: the group's store.
        start: where the group begins at its very first start.
        status: is told where partitions begin.
        failures: loads what the store knows of failures in the partitions.

    Attributes:
        results_upto: per partition, the offset below which results are known to be in Kafka.
    """

    def __init__(self, store: Store, start: Start, status: MemberStatus, failures: FailureTracker) -> None:
        self._store = store
        self._watermark = 1 if start == "now" else 0
        self.results_upto: dict[Partition, int] = {}
        self._status = status
        self._failures = failures

    def assign(self, consumer: GroupConsumer, partitions: list[Partition]) -> dict[Partition, int]:
        """Offsets at which newly assigned partitions begin.

        Raises:
            LostOffset, ForeignStore: a partition must not be read.
            Unreachable: the store or the coordinator does not answer.
        """
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
                store_id=consumer.store_id,
                first=consumer.watermarks(partition)[self._watermark] if new else 0,
            )
            offsets[partition] = start.offset
            self.results_upto[partition] = start.results_upto
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
        consumer.commit_first(offsets)
        self._store.announce_start(offsets, at, started=True)
