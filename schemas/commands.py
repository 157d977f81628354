"""Commands: imperative, one owner, one consumer group (design §2). No fact lives here.

Times are int milliseconds since the epoch, UTC. Money is an int of the currency's smallest unit (ISO 4217),
which the names of fields call cents. The order's id is the record's key.
"""

from typing import NamedTuple

MAX_ADDRESS = 500
"""Characters of an address that the warehouse accepts."""


class DispatchProduct(NamedTuple):
    """Dispatch the product of one order to an address.

    Attributes:
        order_id: any signed 64-bit integer; on the wire it is the record's key alone.
        address: where to; None only in records that others wrote, and then refused by rule.
        mode_epoch: number of the mode in force when it was written; 0 in records that others wrote.
        flow: who coordinates the order, the value of a `Flow`; its result says the same.
    """

    order_id: int
    address: str | None
    mode_epoch: int = 0
    flow: str = "direct"


class CapturePayment(NamedTuple):
    """Take the money for one order.

    Attributes:
        order_id: any signed 64-bit integer.
        amount_cents: how much; 0 is captured without asking anybody.
        currency: ISO 4217 code.
        method: a token of the payment gateway, never card data; None where the customer named none.
    """

    order_id: int
    amount_cents: int
    currency: str
    method: str | None = None


class RefundPayment(NamedTuple):
    """Give the money of one order back.

    Attributes:
        order_id: any signed 64-bit integer.
        amount_cents: how much.
        currency: ISO 4217 code.
        reference: what the payment gateway called the capture.
    """

    order_id: int
    amount_cents: int
    currency: str
    reference: str


class SendNotification(NamedTuple):
    """Tell a customer something about one order.

    Attributes:
        order_id: any signed 64-bit integer.
        channel: `email` or `text`.
        recipient: address or number.
        purpose: why, e.g. `payment-failed`; an order has one message per purpose and channel.
        subject: one line.
        text: the body.
    """

    order_id: int
    channel: str
    recipient: str
    purpose: str
    subject: str
    text: str


Command = DispatchProduct | CapturePayment | RefundPayment | SendNotification
"""Every command of the catalogue."""

COMMAND_TYPES = (DispatchProduct, CapturePayment, RefundPayment, SendNotification)
