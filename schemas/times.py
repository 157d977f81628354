"""Times: int milliseconds since 1970-01-01T00:00:00Z inside the program; text only at its boundaries."""

import re
import time
from datetime import UTC, date, datetime
from functools import lru_cache

# What datetime can print: years 1 to 9999. Avro longs reach further, and hostile ones do.
_EARLIEST = -62_135_596_800_000
_LATEST = 253_402_300_799_999

# RFC 3339 §5.6.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)

# ISO 8601-1 §5.2 to §5.4, and the suffixes of RFC 9557 §4.1.
_ISO8601 = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d|\d{8}|\d{4}-W\d\d-\d|\d{4}W\d{3}|\d{4}-\d{3}|\d{7})[Tt ]"
    r"(?P<hour>\d\d)(?:(?P<colon>:?)(?P<minute>\d\d)(?:(?P=colon)(?P<second>\d\d))?)?"
    r"(?:[.,](?P<fraction>\d+))?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<east_h>\d\d)(?::?(?P<east_m>\d\d))?)"
    r"(?:\[[^\[\]]+\])*",
    re.ASCII,
)
_EPOCH_MS = re.compile(r"\d{13}", re.ASCII)
_SECOND, _MINUTE, _HOUR = 1_000, 60_000, 3_600_000
_MAX_FRACTION = 12
_ORDINAL_DIGITS = 7
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def now_ms() -> int:
    """The wall clock, in milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000


def rfc3339(at: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC, e.g. 2026-11-21T08:30:00.000Z.

    A time that the calendar cannot show is clamped to years 1 to 9999.
    """
    at = min(max(at, _EARLIEST), _LATEST)
    seconds, ms = divmod(at, 1000)
    return f"{_to_the_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    # Many times of one second follow each other, and the calendar takes 5 µs. %Y does not pad an early year.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}".rjust(19, "0")


def parse_rfc3339(text: str) -> int:
    """RFC 3339 text, as our own users type it, as milliseconds since the epoch.

    Raises:
        ValueError: the text is not a time, or says no offset from UTC (RFC 3339 §5.6 requires one).
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text!r} is not a time such as 2026-11-21T08:30:00Z")
    if text[-1] not in "Zz" and text[-6] not in "+-":
        raise ValueError(f"{text!r} says no offset from UTC")
    return parse_time(text)


def parse_time(text: str) -> int:
    """Text that others wrote as milliseconds since the epoch; a fraction below a millisecond is dropped.

    Read is what says one moment for certain: RFC 3339, ISO 8601 with an offset (basic or extended, week and
    ordinal dates, fractions of the last part, hour 24, second 60), the zone in brackets behind it
    (RFC 9557), quotes or blanks around it, and 13 digits, which are milliseconds since 1970 until the year
    2286. Not read are a time without an offset, a day alone, and other numbers: seconds and
    `2026112108` have ten digits both.

    Raises:
        ValueError: the text says no moment for certain.
    """
    bare = text.strip()
    if len(bare) > 1 and bare[0] in "\"'" and bare[-1] == bare[0]:
        bare = bare[1:-1].strip()
    if _EPOCH_MS.fullmatch(bare):
        return int(bare)
    match = _ISO8601.fullmatch(bare.replace("\u2212", "-"))
    moment = None if match is None else _moment(match)
    if moment is None:
        raise ValueError(f"{text!r} is not a time such as 2026-11-21T08:30:00Z")
    return moment


def _moment(match: re.Match[str]) -> int | None:
    """The moment that the parts of an ISO 8601 text name; None if the calendar or the clock has no such."""
    day = _day_number(match["day"])
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    east_h, east_m = int(match["east_h"] or 0), int(match["east_m"] or 0)
    unit = _SECOND if match["second"] else _MINUTE if match["minute"] else _HOUR
    digits = (match["fraction"] or "")[:_MAX_FRACTION]
    fraction = int(digits.ljust(_MAX_FRACTION, "0")) * unit // 10**_MAX_FRACTION
    clock = hour * _HOUR + minute * _MINUTE + second * _SECOND + fraction
    if day is None or minute > 59 or second > 60 or clock > 24 * _HOUR:  # noqa: PLR2004 - a clock
        return None
    if east_h > 23 or east_m > 59:  # noqa: PLR2004 - a clock
        return None
    east = (east_h * _HOUR + east_m * _MINUTE) * (-1 if match["sign"] == "-" else 1)
    at: int = day * 24 * _HOUR + clock - east
    return at


def _day_number(text: str) -> int | None:
    """Days since 1970-01-01 of a calendar, week or ordinal date; None if the calendar has no such day."""
    try:
        digits = text.replace("-", "")
        if "W" in text or len(digits) != _ORDINAL_DIGITS:
            return date.fromisoformat(text).toordinal() - _EPOCH_DAY
        first = date(int(digits[:4]), 1, 1).toordinal()
        day = date.fromordinal(first + int(digits[4:]) - 1)
    except (ValueError, OverflowError):
        return None
    return day.toordinal() - _EPOCH_DAY if day.year == int(digits[:4]) else None
