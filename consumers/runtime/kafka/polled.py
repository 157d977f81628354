"""What one poll returned: records, positions that the client could not deliver, and errors that stop us.

I/O: none of its own; it reads the client's message objects.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, Message

from clients.errors import PARTITION_EOF, headers_of
from consumers.runtime.records import ConsumerRecord, Partition
from consumers.runtime.starting_offset import way_on
from schemas.errors import BrokerUnreachable, LostOffset, Position, TopicMissing

_NO_TOPIC = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)  # noqa: SLF001 - librdkafka's local codes
_NO_OFFSET = KafkaError(KafkaError._NO_OFFSET).str()  # noqa: SLF001 - the same
_WAY_ON = way_on("GROUP")
_BROKEN = (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION)  # noqa: SLF001 - the same


@dataclass(frozen=True, slots=True)
class PolledRecords:
    """The records of one poll.

    Attributes:
        records: in the order they were read.
        broken: positions that the client could not deliver, each with the client's reason.
        metadata: the consumer group metadata that a commit of these records travels with.
        at_end: whether every owned partition was read to its end.
        outage: what does not answer or is refused, or None.
        generation: the consumer's generation when they were read.
    """

    records: list[ConsumerRecord]
    broken: list[tuple[Position, str]]
    metadata: Any = None
    at_end: bool = False
    outage: BrokerUnreachable | None = None
    generation: int = 0

    def __len__(self) -> int:
        """How many positions were read, whatever they hold."""
        return len(self.records) + len(self.broken)

    def next_offsets(self) -> dict[Partition, int]:
        """Per partition, the offset after the last record."""
        offsets: dict[Partition, int] = {}
        for (topic, number, offset), *_ in self.records:
            offsets[topic, number] = offset + 1
        for (topic, number, offset), _ in self.broken:
            offsets[topic, number] = max(offset + 1, offsets.get((topic, number), 0))
        return offsets


def from_messages(
    messages: Iterable[Message],
    owned: set[Partition],
    end_offsets: dict[Partition, int],
    sources: Mapping[str, str],
    report: Callable[[Partition, KafkaError], None],
) -> PolledRecords:
    """Sort what a poll returned.

    Args:
        messages: records and error events, as the client returns them.
        owned: the member's partitions; records of others are left out.
        end_offsets: updated: partitions that were read to their end, and the end's offset.
        sources: subscribed topics, each with the catalogue topic whose records it carries.
        report: is given every other error event, with the partition that it is about, if any.

    Raises:
        LostOffset: the log was cut above the group's offset.
        TopicMissing: a topic was deleted meanwhile.
    """
    polled = PolledRecords([], [])
    for message in messages:
        topic, number, offset = message.topic() or "", message.partition() or 0, message.offset()
        error = message.error()
        if error is not None:
            position = Position(topic, number, -1 if offset is None else offset)
            if not _is_handled(error, position, owned, end_offsets, polled):
                report(position.topic_partition, error)
        elif (topic, number) in owned:
            end_offsets.pop((topic, number), None)
            position = Position(topic, number, offset)  # type: ignore[arg-type]  # a delivered message has one
            headers = headers_of(message)
            if headers is None:
                polled.broken.append((position, "the client cannot read a header whose name is not UTF-8"))
                continue
            polled.records.append(
                ConsumerRecord(
                    position, sources[topic], message.timestamp()[1], message.key(), message.value(), headers
                )
            )
    return polled


def partition_of(message: Message) -> Partition:
    """The partition that a message, or an error event, is about."""
    return message.topic() or "", message.partition() or 0


def is_read(message: Message) -> bool:
    """Whether a message shows that its partition can be read: a record, or the end."""
    error = message.error()
    return error is None or error.code() == PARTITION_EOF


def _is_handled(
    error: KafkaError,
    position: Position,
    owned: set[Partition],
    end_offsets: dict[Partition, int],
    polled: PolledRecords,
) -> bool:
    """Whether an error event is about a position; if not, about the member or what it may read."""
    code, partition = error.code(), position.topic_partition
    if partition in owned and position.offset >= 0:
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local code
            end_offsets[partition] = position.offset
            return True
        if code in _BROKEN:
            polled.broken.append((position, error.str()))
            return True
    if code == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - the same
        raise LostOffset(f"{position.topic}:{position.partition}: {error.str()}; {_lost_offset(error)}")
    if code in _NO_TOPIC:
        raise TopicMissing(f"topic {position.topic} is missing; `cev topics create` creates it")
    return code in (KafkaError._PARTITION_EOF, *_BROKEN)  # noqa: SLF001 - the same, of a partition that left


def _lost_offset(error: KafkaError) -> str:
    if _NO_OFFSET in error.str():
        return f"the group's committed offset is gone: the group was deleted, or its offsets were; {_WAY_ON}"
    return f"the log was cut above the group's offset, so records are gone that nobody handled; {_WAY_ON}"
