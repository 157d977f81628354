"""The headers around a message: CloudEvents 1.0 in Kafka's binary mode, and a W3C trace parent.

Pure functions both ways. Reading never fails: inbound headers are untrusted, and a record whose headers are
missing, doubled, enormous or not text still has an envelope (design §5). Only a well-formed
`ce_expirytime` may decide anything about an order.

Sources: CloudEvents 1.0 Kafka protocol binding §3.2; W3C Trace Context §3.2; the extensions follow the
CloudEvents naming rule (lower-case letters and digits).
"""

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from schemas.errors import Position
from schemas.times import parse_rfc3339, rfc3339

Headers = Sequence[tuple[str, str | bytes | None]]
"""Headers as the client takes them; as it hands them over, the values are bytes or None."""

CONTENT_TYPE = "application/avro"
NAMESPACE = "command_event"
MAX_ID = 256
"""Longer identifiers of others are replaced by derived ones: they end up in our store and our results."""

# Version ff is forbidden, and so are ids of zeros (W3C Trace Context §3.2.2).
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")


class Envelope(NamedTuple):
    """What the headers say about a message.

    Attributes:
        message_id: unique per source; derived from the position where the record had none.
        correlation_id: the same for everything that one order causes.
        causation_id: the message that caused this one; None at the start of a chain.
        expires_at: milliseconds since the epoch after which a command is void; None means never.
        traceparent: W3C trace context of the sender; None where it was absent or malformed.
    """

    message_id: str
    correlation_id: str
    causation_id: str | None = None
    expires_at: int | None = None
    traceparent: str | None = None


def to_headers(envelope: Envelope, *, record: str, source: str, at: str) -> list[tuple[str, str]]:
    """Headers for a record that we write.

    Args:
        envelope: ids, expiry and trace.
        record: the Avro record's name without its namespace, e.g. `OrderPlaced`.
        source: the component that writes, e.g. `warehouse`.
        at: when the message came about, RFC 3339 text (one text serves a whole batch).

    Returns:
        Name and value pairs in the order of design §5; the client writes the text as UTF-8.
    """
    headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", envelope.message_id),
        ("ce_type", f"{NAMESPACE}.{record}"),
        ("ce_source", f"cev/{source}"),
        ("ce_time", at),
        ("content-type", CONTENT_TYPE),
        ("ce_correlationid", envelope.correlation_id),
    ]
    if envelope.causation_id is not None:
        headers.append(("ce_causationid", envelope.causation_id))
    if envelope.expires_at is not None:
        headers.append(("ce_expirytime", rfc3339(envelope.expires_at)))
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent))
    return headers


def from_headers(headers: Headers | None, *, order_id: int, position: Position) -> Envelope:
    """Read an envelope; what is missing or unusable is derived (design §5).

    Args:
        headers: as the client hands them over; of a doubled name the last counts, as in Kafka's own
            `Headers.lastHeader`.
        order_id: the record's key; names the correlation where the record does not.
        position: the record's position; names the message where the record does not.
    """
    values = dict(headers) if headers else {}
    expiry = _text(values.get("ce_expirytime"))
    trace = _text(values.get("traceparent"))
    return Envelope(
        message_id=_text(values.get("ce_id")) or str(position),
        correlation_id=_text(values.get("ce_correlationid")) or f"order-{order_id}",
        causation_id=_text(values.get("ce_causationid")),
        expires_at=_time(expiry) if expiry else None,
        traceparent=trace if trace and _TRACEPARENT.match(trace) else None,
    )


def new_traceparent() -> str:
    """A fresh, sampled trace context (W3C Trace Context §3.2)."""
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-01"


def child_traceparent(parent: str | None) -> str | None:
    """The same trace with a span id of our own; None stays None."""
    if parent is None:
        return None
    return f"00-{parent[3:35]}-{random.getrandbits(64) | 1:016x}-{parent[53:55]}"


def _text(value: bytes | str | None) -> str | None:
    if value is None or len(value) > MAX_ID:
        return None
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    return value if value.isprintable() and value else None


def _time(text: str) -> int | None:
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        return None
