"""What the gateway is asked, and what it has done: the bodies of its requests and answers. Pure."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.tokens import Kind

_MAX_CENTS = 2**63 - 1
_KEY = re.compile(r"[!-~]{1,255}")

Text = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,255}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class MalformedRequest(ValueError):
    """A request says nothing that could be done; the message names what is wrong with it."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    amount_cents: int = Field(gt=0, le=_MAX_CENTS)
    currency: Currency
    source: Text


class _CaptureBody(_Body):
    source: Text = Field(alias="method")


class _RefundBody(_Body):
    source: Text = Field(alias="reference")


_BODIES: dict[Kind, type[_Body]] = {"capture": _CaptureBody, "refund": _RefundBody}


@dataclass(frozen=True, kw_only=True)
class PaymentRequest:
    """A request to charge a card or to refund a capture.

    Attributes:
        kind: which of the two.
        key: the idempotency key: the same key is the same payment.
        amount_cents: in the currency's smallest unit.
        currency: code of ISO 4217.
        source: the token of the card; of a refund, the reference of its capture.
    """

    kind: Kind
    key: str
    amount_cents: int
    currency: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Payment:
    """What became of the requests under one key.

    Attributes:
        request: what was asked first.
        token: of the card that is charged or refunded; empty where a refund names no capture.
        asked: how many requests have come.
        first_asked_at: when the first one came, ms since the epoch.
        reference: of the charge or refund that was made.
        reason: why none is made; None with no reference: nothing has happened yet.
        refunded_cents: of a capture: how much was given back.
    """

    request: PaymentRequest
    token: str
    asked: int
    first_asked_at: int
    reference: str | None = None
    reason: str | None = None
    refunded_cents: int = 0

    @property
    def settled(self) -> bool:
        """Whether it was charged, refunded or declined."""
        return self.reference is not None or self.reason is not None

    def document(self) -> dict[str, Any]:
        """The body that says what was done."""
        done = "captured" if self.request.kind == "capture" else "refunded"
        return {
            "key": self.request.key,
            "outcome": done if self.reference is not None else "declined",
            "reference": self.reference,
            "reason": self.reason,
            "amount_cents": self.request.amount_cents,
            "currency": self.request.currency,
        }

    def charge(self) -> dict[str, Any]:
        """A capture's line in the list of charges."""
        return {
            "key": self.request.key,
            "amount_cents": self.request.amount_cents,
            "currency": self.request.currency,
            "method": self.token,
            "reference": self.reference,
            "asked": self.asked,
            "refunded_cents": self.refunded_cents,
        }


def payment_request(kind: Kind, key: str | None, body: bytes) -> PaymentRequest:
    """A request from its `Idempotency-Key` and its JSON body.

    Raises:
        MalformedRequest: key or body cannot be used.
    """
    if key is None or not _KEY.fullmatch(key):
        raise MalformedRequest("Idempotency-Key must be 1 to 255 printable ASCII characters without blanks")
    try:
        asked = _BODIES[kind].model_validate_json(body)
    except ValidationError as error:
        raise MalformedRequest("; ".join(_fault(dict(fault)) for fault in error.errors())) from None
    return PaymentRequest(kind=kind, key=key, **asked.model_dump())


def _fault(fault: dict[str, Any]) -> str:
    place = ".".join(map(str, fault["loc"])) or "body"
    return f"{place}: {fault['msg']}"
