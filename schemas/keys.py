"""What a key of eight bytes may be besides Kafka's Long: somebody else's text, or a registry's frame. Pure.

Eight bytes always make a Long, so a key alone never says what it is:

- **Text** of eight characters (`ORDER-12`) is a number between 2**61 and 2**63, or below zero. One in two
  thousand of all 64-bit numbers is such a text. No order of ours has one of these ids: the door refuses them
  (`producers.placing.validation`), and the generators pass over them. So a command under such a key is
  nobody's order. A fact or a result says its order id in its value too, which decides there.
- **A registry's frame** (0, schema id, an Avro int or long) is a number between 2**24 and 2**56, and many
  ordinary ids lie there. Only the registry can tell: a command's key is a frame if its schema id stands for a
  number, or for a record of one number as Debezium writes keys.

Neither is read as the order that it means. Its key hashes to another partition than that order's Long, and
one order would be two partitions' story (design §5).

Not here, for nothing tells them from a Long: eight bytes of a double, and a Long written little-endian.
"""

import struct
from typing import Any, NamedTuple

MAX_SCHEMA_TEXT = 10_000
"""Characters of the schema of a key that is a number; a longer one is of something else."""

_BYTES = 8
_FIRST_TEXT = 0x20 << 56
"""The least number whose first byte is a printable character."""
_LEAST_FRAME, _LEAST_NO_FRAME = 1 << 24, 1 << 56
_FRAME = struct.Struct(">BI")
_MAX_ID = 2**31 - 1
_SECOND_BRANCH = 0x02
_MORE = 0x80


class KeyFrame(NamedTuple):
    """A key that a registry's serializer may have written.

    Attributes:
        schema_id: in its frame; 1 to 2**31 - 1.
        number: the order id in its body.
        nullable: whether the number is the second branch of a union.
    """

    schema_id: int
    number: int
    nullable: bool


def text_of(number: int) -> str | None:
    """The text that a Long's eight bytes spell; None if they are no printable text in UTF-8."""
    if 0 <= number < _FIRST_TEXT:
        return None
    try:
        text = number.to_bytes(_BYTES, signed=True).decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def may_be_framed(number: int) -> bool:
    """Whether a Long's eight bytes may be a frame, or Avro without one; cheap, and False for most."""
    return _LEAST_FRAME <= number < _LEAST_NO_FRAME or (number < 0 and not number & _MORE)


def bare_number(key: bytes) -> int | None:
    """A key as one Avro int or long without a frame; None if it is none."""
    return _varint(key)


def framed(key: bytes) -> KeyFrame | None:
    """A key of any length as a registry's frame around one number; None if it is none."""
    if len(key) <= _FRAME.size:
        return None
    magic, schema_id = _FRAME.unpack_from(key)
    body = key[_FRAME.size :]
    nullable = len(body) > 1 and body[0] == _SECOND_BRANCH
    number = _varint(body[1:] if nullable else body)
    if magic or not 0 < schema_id <= _MAX_ID or number is None:
        return None
    return KeyFrame(schema_id, number, nullable)


def display(frame: KeyFrame) -> str:
    """A framed key as an error names it."""
    return (
        f"the key is in a registry's frame (schema id {frame.schema_id}, order {frame.number}), "
        "a Long key is eight bytes big-endian"
    )


def is_of(key: KeyFrame, schema: Any) -> bool:
    """Whether a framed key was written with a schema, as `json.loads` gives it."""
    match schema:
        case {"type": "record", "fields": [{"type": field}]}:
            return is_of(key, field)
        case {"type": str() | dict() | list() as inner}:
            return is_of(key, inner)
        case ["null", branch]:
            return key.nullable and is_of(key._replace(nullable=False), branch)
        case "int" | "long":
            return not key.nullable
    return False


def _varint(body: bytes) -> int | None:
    """One zig-zag varint in its shortest spelling, of at most 64 bits, and nothing else."""
    *more, last = body
    # Hardly any id comes as far as the sum: this is asked of each.
    if last & _MORE or not (last or not more) or not all(byte & _MORE for byte in more):
        return None
    zigzag = sum((byte & ~_MORE) << 7 * index for index, byte in enumerate(body))
    return (zigzag >> 1) ^ -(zigzag & 1) if zigzag < 1 << 64 else None
