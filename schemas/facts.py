"""Facts: past tense, immutable, for any number of readers (design §2). No command lives here.

A result says the flow of its order (design §10), so that who has a part in one flow alone passes over the
results of all others.

Times are int milliseconds since the epoch, UTC. Money is an int of the currency's smallest unit (ISO 4217),
which the names of fields call cents.
"""

from typing import NamedTuple


class Item(NamedTuple):
    """One line of an order: a product, how many, and the price of one in the smallest unit."""

    product: str
    quantity: int
    unit_price_cents: int


class OrderPlaced(NamedTuple):
    """A customer clicked [BUY].

    Attributes:
        order_id: any signed 64-bit integer; also the record's key.
        address: where the order goes.
        placed_at: when it was accepted.
        customer, email, phone: who, and how to reach them; None where the order does not say.
        currency: ISO 4217 code of the prices.
        items: what was bought; may be empty.
        dispatch_before: the latest time for a dispatch; None means no limit.
        mode_epoch: number of the mode in force at the writing; 0 means outside any mode.
        shadow_of: command topics whose record of this order decides in this fact's stead (design §6).
        flow: who coordinates what follows, the value of a `Flow` (design §10); text, so that a later flow
            does not break earlier readers.
        payment_method: a token of the payment gateway, never card data; None where nothing is to be paid, or
            the customer named none.
    """

    order_id: int
    address: str
    placed_at: int
    customer: str | None = None
    email: str | None = None
    phone: str | None = None
    currency: str = "EUR"
    items: tuple[Item, ...] = ()
    dispatch_before: int | None = None
    mode_epoch: int = 0
    shadow_of: tuple[str, ...] = ()
    flow: str = "direct"
    payment_method: str | None = None

    @property
    def total_cents(self) -> int:
        """What the items cost together."""
        return sum(item.quantity * item.unit_price_cents for item in self.items)


class ProductDispatched(NamedTuple):
    """The warehouse dispatched an order to an address."""

    order_id: int
    address: str
    dispatched_at: int
    flow: str = "direct"


class DispatchRejected(NamedTuple):
    """The warehouse read the order and refuses it for a reason that the sender can mend."""

    order_id: int
    reason: str
    rejected_at: int
    flow: str = "direct"


class DispatchExpired(NamedTuple):
    """The order reached the warehouse after the latest time for its dispatch."""

    order_id: int
    deadline: int
    expired_at: int
    flow: str = "direct"


class PaymentCaptured(NamedTuple):
    """The money for an order was taken; `reference` is what the payment gateway calls it."""

    order_id: int
    amount_cents: int
    currency: str
    reference: str
    captured_at: int
    flow: str


class PaymentFailed(NamedTuple):
    """The money for an order was not taken, and will not be."""

    order_id: int
    reason: str
    failed_at: int
    flow: str


class PaymentRefunded(NamedTuple):
    """The money for an order was given back; `reference` is what the payment gateway calls the refund."""

    order_id: int
    amount_cents: int
    currency: str
    reference: str
    refunded_at: int
    flow: str


class RefundFailed(NamedTuple):
    """The money for an order could not be given back: a person has to."""

    order_id: int
    reason: str
    failed_at: int
    flow: str


Fact = (
    OrderPlaced
    | ProductDispatched
    | DispatchRejected
    | DispatchExpired
    | PaymentCaptured
    | PaymentFailed
    | PaymentRefunded
    | RefundFailed
)
"""Every fact of the catalogue."""

FACT_TYPES = (
    OrderPlaced,
    ProductDispatched,
    DispatchRejected,
    DispatchExpired,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    RefundFailed,
)
