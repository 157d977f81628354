"""What each message says to the reconciliation. Pure."""

from operations.verify.evidence import OrderRecord, OrderResult, digest, digest_items
from schemas.commands import CapturePayment, DispatchProduct, RefundPayment, SendNotification
from schemas.control import Flow
from schemas.errors import Position
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from schemas.topics import DISPATCH_PRODUCTS, Message

_STEPS: dict[type[Message], str] = {
    CapturePayment: "capture",
    RefundPayment: "refund",
    PaymentCaptured: "captured",
    PaymentFailed: "failed",
    PaymentRefunded: "refunded",
    RefundFailed: "not refunded",
}


def order_record(message: Message, position: Position) -> OrderRecord | None:
    """What a message says of its order; None of one that is not compared here.

    A dispatch result of a direct order is not: `order_result` says all of it.
    """
    match message:
        case DispatchProduct():
            return OrderRecord(position, digest(message.address), flow=message.flow)
        case OrderPlaced():
            return _placed(message, position)
        case SendNotification(channel=channel, recipient=recipient, purpose=purpose):
            name = channel if purpose == "placed" else f"{channel}:{purpose}"
            return OrderRecord(position, digest(recipient), name=name)
        case CapturePayment() | PaymentCaptured():
            amount = _amount(message.amount_cents, message.currency)
            return OrderRecord(position, 0, name=_STEPS[type(message)], amount=amount)
    if (result := order_result(message)) is not None:
        return (
            None if _is_direct(message) else OrderRecord(position, result[1].address, name=result[1].outcome)
        )
    return OrderRecord(position, 0, name=_STEPS[type(message)]) if type(message) in _STEPS else None


def order_result(message: Message) -> tuple[int, OrderResult] | None:
    """Order id and outcome of a dispatch result; None of anything else."""
    match message:
        case ProductDispatched(order_id=order_id, address=address):
            return order_id, OrderResult("dispatched", digest(address))
        case DispatchRejected(order_id=order_id):
            return order_id, OrderResult("rejected")
        case DispatchExpired(order_id=order_id):
            return order_id, OrderResult("expired")
    return None


def _placed(order: OrderPlaced, position: Position) -> OrderRecord:
    total = sum(item.quantity * item.unit_price_cents for item in order.items)
    return OrderRecord(
        position,
        digest(order.address),
        digest(order.email or None),
        digest(order.phone or None),
        digest_items(order.currency, order.items),
        DISPATCH_PRODUCTS not in order.shadow_of,
        flow=order.flow,
        amount=0 if order.flow == Flow.DIRECT else _amount(total, order.currency),
    )


def _is_direct(message: Message) -> bool:
    return getattr(message, "flow", Flow.DIRECT) == Flow.DIRECT


def _amount(cents: int, currency: str) -> int:
    return digest(f"{cents} {currency}")
