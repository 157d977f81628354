"""The headers around a message: CloudEvents 1.0 in Kafka's binary mode, and a W3C trace context.

Pure functions both ways. Reading never fails: inbound headers are untrusted, and a record whose headers are
missing, doubled, enormous or not text still has an envelope (design §5). Only a well-formed
`ce_expirytime` may decide anything about an order; one that cannot be read is kept to be shown.

Sources: CloudEvents 1.0 Kafka protocol binding §3.2; W3C Trace Context §3.2, §3.3 and §4.3; the extensions
follow the CloudEvents naming rule (lower-case letters and digits).
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from schemas.errors import Position
from schemas.times import parse_time, rfc3339

Headers = Sequence[tuple[str, str | bytes | None]]
"""Headers as the client takes them; as it hands them over, the values are bytes or None."""

HeaderValues = Mapping[str, str | bytes | None]
"""Headers by name."""
NO_HEADERS: HeaderValues = {}

CONTENT_TYPE = "application/avro"
_SPECVERSION, _CONTENT = ("ce_specversion", "1.0"), ("content-type", CONTENT_TYPE)
NAMESPACE = "command_event"
MAX_ID = 256
"""Longer identifiers of others are replaced by derived ones: they end up in our store and our results."""

_MAX_SHOWN = 60
# Version ff is forbidden, and so are ids of zeros (W3C Trace Context §3.2.2). A higher version may go on
# behind a dash (§4.3).
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-?)\Z"
)
_TRACEPARENT_LENGTH = 55
# W3C Trace Context §3.3.1.
_MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_MAX_MEMBERS = 32
_MAX_TRACESTATE = 8_192


class Envelope(NamedTuple):
    """What the headers say about a message.

    Attributes:
        message_id: unique per source; derived from the position where the record had none.
        correlation_id: the same for everything that one order causes.
        causation_id: the message that caused this one; None at the start of a chain.
        expires_at: milliseconds since the epoch after which a command is void; None means never.
        traceparent: W3C trace context of the sender; None where it was absent or malformed.
        tracestate: what tracing systems keep beside it; None without a trace parent.
        unread_expiry: the text of an expiry that cannot be read, short and printable: the command is not
            void, though its sender meant a time.
    """

    message_id: str
    correlation_id: str
    causation_id: str | None = None
    expires_at: int | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    unread_expiry: str | None = None


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
    ce_type, ce_source = _sender(record, source)
    headers = [
        _SPECVERSION,
        ("ce_id", envelope.message_id),
        ce_type,
        ce_source,
        ("ce_time", at),
        _CONTENT,
        ("ce_correlationid", envelope.correlation_id),
    ]
    if envelope.causation_id is not None:
        headers.append(("ce_causationid", envelope.causation_id))
    if envelope.expires_at is not None:
        headers.append(("ce_expirytime", rfc3339(envelope.expires_at)))
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent))
        if envelope.tracestate is not None:
            headers.append(("tracestate", envelope.tracestate))
    return headers


@lru_cache(maxsize=64)
def _sender(record: str, source: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("ce_type", f"{NAMESPACE}.{record}"), ("ce_source", f"cev/{source}")


class ReceivedEnvelope:
    """The envelope of a record that was read: the same as `Envelope`, each part read when it is asked for.

    Args:
        values: the headers by name.
        order_id: the record's key; names the correlation where the record does not.
        position: the record's position; names the message where the record does not.
    """

    __slots__ = ("_order_id", "_position", "_values")

    def __init__(self, values: HeaderValues, order_id: int, position: Position) -> None:
        self._values = values
        self._order_id = order_id
        self._position = position

    @property
    def message_id(self) -> str:
        """Unique per source; the position where the record says none."""
        return _text(self._values.get("ce_id")) or str(self._position)

    @property
    def correlation_id(self) -> str:
        """The same for everything that one order causes."""
        return _text(self._values.get("ce_correlationid")) or f"order-{self._order_id}"

    @property
    def causation_id(self) -> str | None:
        """The message that caused this one, or None."""
        return _text(self._values.get("ce_causationid"))

    @property
    def expires_at(self) -> int | None:
        """Milliseconds since the epoch after which a command is void; None means never."""
        expiry = self._values.get("ce_expirytime")
        return _time(expiry) if expiry else None

    @property
    def traceparent(self) -> str | None:
        """W3C trace context of the sender, or None."""
        return _traceparent(self._values.get("traceparent"))

    @property
    def tracestate(self) -> str | None:
        """What tracing systems keep beside it, or None."""
        state = self._values.get("tracestate")
        return None if state is None or self.traceparent is None else _tracestate(state)

    @property
    def unread_expiry(self) -> str | None:
        """The text of an expiry that cannot be read, or None."""
        expiry = self._values.get("ce_expirytime")
        return _shown(expiry) if expiry and self.expires_at is None else None


def by_name(headers: Headers | None) -> HeaderValues:
    """Headers by name; of a doubled name the last counts, as in Kafka's own `Headers.lastHeader`."""
    return dict(headers) if headers else NO_HEADERS


def from_headers(headers: Headers | None, *, order_id: int, position: Position) -> Envelope:
    """Read an envelope; what is missing or unusable is derived (design §5).

    Args:
        headers: as the client hands them over.
        order_id: the record's key.
        position: the record's position.
    """
    received = ReceivedEnvelope(by_name(headers), order_id, position)
    return Envelope(*(getattr(received, name) for name in Envelope._fields))


def new_traceparent() -> str:
    """A fresh, sampled trace context (W3C Trace Context §3.2)."""
    return f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-01"


def child_traceparent(parent: str | None) -> str | None:
    """The same trace with a span id of our own; None stays None."""
    if parent is None:
        return None
    return f"00-{parent[3:35]}-{random.getrandbits(64) | 1:016x}-{parent[53:55]}"


def _text(value: bytes | str | None) -> str | None:
    text = _decoded(value, MAX_ID)
    return text if text and text.isprintable() else None


def _decoded(value: bytes | str | None, longest: int) -> str | None:
    if value is None or len(value) > longest:
        return None
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _time(value: bytes | str) -> int | None:
    text = _decoded(value, MAX_ID)
    try:
        return None if text is None else parse_time(text)
    except ValueError:
        return None


def _shown(value: bytes | str) -> str:
    """A value of any kind as short, printable text."""
    raw = value[:_MAX_SHOWN]
    text = raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else raw
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text[:_MAX_SHOWN]


def _traceparent(value: bytes | str | None) -> str | None:
    text = None if value is None else _text(value[: _TRACEPARENT_LENGTH + 1])
    match = _TRACEPARENT.match(text) if text else None
    if match is None or (match["more"] and match[0].startswith("00")):
        return None
    return match[0][:_TRACEPARENT_LENGTH]


def _tracestate(value: bytes | str | None) -> str | None:
    text = _decoded(value, _MAX_TRACESTATE)
    if text is None or text.count(",") >= _MAX_MEMBERS:
        return None
    # A list may have empty members.
    members = [member for member in (part.strip(" \t") for part in text.split(",")) if member]
    return text if members and all(_MEMBER.fullmatch(member) for member in members) else None
