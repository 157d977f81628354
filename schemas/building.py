"""Between the fields of an Avro body and the messages of this program, and what no schema can say of them.

A body that fits its schema may still be no message: its key names another order, a number does not fit into
its type, a list is longer than any order's. No bytes are read or written here.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from schemas import keys
from schemas.commands import DispatchProduct
from schemas.control import ModeChanged
from schemas.errors import FramedKey, KeyMismatch, MalformedBody, Position, TextKey, TooManyEntries
from schemas.facts import Item, OrderPlaced
from schemas.framing import encode_key
from schemas.topics import Message

MAX_ENTRIES = 10_000
"""Most items, or names in `shadow_of`, of one fact; our own producers take 1,000.

Three bytes can be an item, which takes a hundred times as much memory: without a bound, one fetch of the
largest records would take gigabytes.
"""

_ITEM, _ORDER = itemgetter(*Item._fields), itemgetter(*OrderPlaced._fields)
_INT = range(-(2**31), 2**31)

Build = Callable[[dict[str, Any], int, Position], Message]
"""Given a body's fields, the number in the record's key and its position, makes the message."""


def fields_of(message: Message) -> dict[str, Any]:
    """A message as fastavro writes it."""
    fields = message._asdict()
    if isinstance(message, OrderPlaced):
        fields["items"] = [item._asdict() for item in message.items]
    return fields


def builder_of(record: type[Message]) -> Build:
    """What makes messages of a type.

    It raises:
        KeyMismatch: the key names another order, or epoch, than the value.
        TextKey: the key is text, and the value does not say that it is a number.
        FramedKey: the key is a registry's frame around the number that the value says.
        MalformedBody: a quantity is beyond 32 bits.
        TooManyEntries: more than `MAX_ENTRIES` items, or names in `shadow_of`.
    """
    if record is DispatchProduct:
        return _build_dispatch
    return _build_order if record is OrderPlaced else _build_keyed(record)


def _build_dispatch(fields: dict[str, Any], number: int, position: Position) -> Message:
    # The key alone says which order this is.
    _refuse_text(number, position)
    return DispatchProduct(number, **fields)


def _build_order(fields: dict[str, Any], number: int, position: Position) -> Message:
    _same(fields["order_id"], number, position)
    items, shadow_of = fields["items"], fields["shadow_of"]
    if len(items) > MAX_ENTRIES or len(shadow_of) > MAX_ENTRIES:
        raise TooManyEntries(
            f"{len(items):,} items and {len(shadow_of):,} names in shadow_of; {MAX_ENTRIES:,} are read",
            position,
        )
    fields["items"] = items = tuple([Item._make(_ITEM(item)) for item in items])
    for item in items:
        # fastavro reads an Avro int like a long; other readers, which count in 32 bits, could not.
        if item.quantity not in _INT:
            raise MalformedBody(f"the quantity {item.quantity} is no Avro int", position)
    fields["shadow_of"] = tuple(shadow_of)
    return OrderPlaced._make(_ORDER(fields))


def _build_keyed(record: type[Message]) -> Build:
    name = "epoch" if record is ModeChanged else "order_id"

    def build(fields: dict[str, Any], number: int, position: Position) -> Message:
        _same(fields[name], number, position)
        return record(**fields)

    return build


def _same(in_value: int, in_key: int, position: Position) -> None:
    if in_value == in_key:
        return
    _refuse_text(in_key, position)
    frame = keys.framed(encode_key(in_key))
    if frame is not None and frame.number == in_value:
        raise FramedKey(keys.display(frame), position)
    raise KeyMismatch(f"the key says {in_key}, the value says {in_value}", position)


def _refuse_text(number: int, position: Position) -> None:
    text = keys.text_of(number)
    if text is not None:
        raise TextKey(f"the key is the text {text!r}, a Long key is a number", position)
