"""What loyalty promises: points for what a customer spends."""

import json

import pytest

from consumers import loyalty
from schemas.facts import Item
from tests.support.consumers.records import context, order

ITEMS = (Item("Lamp", 2, 1_995), Item("Tee, grün", 1, 350))


@pytest.mark.parametrize(("cents", "points"), [(0, 0), (99, 0), (100, 1), (12_345, 123)])
def test_loyalty_gives_a_point_for_each_whole_unit(cents: int, points: int) -> None:
    given = context()
    assert loyalty.react(order(customer="Ada", items=(Item("Lamp", 1, cents),)), given) == []
    [effect] = given.effects
    assert (effect.name, effect.outcome) == ("points", "granted")
    assert effect.detail is not None
    assert json.loads(effect.detail) == {"customer": "Ada", "points": points}


def test_loyalty_adds_the_lines_before_it_rounds() -> None:
    given = context()
    loyalty.react(order(customer="Ada", items=(Item("a", 1, 50), Item("b", 1, 50))), given)
    assert json.loads(given.effects[0].detail or "")["points"] == 1


@pytest.mark.parametrize(("currency", "points"), [("JPY", 3_499), ("KWD", 3), ("XYZ", 34)])
def test_a_whole_unit_is_one_of_the_currency(currency: str, points: int) -> None:
    given = context()
    loyalty.react(order(customer="Ada", items=(Item("Lamp", 1, 3_499),), currency=currency), given)
    assert json.loads(given.effects[0].detail or "")["points"] == points


def test_an_anonymous_order_earns_no_points() -> None:
    given = context()
    assert loyalty.react(order(items=ITEMS), given) == []
    assert given.effects == []
