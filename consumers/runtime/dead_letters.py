"""Dead letters: the original record, and headers that say where it came from and why it died.

Pure. Names and encodings are Spring Kafka's (`KafkaHeaders.DLT_*`: int32 and int64 big-endian, text as
UTF-8), so that other tools read them; `attempts` is ours, decimal text (design §5).
"""

import struct

from consumers.runtime.records import ConsumerRecord, Dead, ProducerRecord
from schemas import topics
from schemas.errors import Position

PREFIX = "kafka_dlt-"
_MAX_MESSAGE = 4_000
_MAX_DIGITS = 9
_MAX_KEY = 1_000
_MAX_OURS = 50
_ROOM = topics.MAX_DEAD_LETTER_BYTES - 64 * 1024
"""What a record may bring into a dead letter; the rest is for our own headers and the client's framing."""


def dead_letter(dead: Dead, group: str) -> ProducerRecord:
    """The record for the group's dead-letter topic of the dead record's source.

    Key, value and headers stay as they were. A record that was redriven and fails again keeps its first
    origin (design §5); one of a source topic has no other origin than its own, whatever its headers say:
    ours are added behind them, and of a doubled name the last counts. Attempts of a redriven record add up.
    A record that was small on its topic and is too large unpacked leaves key and position alone.

    Args:
        dead: the record, its error, and how often it was tried this time.
        group: the consumer group that gave up.
    """
    record, error, words = dead.record, dead.error, str(dead.error)[:_MAX_MESSAGE]
    size = _size(record)
    if size > _ROOM:
        record = _outline(record)
        words += f"; unpacked it has {size} bytes, too many for a dead letter: its position alone is kept"
    headers: list[tuple[str, str | bytes | None]] = list(record.headers or [])
    redriven = record.redriven
    known = {name for name, _ in headers} if redriven else set()
    origin = {
        "original-topic": record.position.topic.encode(),
        "original-partition": struct.pack(">i", record.position.partition),
        "original-offset": struct.pack(">q", record.position.offset),
        "original-timestamp": struct.pack(">q", record.timestamp),
        "original-consumer-group": group.encode(),
    }
    headers += [(PREFIX + name, value) for name, value in origin.items() if PREFIX + name not in known]
    reason = {
        PREFIX + "exception-fqcn": f"{type(error).__module__}.{type(error).__qualname__}".encode(),
        PREFIX + "exception-message": words.encode("utf-8", "replace"),
        "attempts": str(dead.attempts + (_before(headers) if redriven else 0)).encode(),
    }
    if redriven:
        headers = [(name, value) for name, value in headers if name not in reason]
    headers += list(reason.items())
    return ProducerRecord(topics.dead_letters(group, record.source), record.key, record.value, headers)


def _size(record: ConsumerRecord) -> int:
    headers = record.headers or ()
    return (
        len(record.key or b"")
        + len(record.value or b"")
        + sum(len(name.encode()) + len(value or b"") for name, value in headers)
    )


def _outline(record: ConsumerRecord) -> ConsumerRecord:
    """What is left of a record that is too large: whose it is, and our own headers of earlier times."""
    key = record.key if record.key is not None and len(record.key) <= _MAX_KEY else None
    ours = [
        (name, value)
        for name, value in record.headers or ()
        if record.redriven and len(value or b"") <= _MAX_KEY
    ]
    return record._replace(key=key, value=None, headers=ours[-_MAX_OURS:])


def _before(headers: list[tuple[str, str | bytes | None]]) -> int:
    """Attempts before a redrive; whatever is no number of ours counts as none."""
    text = dict(headers).get("attempts") or b""
    digits = text.decode("latin-1") if isinstance(text, bytes) else text
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS else 0


def origin_of(record: ConsumerRecord) -> Position | None:
    """Where a redriven record, or a discard marker, first came from; None if it does not say."""
    found = dict(record.headers or ())
    topic, number, offset = (
        found.get(f"{PREFIX}original-{name}") for name in ("topic", "partition", "offset")
    )
    if not (isinstance(topic, bytes) and isinstance(number, bytes) and isinstance(offset, bytes)):
        return None
    try:
        return Position(topic.decode(), struct.unpack(">i", number)[0], struct.unpack(">q", offset)[0])
    except (UnicodeDecodeError, struct.error):
        return None


def decides(record: ConsumerRecord, held: Position) -> bool:
    """Whether a record decides about the dead letter that its order stands behind.

    It does if it is that record, or comes from the retry topic with that origin. A decision that was handled
    before, and comes again after a crash, has another origin than what holds the order by now.
    """
    if not record.redriven:
        return record.position == held
    return origin_of(record) in (held, None)
