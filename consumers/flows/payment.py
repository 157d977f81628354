"""What `payments` remembers of an order: what was asked of the gateway, and what became of it. Pure."""

import json
from dataclasses import dataclass

from consumers.runtime.reaction import Delivery, StateAlarm

FREE = "free"
"""The reference of an amount of 0, about which the gateway is not asked."""

STATUSES = (
    *("not asked", "capturing", "unknown", "unresolved", "captured", "failed", "contradicted"),
    *("refund pending", "refund unknown", "refund unresolved", "refunded", "refund failed"),
)
"""Names of states, in the order of a payment's life."""
ALARMS = (
    StateAlarm(
        "payment-unresolved",
        ("unresolved",),
        "nobody knows whether the gateway took the money; `cev payments list --status unresolved` shows them",
    ),
    StateAlarm(
        "payment-unresolved",
        ("refund unresolved",),
        "nobody knows whether the gateway returned the money; `cev payments list` shows them",
    ),
    StateAlarm(
        "payment-contradicted",
        ("contradicted",),
        "the gateway contradicts what an operator said; `cev payments show ORDER_ID` shows both",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A capture or a refund. It is settled once it has a reference, or a reason why it did not come about.

    Attributes:
        amount_cents, currency: how much.
        source: of a capture the customer's payment method, of a refund the capture's reference.
        since: when it was asked for, ms since the epoch.
        sent: whether a request may be under way to the gateway.
        unanswered: how often nobody knew what became of it.
        overdue: whether that has lasted for longer than a person may leave it to the program.
        reference: what the gateway calls it.
        reason: why it failed.
        by: the operator who said so, as user@host; empty: the gateway, or a rule.
    """

    amount_cents: int
    currency: str
    source: str | None
    since: int
    sent: bool = False
    unanswered: int = 0
    overdue: bool = False
    reference: str | None = None
    reason: str | None = None
    by: str = ""

    @classmethod
    def at(cls, now: int, amount_cents: int, currency: str, source: str | None) -> "Asked":
        """What is asked for now, ms since the epoch."""
        return cls(amount_cents=amount_cents, currency=currency, source=source, since=now)

    @property
    def settled(self) -> bool:
        """Whether it is known what became of it."""
        return self.reference is not None or self.reason is not None

    @property
    def input(self) -> str:
        """What must be equal for the same order."""
        return json.dumps([self.amount_cents, self.currency, self.source])

    def delivery(self, effect: str) -> Delivery:
        """What the gateway is asked."""
        source = "reference" if effect == "refund" else "method"
        body = {"amount_cents": self.amount_cents, "currency": self.currency, source: self.source}
        return Delivery("gateway", effect, "", json.dumps(body))


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What an operator said about a capture: its reference, or None and why it failed; and who."""

    reference: str | None
    why: str
    by: str

    @property
    def outcome(self) -> str:
        """The word for it."""
        return "failed" if self.reference is None else "captured"


@dataclass(frozen=True, kw_only=True)
class Payment:
    """The payment of one order.

    Attributes:
        flow: who coordinates the order, the value of a `Flow`.
        capture, refund: what was asked for; None: nothing.
        dispatch_refused: why the order is not dispatched, so that its money goes back; None: nobody said so.
        resolution: what an operator said last; while a request is under way, its answer is waited for.
        checks: how often the gateway was asked for its word about a resolution in force, and gave none.
        contradiction: how that word differs; None: it does not, or nobody knows.
    """

    flow: str
    capture: Asked | None = None
    refund: Asked | None = None
    dispatch_refused: str | None = None
    resolution: Resolution | None = None
    checks: int = 0
    contradiction: str | None = None

    @property
    def status(self) -> str:
        """The state's name; one of `STATUSES`."""
        capture, refund = self.capture, self.refund
        if self.contradiction is not None:
            return "contradicted"
        if capture is None:
            return "not asked"
        if capture.reference is None:
            return "failed" if capture.settled else _pending(capture, "capturing")
        return "captured" if refund is None else _of_refund(refund)


def _of_refund(refund: Asked) -> str:
    if not refund.settled:
        return f"refund {_pending(refund, 'pending')}"
    return "refund failed" if refund.reference is None else "refunded"


def _pending(asked: Asked, sent: str) -> str:
    if asked.overdue:
        return "unresolved"
    return "unknown" if asked.unanswered else sent
