"""Records become messages, or say why not.

An unknown schema is asked for once a call, not once a record: thousands of records of a rollout must not be
thousands of questions to the registry. Nothing is remembered between two calls, so that a schema that was
registered meanwhile is found.

I/O: through the codec, the schema registry.
"""

from collections.abc import Iterable, Sequence

from consumers.runtime.plan import DeliveryTask
from consumers.runtime.reaction import DeliveryAnswer
from consumers.runtime.records import (
    ConsumerRecord,
    Decoded,
    FailedRecord,
    Item,
    Marker,
    without_frames,
)
from schemas import framing
from schemas.codec import Codec
from schemas.decisions import is_discard, resolved_payment
from schemas.envelope import ReceivedEnvelope, by_name
from schemas.errors import FramedKey, Position, RecordError, TextKey, Undeliverable, UnknownSchemaId
from schemas.topics import CAPTURE_PAYMENTS, source_of


def decode(
    codec: Codec, records: Iterable[ConsumerRecord], broken: Sequence[tuple[Position, str]] = ()
) -> list[Item]:
    """Decode records, in their order.

    Args:
        codec: reads values.
        records: as they lay on their topics.
        broken: positions that the client could not deliver, each with the client's reason; they come last.

    Raises:
        RegistryUnreachable: a schema id is new and the registry did not answer.
    """
    items: list[Item] = []
    decode_value = codec.decode
    unknown: dict[tuple[str, bytes], str] = {}
    for record in records:
        position = record.position
        try:
            if unknown and (reason := unknown.get(_frame(record))) is not None:
                raise UnknownSchemaId(reason, position)
            headers = by_name(record.headers)
            message = decode_value(record.source, record.key, record.value, position, headers)
        except RecordError as error:
            if type(error) is UnknownSchemaId:
                unknown[_frame(record)] = error.what
            items.append(_undecodable(record, error))
            continue
        order_id: int = message[0]  # the first field of every message is what its key says
        items.append(Decoded(record, order_id, message, ReceivedEnvelope(headers, order_id, position)))
    items += [_undeliverable(position, reason) for position, reason in broken]
    return items


def decode_answer(task: DeliveryTask, answer: str | None) -> Decoded:
    """The answer to a delivery, as a message of the record that caused it."""
    record, order_id = task.record, task.order_id
    envelope = ReceivedEnvelope(by_name(record.headers), order_id, record.position)
    return Decoded(record, order_id, DeliveryAnswer(order_id, task.effect, answer), envelope)


def decode_again(codec: Codec, items: Sequence[Item]) -> list[Item]:
    """The same items; those that could not be decoded are tried once more."""
    failed = [
        item.record
        for item in items
        if type(item) is FailedRecord and not isinstance(item.error, Undeliverable)
    ]
    decoded = {item.record.position: item for item in decode(codec, failed)} if failed else {}
    return [decoded.get(item.record.position, item) for item in items]


def _undecodable(record: ConsumerRecord, error: RecordError) -> Item:
    order_id = None if isinstance(error, TextKey | FramedKey) else _order_of(record)
    if record.value is None and record.redriven:
        if is_discard(record.headers or ()):
            return Marker(record, order_id)
        if order_id is not None and (decision := _resolution(record, order_id)):
            return decision
    return FailedRecord(record, order_id, without_frames(error))


def _resolution(record: ConsumerRecord, order_id: int) -> Decoded | None:
    """What an operator says about a payment: a message of the commands' own retry topic."""
    headers = by_name(record.headers)
    resolved = resolved_payment(record.headers or (), order_id)
    if resolved is None or record.source != CAPTURE_PAYMENTS:
        return None
    return Decoded(record, order_id, resolved, ReceivedEnvelope(headers, order_id, record.position))


def _order_of(record: ConsumerRecord) -> int | None:
    """The order that a record's key names, if it can be read."""
    try:
        return framing.decode_key(record.key, record.position)
    except RecordError:
        return None


def _frame(record: ConsumerRecord) -> tuple[str, bytes]:
    header = framing.schema_header(by_name(record.headers), framing.VALUE_SCHEMA)
    return record.source, header or (record.value or b"")[: framing.REGISTRY_BYTES]


def _undeliverable(position: Position, reason: str) -> FailedRecord:
    record = ConsumerRecord(position, source_of(position.topic), 0, None, None, None)
    return FailedRecord(record, None, Undeliverable(reason, position))
