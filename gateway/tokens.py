"""What a payment token makes the stand-in do. Pure.

| token | the card | the answer |
|---|---|---|
| `tok_ok` | charged | at once |
| `tok_declined` | declined | at once |
| `tok_slow` | charged | to the first request late |
| `tok_lost_answer` | charged | none to the first request: the connection drops |
| `tok_lost_request` | nothing at the first request, then charged | none to the first request |
| `tok_busy` | charged at the third request | 429 to the first two |
| `tok_refund_fails` | charged, and its refund is declined | at once |
| `tok_unknown_for:SECONDS` | charged | none for so long after the first request, to inquiries neither |
| any other | declined | at once |

A refund follows the token of its capture.
"""

import re
from enum import Enum, auto
from typing import Literal, NamedTuple

Kind = Literal["capture", "refund"]

_UNKNOWN_FOR = re.compile(r"tok_unknown_for:([0-9]{1,6}(?:\.[0-9]{1,3})?)")
_BUSY_REQUESTS = 2
_CHARGED = ("tok_ok", "tok_slow", "tok_lost_answer", "tok_lost_request", "tok_busy", "tok_refund_fails")


class Reply(Enum):
    """How a request is answered."""

    NOW = auto()
    LATE = auto()
    BUSY = auto()
    NONE = auto()


class Decision(NamedTuple):
    """What happens to the card for good: charged (or refunded) where no reason speaks against it."""

    reason: str | None = None


def decide(kind: Kind, token: str, asked: int) -> Decision | None:
    """What a request does.

    Args:
        kind: whether it is to charge or to refund.
        token: of the capture.
        asked: how many requests had come under its key before.

    Returns:
        None: nothing happens to the card at this request.
    """
    if (token == "tok_lost_request" and asked == 0) or (token == "tok_busy" and asked < _BUSY_REQUESTS):  # noqa: S105 - no secret
        return None
    if kind == "refund" and token == "tok_refund_fails":  # noqa: S105 - as above
        return Decision("the card takes no refunds")
    if token == "tok_declined":  # noqa: S105 - as above
        return Decision("the card was declined")
    if token in _CHARGED or _UNKNOWN_FOR.fullmatch(token):
        return Decision()
    return Decision("unknown token")


def reply(token: str, asked: int, age_ms: int) -> Reply:
    """How a request to charge or refund is answered.

    Args:
        token: of the capture.
        asked: how many requests had come under its key before.
        age_ms: how long ago the first of them came, in ms.
    """
    if not answers_inquiries(token, age_ms):
        return Reply.NONE
    if token == "tok_busy" and asked < _BUSY_REQUESTS:  # noqa: S105 - as above
        return Reply.BUSY
    if asked == 0 and token in ("tok_lost_answer", "tok_lost_request"):
        return Reply.NONE
    return Reply.LATE if asked == 0 and token == "tok_slow" else Reply.NOW  # noqa: S105 - as above


def answers_inquiries(token: str, age_ms: int) -> bool:
    """Whether the outcome may be known so many ms after the first request."""
    unknown = _UNKNOWN_FOR.fullmatch(token)
    return unknown is None or age_ms >= float(unknown[1]) * 1000
