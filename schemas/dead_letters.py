"""What a dead letter's headers say. Pure; reading never fails, because anybody may have written them.

Names and encodings are Spring Kafka's (`KafkaHeaders.DLT_*`): int32 and int64 big-endian, text as UTF-8;
`attempts` is decimal text (design §5). Of a doubled header the last counts, as in Kafka's
`Headers.lastHeader`.
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

from schemas.envelope import Headers
from schemas.errors import Position

PREFIX = "kafka_dlt-"
_KEY_BYTES = 8
_DIGITS = 9
_PRINTABLE = range(32, 127)
_NUMBERS = {
    PREFIX + "original-partition": struct.Struct(">i"),
    PREFIX + "original-offset": struct.Struct(">q"),
    PREFIX + "original-timestamp": struct.Struct(">q"),
}


class Reason(NamedTuple):
    """Why a record is a dead letter, and where it came from; None is what the headers do not say.

    Attributes:
        origin: its first position.
        timestamp: of the original record, ms since the epoch, UTC.
        group: the consumer group that gave up.
        error: full name of the error's class.
        message: the error's own line.
        attempts: how often it was tried.
    """

    origin: Position | None
    timestamp: int | None
    group: str | None
    error: str | None
    message: str | None
    attempts: int | None


def parse(headers: Headers) -> Reason:
    """Read the headers of a dead letter."""
    found = dict(headers)
    topic = _text(found.get(PREFIX + "original-topic"))
    partition = number(found, PREFIX + "original-partition")
    offset = number(found, PREFIX + "original-offset")
    attempts = _text(found.get("attempts")) or ""
    complete = topic is not None and partition is not None and offset is not None
    return Reason(
        origin=Position(topic or "", partition or 0, offset or 0) if complete else None,
        timestamp=number(found, PREFIX + "original-timestamp"),
        group=_text(found.get(PREFIX + "original-consumer-group")),
        error=_text(found.get(PREFIX + "exception-fqcn")),
        message=_text(found.get(PREFIX + "exception-message")),
        attempts=int(attempts)
        if attempts.isascii() and attempts.isdecimal() and len(attempts) <= _DIGITS
        else None,
    )


def number(headers: Mapping[str, bytes | str | None], name: str) -> int | None:
    """A numeric header; None if it is not there or has the wrong length."""
    packed, value = _NUMBERS[name], headers.get(name)
    return int(packed.unpack(value)[0]) if isinstance(value, bytes) and len(value) == packed.size else None


def order_id(key: bytes | None) -> int | None:
    """The order that a key names: Kafka's Long, 8 bytes big-endian; None for anything else."""
    return int.from_bytes(key, signed=True) if key is not None and len(key) == _KEY_BYTES else None


def shown(headers: Headers, *, limit: int | None = None) -> list[tuple[str, str]]:
    """All headers as text, in their order: numbers decoded, text as UTF-8, other bytes as hexadecimal.

    Args:
        headers: as they lie in the record.
        limit: most characters of one value; None is all of them.
    """
    return [(name, _cut(_shown(name, value), limit)) for name, value in headers]


def hexdump(value: bytes, *, limit: int = 4_096) -> list[str]:
    """Bytes as people read them: offset, 16 bytes, and the printable ASCII among them."""
    lines = [
        f"{at:08x}  {chunk.hex(' '):<47}  {''.join(chr(b) if b in _PRINTABLE else '.' for b in chunk)}"
        for at, chunk in ((at, value[at : at + 16]) for at in range(0, min(len(value), limit), 16))
    ]
    return [*lines, f"... {len(value) - limit:,} more bytes"] if len(value) > limit else lines


def _shown(name: str, value: bytes | str | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if name in _NUMBERS and len(value) == _NUMBERS[name].size:
        return str(_NUMBERS[name].unpack(value)[0])
    text = _text(value)
    return text if text is not None and text.isprintable() else f"0x{value.hex()}"


def _cut(text: str, limit: int | None) -> str:
    if limit is None or len(text) <= limit:
        return text
    return f"{text[:limit]}... and {len(text) - limit:,} characters more"


def _text(value: bytes | str | None) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value
