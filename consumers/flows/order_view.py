"""The order's view: every fact of an order as it was recorded, and what they amount to (P14). Pure.

The status follows from which facts there are, and from nothing else: it is the same in whatever order the
topics are read, and however often a fact comes.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Fact,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)

CONTRADICTORY = "contradictory"

_STATUS_OF: dict[type[Fact], str] = {
    PaymentRefunded: "refunded",
    RefundFailed: "refund failed",
    ProductDispatched: "dispatched",
    DispatchRejected: "rejected",
    DispatchExpired: "expired",
    PaymentFailed: "payment failed",
    PaymentCaptured: "paid",
    OrderPlaced: "placed",
}
"""What an order is called by its facts: the first of these that there is decides."""

STATUSES = (*reversed(_STATUS_OF.values()), CONTRADICTORY)
"""Every status of an order."""

_EXCLUDE_EACH_OTHER: tuple[tuple[type[Fact], type[Fact]], ...] = (
    (PaymentCaptured, PaymentFailed),
    (ProductDispatched, DispatchRejected),
    (ProductDispatched, DispatchExpired),
    (DispatchRejected, DispatchExpired),
    (ProductDispatched, PaymentFailed),
    (ProductDispatched, PaymentRefunded),
    (ProductDispatched, RefundFailed),
)
"""No order can have both: goods leave for money that was taken and stays taken."""

_MUST_AGREE: dict[type[Fact], tuple[str, ...]] = {
    OrderPlaced: ("address", "currency", "items"),
    ProductDispatched: ("address",),
    PaymentCaptured: ("amount_cents", "currency", "reference"),
    PaymentRefunded: ("amount_cents", "currency", "reference"),
}
"""What two facts of a type must say alike: the rest differs when an order is placed again in another mode."""

_NOT_KEPT = ("order_id", "customer", "email", "phone", "payment_method")
"""Who the customer is does not matter here, and is not kept a second time."""


class SeenFact(NamedTuple):
    """A fact, and where and when it was recorded. The first four fields put facts in order.

    Attributes:
        recorded_at: time of its record, ms since the epoch.
        topic, partition, offset: of its record.
        type: its name, such as `OrderPlaced`.
        says: its fields by name, as JSON has them, but who the customer is.
    """

    recorded_at: int
    topic: str
    partition: int
    offset: int
    type: str
    says: dict[str, Any]


class Order(NamedTuple):
    """What is known of one order: its facts, the earliest recorded first, each record once."""

    facts: tuple[SeenFact, ...] = ()

    def heard(self, fact: SeenFact) -> "Order":
        """What is known after a fact; a record that was heard before changes nothing."""
        if any(fact[1:4] == known[1:4] for known in self.facts):
            return self
        return Order(tuple(sorted((*self.facts, fact), key=_when_and_where)))

    def until(self, at: int) -> "Order":
        """What had been recorded of the order up to a time, ms since the epoch."""
        return Order(tuple(fact for fact in self.facts if fact.recorded_at <= at))

    @property
    def status(self) -> str:
        """One of `STATUSES`; `unknown` without any fact."""
        if self.contradictions:
            return CONTRADICTORY
        types = {fact.type for fact in self.facts}
        return next((name for kind, name in _STATUS_OF.items() if kind.__name__ in types), "unknown")

    @property
    def is_placed(self) -> bool:
        """Whether the fact that it was placed is among them; an order that is a command has none."""
        return any(fact.type == OrderPlaced.__name__ for fact in self.facts)

    @property
    def flow(self) -> str | None:
        """Who coordinates it, as the first of its facts says."""
        return next((fact.says["flow"] for fact in self.facts), None)

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Which facts cannot all be true, a line each."""
        types = {fact.type for fact in self.facts}
        both = [
            f"{first.__name__} and {second.__name__}"
            for first, second in _EXCLUDE_EACH_OTHER
            if first.__name__ in types and second.__name__ in types
        ]
        return (*both, *self._disagreements())

    def _disagreements(self) -> Iterable[str]:
        for kind, fields in _MUST_AGREE.items():
            facts = [fact.says for fact in self.facts if fact.type == kind.__name__]
            if differing := [
                name for name in fields if any(one[name] != other[name] for one, other in pairwise(facts))
            ]:
                yield f"{kind.__name__} more than once, with another {', another '.join(differing)}"


def seen(fact: Fact, *, recorded_at: int, topic: str, partition: int, offset: int) -> SeenFact:
    """A fact as it is kept."""
    says = {name: _as_json(value) for name, value in fact._asdict().items() if name not in _NOT_KEPT}
    return SeenFact(recorded_at, topic, partition, offset, type(fact).__name__, says)


def _as_json(value: Any) -> Any:
    """Tuples become lists, so that a fact is the same before and after it was stored."""
    return [_as_json(part) for part in value] if isinstance(value, tuple) else value


def _when_and_where(fact: SeenFact) -> tuple[int, str, int, int]:
    return fact[:4]
