"""What each reaction promises, without a broker or a store."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers import loyalty, notification, sales, warehouse
from consumers.runtime.reaction import Context, Effect
from schemas.commands import MAX_ADDRESS, DispatchProduct
from schemas.envelope import Envelope
from schemas.facts import DispatchExpired, DispatchRejected, Fact, Item, OrderPlaced, ProductDispatched
from tests.support.consumers.records import DAY, FIRST_START, NOW, context

HOME = "1 Streetford Road"
SKEW = 5_000
ITEMS = (Item("Lamp", 2, 1_995), Item("Tee, grün", 1, 350))


def order(**more: Any) -> OrderPlaced:
    return OrderPlaced(**{"order_id": 7, "address": HOME, "placed_at": NOW, "mode_epoch": 1, **more})


def told(message: DispatchProduct | OrderPlaced, **more: Any) -> tuple[Sequence[Fact], list[Effect]]:
    given: Context = context(**more)
    return warehouse.react(message, given), given.effects


def test_the_warehouse_dispatches_what_it_is_told_and_what_it_hears_alike() -> None:
    for message in (DispatchProduct(7, HOME, 1), order()):
        assert told(message) == ([ProductDispatched(7, HOME, NOW)], [Effect("dispatch", "dispatched", HOME)])


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (None, "the address is null"),
        ("", "the address is blank"),
        (" \t\n\u00a0\u3000", "the address is blank"),
        ("x" * (MAX_ADDRESS + 1), "the address has 501 characters, 500 are allowed"),
    ],
)
def test_the_warehouse_refuses_an_address_that_it_cannot_use(address: str | None, reason: str) -> None:
    facts, effects = told(DispatchProduct(7, address, 1))
    assert facts == [DispatchRejected(7, reason, NOW)]
    assert effects == [Effect("dispatch", "rejected", input=address, detail=reason)]


@pytest.mark.parametrize("address", ["x", "x" * MAX_ADDRESS, "\U0001f4e6" * MAX_ADDRESS])
def test_the_longest_and_the_shortest_address_are_dispatched(address: str) -> None:
    assert isinstance(told(DispatchProduct(7, address))[0][0], ProductDispatched)


@pytest.mark.parametrize(("late", "kind"), [(0, ProductDispatched), (1, DispatchExpired)])
def test_an_order_expires_a_clock_skew_after_its_deadline_by_either_path(late: int, kind: type[Fact]) -> None:
    deadline = NOW - SKEW - late
    envelope = Envelope("id", "order-7", expires_at=deadline)
    assert isinstance(told(DispatchProduct(7, HOME), envelope=envelope)[0][0], kind)
    facts, effects = told(order(dispatch_before=deadline))
    assert isinstance(facts[0], kind)
    if kind is DispatchExpired:
        assert facts == [DispatchExpired(7, deadline, NOW)]
        assert effects == [Effect("dispatch", "expired", input=HOME)]


def test_a_facts_headers_decide_nothing_about_its_dispatch() -> None:
    envelope = Envelope("id", "order-7", expires_at=NOW - DAY)
    assert isinstance(told(order(), envelope=envelope)[0][0], ProductDispatched)


def test_a_bad_address_is_rejected_though_it_is_late_because_the_sender_can_mend_it() -> None:
    envelope = Envelope("id", "order-7", expires_at=NOW - DAY)
    assert isinstance(told(DispatchProduct(7, " "), envelope=envelope)[0][0], DispatchRejected)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_deadline_of_64_bits_is_judged(deadline: int) -> None:
    facts, _ = told(order(dispatch_before=deadline))
    assert isinstance(facts[0], DispatchExpired) == (deadline < NOW - SKEW)


def notified(message: OrderPlaced, **more: Any) -> list[Effect]:
    given: Context = context(**more)
    assert notification.react(message, given) == []
    return given.effects


def test_a_customer_hears_by_each_way_that_the_order_names() -> None:
    mail, text = notified(order(email="a@b.example", phone="+4930123", customer="Ada", items=ITEMS))
    assert (mail.name, mail.outcome, mail.input) == ("email", "intended", "a@b.example")
    assert (text.name, text.outcome, text.input) == ("text", "intended", "+4930123")
    assert mail.delivery is not None
    assert mail.delivery.channel == "email"
    assert mail.delivery.subject == "Your order 7"
    for part in ("Hello Ada,", "2 x Lamp  39.90 EUR", "1 x Tee, grün  3.50 EUR", HOME):
        assert part in mail.delivery.text


def test_a_price_below_zero_is_written_as_it_is() -> None:
    given = context()
    notification.react(order(email="ada@customers.example", items=(Item("Voucher", 1, -1),)), given)
    [effect] = given.effects
    assert effect.delivery is not None
    assert "1 x Voucher  -0.01 EUR" in effect.delivery.text


@pytest.mark.parametrize(
    ("currency", "price"),
    [
        ("JPY", "3,499 JPY"),
        ("KWD", "3.499 KWD"),
        ("CLF", "0.3499 CLF"),
        ("DEM", "3,499 minor units DEM"),  # another writer's: nobody knows its decimals any more
        ("", "3,499 minor units "),
    ],
)
def test_a_price_has_the_decimals_of_its_currency(currency: str, price: str) -> None:
    given = context()
    items = (Item("Lamp", 1, 3_499),)
    notification.react(order(email="ada@customers.example", items=items, currency=currency), given)
    [effect] = given.effects
    assert effect.delivery is not None
    assert f"   1 x Lamp  {price}\n" in effect.delivery.text


@pytest.mark.parametrize(
    ("email", "phone", "names"), [(None, None, []), ("", "", []), ("a@b.example", None, ["email"])]
)
def test_nobody_is_owed_what_the_order_gives_no_address_for(
    email: str | None, phone: str | None, names: list[str]
) -> None:
    assert [each.name for each in notified(order(email=email, phone=phone))] == names


@pytest.mark.parametrize(("age", "outcome"), [(DAY, "intended"), (DAY + 1, "skipped")])
def test_old_news_at_the_very_first_start_is_skipped(age: int, outcome: str) -> None:
    [mail] = notified(order(email="a@b.example", placed_at=FIRST_START - age))
    assert (mail.outcome, mail.delivery is None) == (outcome, outcome == "skipped")


def test_a_fact_that_waited_long_is_mailed_because_only_the_first_start_counts() -> None:
    [mail] = notified(order(email="a@b.example", placed_at=NOW - 30 * DAY), first_start_at=NOW - 31 * DAY)
    assert mail.outcome == "intended"


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


@pytest.mark.parametrize(("cents", "points"), [(0, 0), (99, 0), (100, 1), (12_345, 123)])
def test_loyalty_gives_a_point_for_each_whole_unit(cents: int, points: int) -> None:
    given: Context = context()
    assert loyalty.react(order(customer="Ada", items=(Item("Lamp", 1, cents),)), given) == []
    [effect] = given.effects
    assert (effect.name, effect.outcome) == ("points", "granted")
    assert effect.detail is not None
    assert json.loads(effect.detail) == {"customer": "Ada", "points": points}


def test_loyalty_adds_the_lines_before_it_rounds() -> None:
    given: Context = context()
    loyalty.react(order(customer="Ada", items=(Item("a", 1, 50), Item("b", 1, 50))), given)
    assert json.loads(given.effects[0].detail or "")["points"] == 1


@pytest.mark.parametrize(("currency", "points"), [("JPY", 3_499), ("KWD", 3), ("XYZ", 34)])
def test_a_whole_unit_is_one_of_the_currency(currency: str, points: int) -> None:
    given: Context = context()
    loyalty.react(order(customer="Ada", items=(Item("Lamp", 1, 3_499),), currency=currency), given)
    assert json.loads(given.effects[0].detail or "")["points"] == points


def test_an_anonymous_order_earns_no_points() -> None:
    given: Context = context()
    assert loyalty.react(order(items=ITEMS), given) == []
    assert given.effects == []
