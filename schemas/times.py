"""Times: int milliseconds since 1970-01-01T00:00:00Z inside the program; text only at its boundaries."""

import re
import time
from datetime import UTC, datetime

# What datetime can print: years 1 to 9999. Avro longs reach further, and hostile ones do.
_EARLIEST = -62_135_596_800_000
_LATEST = 253_402_300_799_999

# RFC 3339 §5.6; datetime.fromisoformat alone also takes weeks, bare hours and any character for the T.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def now_ms() -> int:
    """The wall clock, in milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def rfc3339(at: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC, e.g. 2026-11-21T08:30:00.000Z.

    A time that the calendar cannot show is clamped to years 1 to 9999.
    """
    at = min(max(at, _EARLIEST), _LATEST)
    seconds, ms = divmod(at, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z".rjust(24, "0")


def parse_rfc3339(text: str) -> int:
    """RFC 3339 text as milliseconds since the epoch.

    Raises:
        ValueError: the text is not a time, or says no offset from UTC (RFC 3339 §5.6 requires one).
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is not a time such as 2026-11-21T08:30:00Z")
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} says no offset from UTC")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000
