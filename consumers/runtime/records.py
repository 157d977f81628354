"""The values that travel through the runtime: records in, a plan, records out. No I/O."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from clients.records import ProducerRecord
from consumers.runtime.reaction import Delivery
from schemas.envelope import Envelope, Headers
from schemas.errors import Position, RecordError
from schemas.topics import Message

Partition = tuple[str, int]
"""Topic and partition number."""

Via = Literal["command", "fact"]


class Committed(NamedTuple):
    """A committed offset of the group, and the store id that travels with it as metadata."""

    offset: int
    store_id: str


class ConsumerRecord(NamedTuple):
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

    @property
    def redriven(self) -> bool:
        """Whether it lay on a retry topic: a decision about a dead letter."""
        return self.position.topic != self.source


class Decoded(NamedTuple):
    """A record that became a message."""

    record: ConsumerRecord
    order_id: int
    message: Message
    envelope: Envelope


class FailedRecord(NamedTuple):
    """A record that became no message, and why; its order, where the key can be read."""

    record: ConsumerRecord
    order_id: int | None
    error: RecordError


class Marker(NamedTuple):
    """A record on a retry topic that says: the dead letter of this order is discarded."""

    record: ConsumerRecord
    order_id: int | None


Item = Decoded | FailedRecord | Marker


class Dead(NamedTuple):
    """A record that goes to the dead letters, why, and how often it was tried this time."""

    record: ConsumerRecord
    error: RecordError
    attempts: int = 1


class Attempts(NamedTuple):
    """How often a record has failed, and before which moment (ms) it is not tried again."""

    times: int
    at: int


class FailedAttempt(NamedTuple):
    """A record failed and is tried again: what the store notes."""

    position: Position
    tried: Attempts
    why: str


class Alarm(NamedTuple):
    """A named condition that an operator shall hear of; since when, ms since the epoch."""

    name: str
    subject: str
    since: int
    text: str


class KnownEffect(NamedTuple):
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


class DeliveryTask(NamedTuple):
    """A delivery on behalf of one effect of one record."""

    order_id: int
    effect: str
    record: ConsumerRecord
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
        discarded: how many discard markers were passed.
        waiting: records that are not settled: failed and to be tried again, or behind one of the same order.
        blocked: orders whose later records wait, and until when (ms; 0: until this pass is over).
        setbacks: what failed in this pass and is tried again.
    """

    effects: list[EffectRow] = field(default_factory=list)
    shadows: list[EffectRow] = field(default_factory=list)
    results: list[tuple[Position, ProducerRecord]] = field(default_factory=list)
    replays: list[Position] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    errands: list[DeliveryTask] = field(default_factory=list)
    duplicates: int = 0
    discarded: int = 0
    waiting: list[Item] = field(default_factory=list)
    blocked: dict[int, int] = field(default_factory=dict)
    setbacks: list[FailedAttempt] = field(default_factory=list)
