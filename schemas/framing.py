"""The two frames around an Avro body, and Kafka's Long key. Bytes in, bytes out.

Sources: Confluent wire format (magic 0, schema id); Avro 1.12 specification, "Single-object encoding"
(C3 01, CRC-64-AVRO fingerprint little-endian); Kafka `LongSerializer` (eight bytes, big-endian, signed).
"""

import struct

from schemas import keys
from schemas.errors import FramedKey, NullKey, Position, UnknownFraming, WrongKeyLength

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
SINGLE_OBJECT_BYTES = 10
REGISTRY_MAGIC = 0
REGISTRY_BYTES = 5

_LONG = struct.Struct(">q")
_REGISTRY = struct.Struct(">BI")


def encode_key(number: int) -> bytes:
    """An order id or epoch as Kafka's Long serde writes it: 8 bytes, big-endian.

    Raises:
        struct.error: the number does not fit into a signed 64-bit integer.
    """
    return _LONG.pack(number)


def decode_key(key: bytes | None, position: Position) -> int:
    """Read eight bytes as a Long; `keys` says what else they may be.

    Raises:
        NullKey: there is none.
        FramedKey: it is a registry's frame of another length.
        WrongKeyLength: it is not eight bytes long.
    """
    if key is None:
        raise NullKey("the record has no key, so it names no order", position)
    if len(key) != _LONG.size:
        if frame := keys.framed(key):
            raise FramedKey(keys.display(frame), position)
        raise WrongKeyLength(f"the key has {len(key)} bytes, a Long key has 8", position)
    number: int = _LONG.unpack(key)[0]
    return number


def registry_header(schema_id: int) -> bytes:
    """The five bytes before an Avro body in the Confluent wire format.

    Raises:
        struct.error: the id does not fit into an unsigned 32-bit integer.
    """
    return _REGISTRY.pack(REGISTRY_MAGIC, schema_id)


def header_length(value: bytes, position: Position) -> int:
    """How many bytes the frame takes before the body.

    Returns:
        5 for the registry's frame, 10 for the single-object encoding.

    Raises:
        UnknownFraming: neither magic byte, or too short for its header.
    """
    if value[:2] == SINGLE_OBJECT_MAGIC and len(value) >= SINGLE_OBJECT_BYTES:
        return SINGLE_OBJECT_BYTES
    if value[:1] == b"\x00" and len(value) >= REGISTRY_BYTES:
        return REGISTRY_BYTES
    shown = value[:2].hex(" ") or "nothing"
    raise UnknownFraming(
        f"{len(value)} bytes that begin with {shown}: neither 00 and a schema id nor c3 01 and a fingerprint",
        position,
    )


def schema_id_of(header: bytes) -> int:
    """The schema id in a registry header of five bytes."""
    number: int = _REGISTRY.unpack(header)[1]
    return number
