"""Notification: a mail and a text to the customer, because an order was placed.

reads   orders (fact)
writes  nothing to Kafka; hands mails and texts to the channels `email` and `text`

Facts that were old news when this group first started are skipped, not mailed (design §8). How old a fact is
says the broker's record of it, for the clock of a placer may be wrong by days; only what was placed more than
a week before it was recorded counts as history of another system, which somebody has loaded.
"""

from consumers.runtime.reaction import Context, Delivery, Effect
from schemas import topics
from schemas.facts import Fact, Item, OrderPlaced
from schemas.money import amount

READS = (topics.ORDERS,)
CHANNELS = ("email", "text")
_HISTORY_MS = 7 * 86_400_000


def react(message: OrderPlaced, context: Context) -> list[Fact]:
    """Intend one delivery per channel that the order names a recipient for; it may name none."""
    stale = _told_at(message, context.recorded_at) < context.first_start_at - context.notify_max_age_ms
    for channel, recipient in (("email", message.email), ("text", message.phone)):
        if not recipient:
            continue
        if stale:
            context.record(Effect(channel, "skipped", input=recipient))
        else:
            delivery = Delivery(channel, recipient, f"Your order {message.order_id}", _body(message))
            context.record(Effect(channel, "intended", input=recipient, delivery=delivery))
    return []


def _told_at(message: OrderPlaced, recorded_at: int) -> int:
    is_history = recorded_at <= 0 or message.placed_at < recorded_at - _HISTORY_MS
    return message.placed_at if is_history else recorded_at


def _body(message: OrderPlaced) -> str:
    lines = [
        f"{item.quantity:>4} x {item.product}  {_price(item, message.currency)}" for item in message.items
    ]
    greeting = f"Hello {message.customer}," if message.customer else "Hello,"
    intro, address = f"we have your order {message.order_id}.", f"It goes to: {message.address}"
    return "\n".join([greeting, "", intro, *lines, "", address, ""])


def _price(item: Item, currency: str) -> str:
    return f"{amount(item.quantity * item.unit_price_cents, currency)} {currency}"
