"""The headers of a dead letter: their names, their writer and their parser. Pure.

Names and encodings are Spring Kafka's (`KafkaHeaders.DLT_*`), so that other tools read them: int32 and int64
big-endian, text as UTF-8. `attempts` is ours, decimal text (design §5). Of a doubled header the last counts,
as in Kafka's `Headers.lastHeader`. Parsing never fails, because anybody may have written the headers.

Not here: how large a dead letter may be and what is cut (consumers/runtime/dead_letters.py).
"""

import struct
from collections.abc import Mapping
from typing import NamedTuple

from schemas.envelope import Headers
from schemas.errors import FramedKey, Position, TextKey

PREFIX = "kafka_dlt-"
ORIGIN = f"{PREFIX}original-"
TOPIC = f"{ORIGIN}topic"
PARTITION = f"{ORIGIN}partition"
OFFSET = f"{ORIGIN}offset"
TIMESTAMP = f"{ORIGIN}timestamp"
GROUP = f"{ORIGIN}consumer-group"
ERROR = f"{PREFIX}exception-fqcn"
MESSAGE = f"{PREFIX}exception-message"
ATTEMPTS = "attempts"

MAX_ATTEMPTS_DIGITS = 9
_KEY_BYTES = 8
_NO_LONG = tuple(f"{error.__module__}.{error.__qualname__}" for error in (TextKey, FramedKey))
_PRINTABLE = range(32, 127)
_NUMBERS = {PARTITION: struct.Struct(">i"), OFFSET: struct.Struct(">q"), TIMESTAMP: struct.Struct(">q")}


class Reason(NamedTuple):
    """Why a record is a dead letter, and where it came from; None is what the headers do not say.

    Attributes:
        origin: its first position.
        timestamp: of the original record, ms since the epoch, UTC.
        group: the consumer group that gave up.
        error: full name of the error's class.
        message: the error's own line.
        attempts: how often it was tried, below 10 ** 9.
    """

    origin: Position | None
    timestamp: int | None
    group: str | None
    error: str | None
    message: str | None
    attempts: int | None

    @property
    def error_name(self) -> str | None:
        """Name of the error's class without its module."""
        return self.error.rpartition(".")[2] if self.error else None


def to_headers(reason: Reason) -> list[tuple[str, str | bytes | None]]:
    """The headers that say a reason, in the order of design §5; none for what is None."""
    topic, partition, offset = reason.origin or (None, None, None)
    packed: list[tuple[str, bytes | None]] = [
        (TOPIC, None if topic is None else topic.encode()),
        (PARTITION, _packed(PARTITION, partition)),
        (OFFSET, _packed(OFFSET, offset)),
        (TIMESTAMP, _packed(TIMESTAMP, reason.timestamp)),
        (GROUP, None if reason.group is None else reason.group.encode()),
        (ERROR, None if reason.error is None else reason.error.encode()),
        (MESSAGE, None if reason.message is None else reason.message.encode("utf-8", "replace")),
        (ATTEMPTS, None if reason.attempts is None else str(reason.attempts).encode()),
    ]
    return [(name, value) for name, value in packed if value is not None]


def with_reason(headers: Headers, reason: Reason, *, redriven: bool) -> list[tuple[str, str | bytes | None]]:
    """The headers of a dead letter: the record's own, and behind them those of the reason.

    Args:
        headers: of the record that failed.
        reason: why, where it lay, and how often it was tried this time.
        redriven: whether the record came from a retry topic. Then the first origin stays as it is there, the
            newest error replaces the one before, and attempts add up. Otherwise all headers stay, also those
            that somebody wrote under our names: of a doubled name the last counts.
    """
    if not redriven:
        return [*headers, *to_headers(reason)]
    before = parse(headers).attempts or 0
    newest = to_headers(reason._replace(attempts=before + (reason.attempts or 0)))
    present = {name for name, _ in headers}
    replaced = (ERROR, MESSAGE, ATTEMPTS)
    return [
        *(header for header in headers if header[0] not in replaced),
        *(header for header in newest if header[0] in replaced or header[0] not in present),
    ]


def parse(headers: Headers) -> Reason:
    """Read the headers of a dead letter."""
    values = dict(headers)
    topic = _text(values.get(TOPIC))
    partition, offset = number(values, PARTITION), number(values, OFFSET)
    attempts = _text(values.get(ATTEMPTS)) or ""
    is_count = attempts.isascii() and attempts.isdecimal() and len(attempts) <= MAX_ATTEMPTS_DIGITS
    return Reason(
        origin=None
        if topic is None or partition is None or offset is None
        else Position(topic, partition, offset),
        timestamp=number(values, TIMESTAMP),
        group=_text(values.get(GROUP)),
        error=_text(values.get(ERROR)),
        message=_text(values.get(MESSAGE)),
        attempts=int(attempts) if is_count else None,
    )


def number(headers: Mapping[str, bytes | str | None], name: str) -> int | None:
    """A numeric header; None if it is not there or has the wrong length."""
    packing, value = _NUMBERS[name], headers.get(name)
    return int(packing.unpack(value)[0]) if isinstance(value, bytes) and len(value) == packing.size else None


def order_id(key: bytes | None, reason: Reason) -> int | None:
    """The order that a dead letter's key names: Kafka's Long, 8 bytes big-endian; None for anything else.

    Args:
        key: of the record.
        reason: why it is a dead letter; some say that the key is no Long, though it has eight bytes.
    """
    if reason.error in _NO_LONG:
        return None
    return int.from_bytes(key, signed=True) if key is not None and len(key) == _KEY_BYTES else None


def readable(headers: Headers, *, limit: int | None = None) -> list[tuple[str, str]]:
    """All headers as text, in their order: numbers decoded, text as UTF-8, other bytes as hexadecimal.

    Args:
        headers: as they lie in the record.
        limit: most characters of one value; None is all of them.
    """
    return [(name, _cut(_readable(name, value), limit)) for name, value in headers]


def hexdump(value: bytes, *, limit: int = 4_096) -> list[str]:
    """Bytes as people read them: offset, 16 bytes, and the printable ASCII among them."""
    lines = [
        f"{start:08x}  {chunk.hex(' '):<47}  {''.join(chr(b) if b in _PRINTABLE else '.' for b in chunk)}"
        for start, chunk in (
            (start, value[start : start + 16]) for start in range(0, min(len(value), limit), 16)
        )
    ]
    return [*lines, f"... {len(value) - limit:,} more bytes"] if len(value) > limit else lines


def _readable(name: str, value: bytes | str | None) -> str:
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


def _packed(name: str, value: int | None) -> bytes | None:
    return None if value is None else _NUMBERS[name].pack(value)


def _text(value: bytes | str | None) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value
