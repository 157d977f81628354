"""Loyalty: one point per whole unit of currency spent, for orders that name a customer.

reads   orders (fact)
writes  nothing

The example of a reaction that was added later: this file, a line in registry.py, its test. Nothing in the
producer changed, and it reads the whole history at its first start.
"""

import json

from consumers.runtime.reaction import Context, Effect
from schemas import topics
from schemas.facts import Fact, OrderPlaced
from schemas.money import decimals

READS = (topics.ORDERS,)
USUAL_DECIMALS = 2
"""Of a currency that another writer used and ISO 4217 does not know."""


def react(message: OrderPlaced, context: Context) -> list[Fact]:
    """Grant points to the order's customer; an anonymous order earns none."""
    if message.customer is not None:
        places = decimals(message.currency)
        points = message.total_cents // 10 ** (USUAL_DECIMALS if places is None else places)
        grant = {"customer": message.customer, "points": points}
        text = json.dumps(grant, ensure_ascii=False)
        context.record(Effect("points", "granted", input=text, detail=text))
    return []
