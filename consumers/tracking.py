"""Tracking: every fact of every order, for whoever asks how an order stands (`cev order status`, P14).

reads   orders (fact), payments (result), dispatch_results (result)
writes  nothing

It has no effects. What it keeps can be built anew from the topics at any time.
"""

from consumers.flows import order_view
from consumers.runtime.reaction import Context
from schemas import topics
from schemas.facts import Fact

READS = (topics.ORDERS, topics.PAYMENTS, topics.DISPATCH_RESULTS)
STATE = order_view.Order


def react(message: Fact, context: Context) -> list[Fact]:
    """Keep the fact, with when and where it was recorded."""
    topic, partition, offset = context.position
    known: order_view.Order = context.state or order_view.Order()
    order = known.heard(
        order_view.seen(
            message, recorded_at=context.recorded_at, topic=topic, partition=partition, offset=offset
        )
    )
    if order != known:
        context.save(order)
    return []
