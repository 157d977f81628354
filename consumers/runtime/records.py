"""The values that travel through the runtime: records as they were read, and what the store has. No I/O.

Not here: what a batch amounts to (`plan`), and records on their way to Kafka (`clients.records`).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from consumers.runtime.reaction import DeliveryAnswer
from schemas.decisions import PaymentResolved
from schemas.envelope import Envelope, Headers, ReceivedEnvelope
from schemas.errors import Position, RecordError
from schemas.topics import Message

Partition = tuple[str, int]
"""Topic and partition number."""


def is_from(position: Position, offsets: Mapping[Partition, int]) -> bool:
    """Whether a record lies at the offset given for its partition, or behind it; False if none is."""
    partition = position.topic_partition
    return partition in offsets and position.offset >= offsets[partition]


Via = Literal["command", "fact"]


class Committed(NamedTuple):
    """A committed offset of the group, and the store id that travels with it as metadata."""

    offset: int
    store_id: str


class Progress(NamedTuple):
    """How far a partition has come.

    Attributes:
        position: the next offset to handle.
        results_upto: results of offsets below are known to be committed in Kafka.
        started: a first offset was committed in Kafka, so a missing one is lost.
    """

    position: int
    results_upto: int
    started: bool


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
    """A record that became a message, or an operator's decision; or the answer to a delivery of a record."""

    record: ConsumerRecord
    order_id: int
    message: Message | DeliveryAnswer | PaymentResolved
    envelope: Envelope | ReceivedEnvelope


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


def without_frames(error: RecordError) -> RecordError:
    """An error to keep beside its record: it forgets where it was raised.

    The frames hold the whole batch, and the batch holds the error: the garbage collector alone would free
    them, and not while the record waits for its next attempt.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


class Attempts(NamedTuple):
    """How often a record has failed, and before which moment (ms) it is not tried again."""

    times: int
    at: int


class Alarm(NamedTuple):
    """A named condition that an operator must hear of; since when, ms since the epoch."""

    name: str
    subject: str
    since: int
    text: str


class KnownEffect(NamedTuple):
    """An effect that the store already has.

    Attributes:
        outcome, input: as the reaction recorded it.
        origin: the record that made it.
        detail: of an effect that is only intended, what else the store keeps of it.
    """

    outcome: str
    input: str | None
    origin: Position
    detail: str | None = None


class Intention(NamedTuple):
    """An effect that is intended and not done, and the record that intends it.

    Another record may intend the same effect anew, once this one was taken back.
    """

    order_id: int
    effect: str
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
