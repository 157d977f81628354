"""Result records and dead letters that the store has and Kafka does not have yet.

They go out in the transaction that commits the offset of their record, neither before nor behind it: the
committed offset then says of each of them whether Kafka has it, and a crash sends none twice (invariant 6).
So a result above a record that waits is sent once that record is settled. Its effect is there meanwhile.

Pure. What is lost here comes again: results from the store, dead letters from their records.
"""

from collections.abc import Iterable, Mapping

from clients.records import ProducerRecord
from consumers.runtime.records import Partition
from schemas.errors import Position


class UnsentRecords:
    """The unsent records of one member."""

    def __init__(self) -> None:
        self._records: dict[Partition, dict[int, list[tuple[Position, ProducerRecord]]]] = {}

    def add(self, records: Iterable[tuple[Position, ProducerRecord]]) -> None:
        """Keep records, each with the position that it answers, until their offset is committed."""
        for entry in records:
            topic, number, offset = entry[0]
            self._records.setdefault((topic, number), {}).setdefault(offset, []).append(entry)

    def has(self, position: Position) -> bool:
        """Whether there are records of a position."""
        return position.offset in self._records.get(position.topic_partition, {})

    def below(
        self, offsets: Mapping[Partition, int], upto: Mapping[Partition, int]
    ) -> list[tuple[Position, ProducerRecord]]:
        """The records of each partition's positions below an offset, without those that Kafka has.

        Args:
            offsets: per partition, that offset.
            upto: per partition, the offset below which Kafka has them.
        """
        return [
            entry
            for partition, limit in offsets.items()
            for offset, entries in self._records.get(partition, {}).items()
            if upto.get(partition, 0) <= offset < limit
            for entry in entries
        ]

    def drop_below(self, offsets: Mapping[Partition, int]) -> None:
        """Let go of those: Kafka has them."""
        for partition, limit in offsets.items():
            if (by_offset := self._records.pop(partition, None)) and (
                left := {offset: entries for offset, entries in by_offset.items() if offset >= limit}
            ):
                self._records[partition] = left

    def forget(self, offsets: Mapping[Partition, int]) -> None:
        """Let go of partitions from an offset on: another member has them now, or they are read again."""
        for partition, first in offsets.items():
            by_offset = self._records.pop(partition, {})
            if left := {offset: entries for offset, entries in by_offset.items() if offset < first}:
                self._records[partition] = left
