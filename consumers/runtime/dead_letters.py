"""Dead letters: the original record, and headers that say where it came from and why it died.

Pure. This decides how large a dead letter may be and what is cut; the headers themselves are written in
`schemas.dead_letters`.
"""

from clients.records import ProducerRecord
from consumers.runtime.plan import DeadRecord
from consumers.runtime.records import ConsumerRecord
from schemas import topics
from schemas.dead_letters import Reason, with_reason

_MAX_MESSAGE = 4_000
_MAX_KEY = 1_000
_MAX_OURS = 50
_ROOM = topics.MAX_DEAD_LETTER_BYTES - 64 * 1024
"""What a record may bring into a dead letter; the rest is for our own headers and the client's framing."""


def dead_letter(dead: DeadRecord, group: str) -> ProducerRecord:
    """The record for the group's dead-letter topic of the dead record's source.

    Key, value and headers stay as they were. A record that was redriven and fails again keeps its first
    origin (design §5); one of a source topic has no other origin than its own, whatever its headers say.
    A record that was small on its topic and is too large unpacked leaves key and position alone.

    Args:
        dead: the record, its error, and how often it was tried this time.
        group: the consumer group that gave up.
    """
    record, error, message = dead.record, dead.error, str(dead.error)[:_MAX_MESSAGE]
    size = _size(record)
    if size > _ROOM:
        record = _outline(record)
        message += f"; unpacked it has {size} bytes, too many for a dead letter: its position alone is kept"
    reason = Reason(
        origin=record.position,
        timestamp=record.timestamp,
        group=group,
        error=f"{type(error).__module__}.{type(error).__qualname__}",
        message=message,
        attempts=dead.attempts,
    )
    headers = with_reason(record.headers or (), reason, redriven=record.redriven)
    return ProducerRecord(topics.dead_letter_topic(group, record.source), record.key, record.value, headers)


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
