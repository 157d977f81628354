"""What channels share that talk to a gateway over HTTP: its address, and how long it wants to be left alone.

I/O: none; httpx takes addresses and answers apart.
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from schemas.errors import InvalidSetting


def gateway_url(url: str, setting: str) -> httpx.URL:
    """A gateway's address.

    Args:
        url: `http://` or `https://`; it may hold a password.
        setting: its name, for the error.

    Raises:
        InvalidSetting: it is no such address; the message does not repeat it.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        # The error may repeat the password.
        raise InvalidSetting(f"{setting} must be an http:// or https:// address") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidSetting(f"{setting} must be an http:// or https:// address")
    return parsed


def retry_after_ms(response: httpx.Response, now: int) -> int:
    """How many ms the gateway wants to be left alone: `Retry-After` (RFC 9110 §10.2.3); 0: it does not say.

    Args:
        response: the answer.
        now: ms since the epoch, for a gateway that names a moment.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return int(value[:9]) * 1000
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int((moment - datetime.fromtimestamp(now / 1000, UTC)).total_seconds() * 1000))
