"""The frames around an Avro body or in a record's header, and Kafka's Long key. Bytes in, bytes out.

Sources: Confluent wire format (magic 0, schema id); Confluent's `HeaderSchemaIdSerializer`, which leaves the
body bare and names its schema in the header `__value_schema_id` (magic 1, GUID; or magic 0, id), of which the
last counts; Avro 1.12 specification, "Single-object encoding"
(C3 01, CRC-64-AVRO fingerprint little-endian); Kafka `LongSerializer` (eight bytes, big-endian, signed).
"""

import struct
from uuid import UUID

from schemas import keys
from schemas.envelope import HeaderValues
from schemas.errors import FramedKey, NullKey, Position, UnknownFraming, WrongKeyLength

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
SINGLE_OBJECT_BYTES = 10
REGISTRY_MAGIC = 0
REGISTRY_BYTES = 5
GUID_MAGIC = 1
GUID_BYTES = 17
VALUE_SCHEMA, KEY_SCHEMA = "__value_schema_id", "__key_schema_id"

_HEADERS = {(REGISTRY_BYTES, REGISTRY_MAGIC), (GUID_BYTES, GUID_MAGIC)}
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


def schema_header(headers: HeaderValues, name: str) -> bytes | None:
    """The schema that a record's header names, in its bytes; None where there is none, or no well-formed one.

    Args:
        headers: the record's, by name.
        name: `VALUE_SCHEMA` or `KEY_SCHEMA`.
    """
    header = headers.get(name)
    if isinstance(header, bytes) and (len(header), int.from_bytes(header[:1])) in _HEADERS:
        return header
    return None


def frame_of(value: bytes, headers: HeaderValues, position: Position) -> tuple[bytes, int]:
    """What names a value's schema, and where its body begins.

    Returns:
        5 bytes with a schema id, 17 with a GUID or 10 with a fingerprint of ours; and an offset in the value.

    Raises:
        UnknownFraming: neither the headers nor the value name a schema.
    """
    named = schema_header(headers, VALUE_SCHEMA)
    if named is not None:
        return named, 0
    length = header_length(value, position)
    return value[:length], length


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


def guid_of(header: bytes) -> str:
    """The GUID in a header of 17 bytes."""
    return str(UUID(bytes=header[1:]))


def schema_id_of(header: bytes) -> int:
    """The schema id in a registry header of five bytes."""
    number: int = _REGISTRY.unpack(header)[1]
    return number
