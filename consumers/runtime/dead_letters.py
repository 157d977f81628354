"""Dead letters: the original record, and headers that say where it came from and why it died.

Pure. Names and encodings are Spring Kafka's (`KafkaHeaders.DLT_*`: int32 and int64 big-endian, text as
UTF-8), so that other tools read them; `attempts` is ours, decimal text (design §5).
"""

import struct

from consumers.runtime.work import Dead, Outgoing
from schemas import topics

PREFIX = "kafka_dlt-"
_MAX_MESSAGE = 4_000


def dead_letter(dead: Dead, group: str, attempts: int = 1) -> Outgoing:
    """The record for the group's dead-letter topic of the dead record's source.

    Key, value and headers stay as they were. A record that was redriven and fails again keeps its first
    origin (design §5); one of a source topic has no other origin than its own, whatever its headers say:
    ours are added behind them, and of a doubled name the last counts.

    Args:
        dead: the record and its error.
        group: the consumer group that gave up.
        attempts: how often it was tried.
    """
    record, error = dead.record, dead.error
    headers: list[tuple[str, str | bytes | None]] = list(record.headers or [])
    redriven = record.position.topic != record.source
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
        PREFIX + "exception-message": str(error)[:_MAX_MESSAGE].encode("utf-8", "replace"),
        "attempts": str(attempts).encode(),
    }
    if redriven:
        headers = [(name, value) for name, value in headers if name not in reason]
    headers += list(reason.items())
    return Outgoing(topics.dead_letters(group, record.source), record.key, record.value, headers)
