"""What customers are told: the purposes of a notification, and its words. Pure.

The same purpose has the same words whether a fact or a command asks for it.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from schemas.commands import SendNotification
from schemas.errors import InvalidCommand, Position
from schemas.facts import Fact, Item, OrderPlaced, PaymentFailed, PaymentRefunded, ProductDispatched
from schemas.money import amount

PLACED, PAYMENT_FAILED, DISPATCHED, REFUNDED = "placed", "payment-failed", "dispatched", "refunded"

PURPOSES: dict[type[Fact], str] = {
    PaymentFailed: PAYMENT_FAILED,
    ProductDispatched: DISPATCHED,
    PaymentRefunded: REFUNDED,
}
"""Which results a customer is told, and as what."""

_PURPOSE = re.compile(r"[a-z][a-z0-9-]{0,63}\Z")
_LATER = {
    PAYMENT_FAILED: ("Your order {0} is not paid", "we could not take the payment for your order {0}."),
    DISPATCHED: ("Your order {0} is on its way", "your order {0} has left our warehouse."),
    REFUNDED: (
        "Your money for order {0} comes back",
        "we cannot dispatch your order {0}; your money comes back.",
    ),
}


class Notice(NamedTuple):
    """What a customer is told, and why: purpose, a subject of one line, and a body."""

    purpose: str
    subject: str
    text: str


def placed(order: OrderPlaced) -> Notice:
    """What is said about an order that was just placed."""
    lines = [f"{item.quantity:>4} x {item.product}  {_price(item, order.currency)}" for item in order.items]
    intro, address = f"we have your order {order.order_id}.", f"It goes to: {order.address}"
    text = "\n".join([_greeting(order.customer), "", intro, *lines, "", address, ""])
    return Notice(PLACED, f"Your order {order.order_id}", text)


def later(purpose: str, order_id: int, customer: str | None) -> Notice:
    """What is said about an order later on.

    Args:
        purpose: `payment-failed`, `dispatched` or `refunded`.
        order_id: which order.
        customer: whose; None where the order does not say.
    """
    subject, line = _LATER[purpose]
    text = "\n".join([_greeting(customer), "", line.format(order_id), ""])
    return Notice(purpose, subject.format(order_id), text)


def check(command: SendNotification, channels: Collection[str], position: Position) -> None:
    """Make sure that a command can be carried out at all.

    Args:
        command: what to send.
        channels: those that there are.
        position: of the command, for the error.

    Raises:
        InvalidCommand: there is no such channel, no recipient, or the purpose is no name.
    """
    if command.channel not in channels:
        known = " and ".join(channels)
        raise InvalidCommand(f"there is no channel {command.channel!r}, only {known}", position)
    if not command.recipient.strip():
        raise InvalidCommand("it names no recipient", position)
    if not _PURPOSE.match(command.purpose):
        raise InvalidCommand(f"the purpose {command.purpose[:80]!r} is not like `payment-failed`", position)


def recipients(email: str | None, phone: str | None) -> list[tuple[str, str]]:
    """Each channel by which a customer can be told, with the recipient."""
    return [(channel, to) for channel, to in (("email", email), ("text", phone)) if to]


def effect_name(channel: str, purpose: str) -> str:
    """The effect of a notification: one per order, channel and purpose (design §10)."""
    return channel if purpose == PLACED else f"{channel}:{purpose}"


def _greeting(customer: str | None) -> str:
    return f"Hello {customer}," if customer else "Hello,"


def _price(item: Item, currency: str) -> str:
    return f"{amount(item.quantity * item.unit_price_cents, currency)} {currency}"
