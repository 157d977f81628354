"""Records become messages, or say why not.

A schema that is unknown is asked for once a look, not once a record: thousands of records of a rollout must
not be thousands of questions to the registry. Nothing is remembered between two looks, so that a schema that
was registered meanwhile is found.

I/O: through the codec, the schema registry.
"""

from collections.abc import Iterable, Sequence

from consumers.runtime.records import ConsumerRecord, Decoded, FailedRecord, Item, Marker
from schemas import framing
from schemas.codec import Codec
from schemas.decisions import is_discard
from schemas.envelope import from_headers
from schemas.errors import Position, RecordError, Undeliverable, UnknownSchemaId
from schemas.topics import BY_NAME


def decoded(
    codec: Codec, records: Iterable[ConsumerRecord], broken: Sequence[tuple[Position, str]] = ()
) -> list[Item]:
    """Take records apart, in their order.

    Args:
        codec: reads values.
        records: as they lay on their topics.
        broken: positions that the client could not deliver, with its words; they come last.

    Raises:
        RegistryUnreachable: a schema id is new and the registry did not answer.
    """
    items: list[Item] = []
    decode = codec.decode
    unknown: dict[tuple[str, bytes], str] = {}
    for record in records:
        where = record.position
        try:
            if unknown and (words := unknown.get(_frame(record))) is not None:
                raise UnknownSchemaId(words, where)
            message = decode(record.source, record.key, record.value, where)
        except RecordError as error:
            if type(error) is UnknownSchemaId:
                unknown[_frame(record)] = error.what
            items.append(_failed(record, error))
            continue
        order_id: int = message[0]  # the first field of every message is what its key says
        envelope = from_headers(record.headers, order_id=order_id, position=where)
        items.append(Decoded(record, order_id, message, envelope))
    items += [_undelivered(where, words) for where, words in broken]
    return items


def again(codec: Codec, items: Sequence[Item]) -> list[Item]:
    """The same items, those without a message looked at once more."""
    unread = [item.record for item in items if type(item) is FailedRecord and _has_bytes(item)]
    fresh = {item.record.position: item for item in decoded(codec, unread)} if unread else {}
    return [fresh.get(item.record.position, item) for item in items]


def _failed(record: ConsumerRecord, error: RecordError) -> Item:
    order_id = order_of(record)
    if record.value is None and record.redriven and is_discard(record.headers or ()):
        return Marker(record, order_id)
    return FailedRecord(record, order_id, error)


def order_of(record: ConsumerRecord) -> int | None:
    """The order that a record's key names, if it can be read."""
    try:
        return framing.decode_key(record.key, record.position)
    except RecordError:
        return None


def _frame(record: ConsumerRecord) -> tuple[str, bytes]:
    return record.source, (record.value or b"")[: framing.REGISTRY_BYTES]


def _has_bytes(item: FailedRecord) -> bool:
    return not isinstance(item.error, Undeliverable)


def _undelivered(where: Position, words: str) -> FailedRecord:
    source = where.topic if where.topic in BY_NAME else where.topic.split(".")[1]
    return FailedRecord(ConsumerRecord(where, source, 0, None, None, None), None, Undeliverable(words, where))
