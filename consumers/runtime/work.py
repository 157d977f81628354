"""The values that travel through the runtime: records in, a plan, records out. No behaviour, no I/O."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from consumers.runtime.reaction import Delivery
from schemas.envelope import Envelope, Headers
from schemas.errors import Position, RecordError
from schemas.topics import Message

Partition = tuple[str, int]
"""Topic and partition number."""

Via = Literal["command", "fact"]


class Record(NamedTuple):
    """One Kafka record as it lay on its topic.

    Attributes:
        position: topic, partition and offset that it was read from.
        source: the catalogue topic whose records these are; differs from the topic on a retry topic.
        timestamp: milliseconds since the epoch, as the broker has it.
        key, value, headers: as the client hands them over.
    """

    position: Position
    source: str
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None


class Decoded(NamedTuple):
    """A record that became a message."""

    record: Record
    order_id: int
    message: Message
    envelope: Envelope


class Dead(NamedTuple):
    """A record that goes to the dead letters, and why."""

    record: Record
    error: RecordError


class Outgoing(NamedTuple):
    """A record to write, ready for the client."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]


class Known(NamedTuple):
    """An effect that the store already has."""

    outcome: str
    input: str | None
    origin: Position


class EffectRow(NamedTuple):
    """One row of `effects`, or of `shadow_decisions`, in the order of the table's columns."""

    order_id: int
    effect: str
    outcome: str
    input: str | None
    detail: str | None
    via: Via
    message_id: str
    source_topic: str
    source_partition: int
    source_offset: int
    at: int


class Errand(NamedTuple):
    """A delivery on behalf of one effect of one record."""

    order_id: int
    effect: str
    record: Record
    delivery: Delivery


@dataclass(slots=True)
class Plan:
    """What a batch amounts to: decided without I/O, carried out by the member.

    Attributes:
        effects: new effects.
        shadows: decisions that are only recorded (design §6).
        results: new result records, each with the position whose effect they report.
        replays: positions whose stored results must be sent once more (design §7, point 3).
        dead: records for the dead-letter topics.
        errands: deliveries to make before the batch is done.
        duplicates: how many records repeated what was done before.
    """

    effects: list[EffectRow] = field(default_factory=list)
    shadows: list[EffectRow] = field(default_factory=list)
    results: list[tuple[Position, Outgoing]] = field(default_factory=list)
    replays: list[Position] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    duplicates: int = 0
