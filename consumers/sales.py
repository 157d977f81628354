"""Sales: revenue and units per product and day, from the fact alone.

reads   orders (fact)
writes  nothing
"""

import json

from consumers.runtime.reaction import Context, Effect
from schemas import topics
from schemas.facts import Fact, OrderPlaced

READS = (topics.ORDERS,)


def react(message: OrderPlaced, context: Context) -> list[Fact]:
    """Count an order's lines; an order without items counts as one without revenue."""
    sale = {
        "placed_at": message.placed_at,
        "currency": message.currency,
        "lines": [
            [item.product, item.quantity, item.quantity * item.unit_price_cents] for item in message.items
        ],
    }
    lines = json.dumps([sale["currency"], sale["lines"]], ensure_ascii=False)
    context.record(Effect("sale", "counted", input=lines, detail=json.dumps(sale, ensure_ascii=False)))
    return []
