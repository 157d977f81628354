"""Which results and dead letters Kafka is known to have (invariant 6).

I/O: Kafka.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from clients.config import Cluster
from clients.records import ProducerRecord
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.kafka.sent_records import fingerprint, in_log
from consumers.runtime.records import Partition
from consumers.runtime.unsent import UnsentRecords
from schemas.errors import BrokerUnreachable, OperationFailed, Position


class CommittedOffsets:
    """Below which offsets the results of records are known to be in Kafka.

    Args:
        consumer: asks for the group's committed offsets.
        cluster: where the log is that is asked for results.
        upto: per partition, the offset below which results are known to be in Kafka; updated.
        stored: per partition, the offset below which the store had records handled when the partition was
            assigned, where Kafka had less; updated.
    """

    def __init__(
        self,
        consumer: GroupConsumer,
        cluster: Cluster,
        upto: dict[Partition, int],
        stored: dict[Partition, int],
    ) -> None:
        self._consumer = consumer
        self._cluster = cluster
        self.upto = upto
        self._stored = stored
        self._uncertain = False

    def covers(self, position: Position) -> bool:
        """Whether the results of the record at a position are known to be in Kafka."""
        return position.offset < self.upto.get(position.topic_partition, 0)

    def missing(self, replays: Iterable[Position], unsent: UnsentRecords) -> list[Position]:
        """Positions whose results neither Kafka has, asked of Kafka itself, nor this member is about to send.

        A member that was stopped and continued may hold records that another one has finished meanwhile; its
        own memory of what is committed is then too old.
        """
        positions = [position for position in dict.fromkeys(replays) if not unsent.has(position)]
        self.refresh({position.topic_partition for position in positions})
        return [position for position in positions if not self.covers(position)]

    def not_in_log(self, owed: Sequence[tuple[Position, ProducerRecord]]) -> list[ProducerRecord]:
        """Of records, each with the position that it comes from, those that are not in the log.

        A record that the store had when the partition was assigned comes again after a crash, but also where
        somebody has set the committed offset back. So for those the log itself is asked.

        Raises:
            BrokerUnreachable: the log cannot be read.
        """
        if not self._stored:
            return [record for _, record in owed]
        doubtful = [
            record
            for position, record in owed
            if position.offset < self._stored.get(position.topic_partition, 0)
        ]
        try:
            present = in_log(self._cluster, doubtful) if doubtful else set()
        except OperationFailed as error:
            raise BrokerUnreachable(f"the log cannot be asked for results: {error}") from error
        return [record for _, record in owed if not present or fingerprint(record) not in present]

    def advance(self, offsets: Mapping[Partition, int]) -> None:
        """Kafka has the results of everything below these offsets."""
        self.upto.update(offsets)
        for partition in [*self._stored]:
            if self._stored[partition] <= self.upto.get(partition, 0):
                del self._stored[partition]

    @contextmanager
    def uncertain(self) -> Iterator[None]:
        """Around a commit: when it fails, only Kafka knows whether it came about all the same."""
        self._uncertain = True
        yield
        self._uncertain = False

    def refresh_if_uncertain(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Before a batch goes on: find out what became of a commit that seemed to fail (invariant 6).

        Returns:
            What the group has committed; empty where every commit had its answer.
        """
        if not self._uncertain:
            return {}
        committed = self.refresh(partitions)
        self._uncertain = False
        return committed

    def refresh(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Ask Kafka what the group has committed.

        Raises:
            BrokerUnreachable: the coordinator does not answer.
        """
        partitions = [*partitions]
        offsets = {
            partition: committed.offset
            for partition, committed in (self._consumer.committed(partitions) if partitions else {}).items()
            if committed is not None
        }
        self.upto.update({key: max(self.upto.get(key, 0), offset) for key, offset in offsets.items()})
        return offsets
