"""What sales promise: every order is counted, with its lines and amounts."""

import json

from consumers import sales
from consumers.runtime.reaction import Context, Effect
from schemas.facts import Item, OrderPlaced
from tests.support.consumers.records import NOW, context, order

ITEMS = (Item("Lamp", 2, 1_995), Item("Tee, grün", 1, 350))


def counted(message: OrderPlaced) -> Effect:
    given: Context = context()
    assert sales.react(message, given) == []
    [effect] = given.effects
    return effect


def test_sales_keep_the_lines_with_their_amounts() -> None:
    effect = counted(order(items=ITEMS, currency="CHF"))
    assert (effect.name, effect.outcome, effect.delivery) == ("sale", "counted", None)
    assert effect.detail is not None
    assert json.loads(effect.detail) == {
        "placed_at": NOW,
        "currency": "CHF",
        "lines": [["Lamp", 2, 3_990], ["Tee, grün", 1, 350]],
    }


def test_an_order_without_items_is_counted_without_revenue() -> None:
    effect = counted(order())
    assert effect.detail is not None
    assert json.loads(effect.detail)["lines"] == []


def test_the_same_sale_told_later_is_the_same_input_and_another_price_is_not() -> None:
    assert counted(order(items=ITEMS)).input == counted(order(items=ITEMS, placed_at=NOW + 5)).input
    assert counted(order(items=ITEMS)).input != counted(order(items=ITEMS, currency="CHF")).input
    assert counted(order(items=ITEMS)).input != counted(order(items=ITEMS[:1])).input
