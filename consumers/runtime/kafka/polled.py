"""What the client hands over, sorted: records, positions it could not deliver, ends, and errors that stop us.

I/O: none of its own; it reads the client's message objects.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import KafkaError, Message

from clients.errors import headers_of
from consumers.runtime.records import ConsumerRecord, Partition
from schemas.errors import BrokerUnreachable, LostOffset, Position, TopicMissing

_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)  # noqa: SLF001 - librdkafka's local codes
_BROKEN = (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION)  # noqa: SLF001 - the same


@dataclass(frozen=True, slots=True)
class PolledRecords:
    """What one look at the topics brought.

    Attributes:
        records: in the order they were read.
        broken: positions that the client could not deliver, with its words.
        metadata: the consumer group metadata that a commit of these records travels with.
        ended: whether every partition of ours was read to its end.
        outage: what does not answer, or None.
        rebalances: how many rebalances the inlet had seen by then.
    """

    records: list[ConsumerRecord]
    broken: list[tuple[Position, str]]
    metadata: Any = None
    ended: bool = False
    outage: str | None = None
    rebalances: int = 0

    def __len__(self) -> int:
        """How many positions were read, whatever lay there."""
        return len(self.records) + len(self.broken)

    def positions(self) -> dict[Partition, int]:
        """Per partition, the offset after the last record."""
        after: dict[Partition, int] = {}
        for topic, number, offset in self._where():
            after[topic, number] = max(offset + 1, after.get((topic, number), 0))
        return after

    def first(self) -> dict[Partition, int]:
        """Per partition, the offset of the first record."""
        first: dict[Partition, int] = {}
        for topic, number, offset in self._where():
            first[topic, number] = min(offset, first.get((topic, number), offset))
        return first

    def of(self, owned: set[Partition]) -> "PolledRecords":
        """The same without the records of partitions that are not ours any more."""
        return replace(
            self,
            records=[each for each in self.records if each.position[:2] in owned],
            broken=[each for each in self.broken if each[0][:2] in owned],
        )

    def and_then(self, more: "PolledRecords") -> "PolledRecords":
        """Both as one, under what was in force when the later one was read."""
        return replace(more, records=self.records + more.records, broken=self.broken + more.broken)

    def _where(self) -> list[Position]:
        return [each.position for each in self.records] + [where for where, _ in self.broken]


def from_messages(
    messages: Iterable[Message], owned: set[Partition], ends: dict[Partition, int], sources: Mapping[str, str]
) -> PolledRecords:
    """Sort what a poll returned.

    Args:
        messages: records and error events, as the client returns them.
        owned: our partitions; records of others are left out.
        ends: updated: partitions that were read to their end, and the end's offset.
        sources: subscribed topics, each with the catalogue topic whose records it carries.

    Raises:
        LostOffset: the log was cut above the group's offset.
        TopicMissing: a topic was deleted meanwhile.
        BrokerUnreachable: the client gave up for good.
    """
    reading = PolledRecords([], [])
    for message in messages:
        topic, number, offset = message.topic() or "", message.partition() or 0, message.offset()
        error = message.error()
        if error is not None:
            _note(error, Position(topic, number, -1 if offset is None else offset), owned, ends, reading)
        elif (topic, number) in owned:
            ends.pop((topic, number), None)
            where = Position(topic, number, offset)  # type: ignore[arg-type]  # a delivered message has one
            headers = headers_of(message)
            if headers is None:
                reading.broken.append((where, "the client cannot read a header whose name is not UTF-8"))
                continue
            reading.records.append(
                ConsumerRecord(
                    where, sources[topic], message.timestamp()[1], message.key(), message.value(), headers
                )
            )
    return reading


def _note(
    error: KafkaError,
    where: Position,
    owned: set[Partition],
    ends: dict[Partition, int],
    reading: PolledRecords,
) -> None:
    code, partition = error.code(), where[:2]
    if partition in owned and where.offset >= 0:
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local code
            ends[partition] = where.offset
            return
        if code in _BROKEN:
            reading.broken.append((where, error.str()))
            return
    if code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the same
        raise LostOffset(
            f"{where.topic}:{where.partition}: {error.str()}; the log was cut above the group's offset, "
            "so records are gone that nobody handled"
        )
    if code in _NO_TOPIC:
        raise TopicMissing(f"topic {where.topic} is missing; `cev topics create` creates it")
    if error.fatal():
        raise BrokerUnreachable(f"the client gave up: {error.str()}")
