"""How effects are shown: the fields of design §9, and sums that add up."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cli.effects import sales_table
from operations.effects import RecordedEffect, documents, points, sales

DAY = 86_400_000
BIG = 9_007_199_254_740_993


def made(order_id: int = 1, **changes: object) -> RecordedEffect:
    usual = RecordedEffect(order_id, "dispatch", "dispatched", "1 Road", None, "command", "m", 0)
    return usual._replace(**changes)  # type: ignore[arg-type]  # a test's shorthand


def sale(
    order_id: int, lines: list[list[object]], placed_at: int = 0, currency: str = "EUR"
) -> RecordedEffect:
    detail = json.dumps({"placed_at": placed_at, "currency": currency, "lines": lines})
    return made(order_id, effect="sale", outcome="counted", detail=detail)


def grant(order_id: int, customer: str, earned: int) -> RecordedEffect:
    return made(order_id, effect="points", detail=json.dumps({"customer": customer, "points": earned}))


def test_a_dispatch_has_the_fields_of_the_design_and_its_id_is_text() -> None:
    assert list(documents("warehouse", iter([made(BIG)]))) == [
        {
            "order_id": "9007199254740993",
            "outcome": "dispatched",
            "address": "1 Road",
            "via": "command",
            "message_id": "m",
            "at": "1970-01-01T00:00:00.000Z",
        }
    ]


def test_a_rejection_says_why() -> None:
    [document] = documents("warehouse", iter([made(outcome="rejected", input=None, detail="blank")]))
    assert (document["address"], document["reason"]) == (None, "blank")


def test_a_notification_names_channel_recipient_and_state() -> None:
    [document] = documents("notification", iter([made(effect="email", outcome="done", input="a@b.example")]))
    assert document == {
        "order_id": "1",
        "channel": "email",
        "recipient": "a@b.example",
        "state": "done",
        "at": "1970-01-01T00:00:00.000Z",
    }


def test_the_table_of_sales_has_the_decimals_of_each_currency() -> None:
    rows = [sale(1, [["tea", 1, 123_456]], currency=each) for each in ("EUR", "JPY", "KWD")]
    _, *lines = (line.plain.split() for line in sales_table(iter(rows)).lines(None))
    assert [line[-2:] for line in lines] == [["1,234.56", "EUR"], ["123,456", "JPY"], ["123.456", "KWD"]]


def test_a_sale_has_a_line_per_product_and_an_order_without_items_has_none() -> None:
    found = list(documents("sales", iter([sale(1, [["tea", 2, 700], ["cup", 1, 50]]), sale(2, [])])))
    assert [(each["product"], each["quantity"], each["amount_cents"]) for each in found] == [
        ("tea", 2, 700),
        ("cup", 1, 50),
    ]
    assert found[0].keys() >= {"order_id", "product", "quantity", "amount_cents", "currency", "at"}


def test_sales_are_summed_by_the_orders_day_product_and_currency() -> None:
    orders = [
        sale(1, [["tea", 2, 700]]),
        sale(2, [["tea", 1, 350]], placed_at=DAY - 1),
        sale(3, [["tea", 1, 350]], placed_at=DAY),
        sale(4, [["tea", 1, 900]], currency="USD"),
    ]
    assert [tuple(each) for each in sales(iter(orders))] == [
        ("1970-01-01", "tea", "EUR", 3, 1050, 2),
        ("1970-01-01", "tea", "USD", 1, 900, 1),
        ("1970-01-02", "tea", "EUR", 1, 350, 1),
    ]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2**70)), max_size=20))
def test_points_add_up_whatever_their_size(grants: list[tuple[str, int]]) -> None:
    rows = points(grant(number, *each) for number, each in enumerate(grants))
    assert sum(each.points for each in rows) == sum(earned for _, earned in grants)
    assert sum(each.orders for each in rows) == len(grants)
    assert [each.points for each in rows] == sorted((each.points for each in rows), reverse=True)


def test_loyalty_prints_a_line_per_customer() -> None:
    found = documents("loyalty", iter([grant(1, "amy", 2), grant(2, "amy", 3)]))
    assert list(found) == [{"customer": "amy", "points": 5, "orders": 2}]


def test_a_reaction_that_nobody_told_us_about_is_shown_as_it_is_stored() -> None:
    [document] = documents("fraud", iter([made(effect="score", outcome="low", input="3")]))
    assert (document["effect"], document["outcome"], document["input"]) == ("score", "low", "3")
