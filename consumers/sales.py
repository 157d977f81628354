"""Sales: revenue and units per product and day, from the fact alone.

reads   orders (fact)
writes  nothing
"""

from json import JSONEncoder

from consumers.runtime.reaction import Context, Effect
from schemas import topics
from schemas.facts import Fact, OrderPlaced

READS = (topics.ORDERS,)

_json = JSONEncoder(ensure_ascii=False).encode


def react(message: OrderPlaced, context: Context) -> list[Fact]:
    """Count an order's lines; an order without items counts as one without revenue."""
    currency = _json(message.currency)
    # JSON of single strings is cheap, of a list it is not.
    lines = ", ".join(
        [f"[{_json(product)}, {quantity}, {quantity * cents}]" for product, quantity, cents in message.items]
    )
    # The lines are most of it, so they become text once.
    detail = f'{{"placed_at": {message.placed_at}, "currency": {currency}, "lines": [{lines}]}}'
    context.record(Effect("sale", "counted", input=f"[{currency}, [{lines}]]", detail=detail))
    return []
