"""Moments as operators write them. Pure."""

import re

from schemas.errors import UsageError
from schemas.times import parse_rfc3339

_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])\Z", re.ASCII)
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_moment(text: str, now: int) -> int:
    """A moment in milliseconds since the epoch, UTC.

    Args:
        text: RFC 3339 with an offset (`2026-11-21T08:30:00Z`), or an age: a number and s, m, h or d (`15m`).
        now: what an age is counted back from, ms.

    Raises:
        UsageError: it is neither.
    """
    age = _AGE.match(text)
    if age is not None:
        return now - int(float(age[1]) * _UNIT_MS[age[2]])
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time: write 2026-11-21T08:30:00Z, or an age such as 90s, 15m, 2h or 3d"
        ) from None
