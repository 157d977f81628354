"""What notification promises: each customer hears once by each way that the order names."""

from typing import Any

import pytest

from consumers import notification
from consumers.flows.messages import PURPOSES
from consumers.runtime.reaction import Context, Delivery, Effect
from schemas.commands import SendNotification
from schemas.envelope import Envelope
from schemas.errors import InvalidCommand
from schemas.facts import Item, OrderPlaced, PaymentFailed, PaymentRefunded, ProductDispatched
from tests.support.consumers.records import DAY, FIRST_START, NOW, context, order

HOME = "1 Streetford Road"
ITEMS = (Item("Lamp", 2, 1_995), Item("Tee, grün", 1, 350))


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


@pytest.mark.parametrize("wrong_by", [-3 * DAY, 30 * DAY, 10_000 * DAY])
def test_a_fact_is_as_old_as_its_record_where_the_clock_of_its_placer_is_wrong(wrong_by: int) -> None:
    for recorded_at, outcome in ((FIRST_START, "intended"), (FIRST_START - 2 * DAY, "skipped")):
        message = order(email="a@b.example", placed_at=recorded_at + wrong_by)
        assert notified(message, recorded_at=recorded_at)[0].outcome == outcome


def test_history_of_another_system_that_was_loaded_today_is_old_news_all_the_same() -> None:
    [mail] = notified(order(email="a@b.example", placed_at=NOW - 30 * DAY), recorded_at=FIRST_START)
    assert mail.outcome == "skipped"


def test_a_fact_that_waited_long_is_mailed_because_only_the_first_start_counts() -> None:
    [mail] = notified(order(email="a@b.example", placed_at=NOW - 30 * DAY), first_start_at=NOW - 31 * DAY)
    assert mail.outcome == "intended"


# -- who coordinates ---------------------------------------------------------------------------------------


def heard(*messages: Any) -> tuple[list[Effect], Any]:
    """What is told because of messages of one order, and what is remembered in the end."""
    effects, state = list[Effect](), None
    for message in messages:
        given: Context = context(state=state, recorded_at=NOW)
        assert notification.react(message, given) == []
        effects += given.effects
        state = given.state
    return effects, state


PLACED = order(email="a@b.example", customer="Ada", flow="collaboration")
FAILED = PaymentFailed(7, "declined", NOW, "collaboration")
DISPATCHED = ProductDispatched(7, HOME, NOW, "collaboration")
REFUNDED = PaymentRefunded(7, 100, "EUR", "ref_1", NOW, "collaboration")
ASKED = SendNotification(7, "email", "a@b.example", "placed", "Your order 7", "Hello")


def test_in_a_process_a_customer_hears_what_the_process_manager_asks_for() -> None:
    assert heard(order(email="a@b.example", flow="process"), DISPATCHED._replace(flow="process")) == (
        [],
        None,
    )
    [mail], state = heard(ASKED._replace(purpose="payment-failed"))
    assert mail == Effect(
        "email:payment-failed",
        "intended",
        input="a@b.example",
        delivery=Delivery("email", "a@b.example", "Your order 7", "Hello"),
    )
    assert state is None


def test_the_same_mail_by_a_fact_and_by_a_command_has_one_key() -> None:
    [by_fact], [by_command] = heard(order(email="a@b.example"))[0], heard(ASKED)[0]
    assert (by_fact.name, by_fact.input) == (by_command.name, by_command.input)


def test_a_command_that_is_void_by_now_mails_nobody() -> None:
    given = context(envelope=Envelope("id", "order-7", expires_at=NOW - DAY))
    notification.react(ASKED, given)
    assert [(effect.outcome, effect.delivery) for effect in given.effects] == [("skipped", None)]


@pytest.mark.parametrize("result", [FAILED, DISPATCHED, REFUNDED])
def test_in_a_collaboration_the_facts_are_enough_in_either_order(result: Any) -> None:
    names = {}
    for messages in ((PLACED, result), (result, PLACED), (result, result, PLACED), (PLACED, result, result)):
        effects, state = heard(*messages)
        told = {effect.name: (effect.delivery, effect.input) for effect in effects}
        names[messages] = sorted(told)
        later = told[f"email:{PURPOSES[type(result)]}"][0]
        assert later is not None
        assert later.text.startswith("Hello Ada,")
        assert state.status == "known"
    assert set(map(tuple, names.values())) == {("email", f"email:{PURPOSES[type(result)]}")}


def test_a_result_alone_is_kept_until_it_is_known_whom_to_tell() -> None:
    effects, state = heard(DISPATCHED)
    assert (effects, state.status) == ([], "waiting for order")


def test_results_of_orders_in_other_flows_are_nothing_to_remember() -> None:
    assert heard(ProductDispatched(7, HOME, NOW), FAILED._replace(flow="process")) == ([], None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"channel": "pigeon"}, "there is no channel 'pigeon', only email and text"),
        ({"recipient": " "}, "it names no recipient"),
        ({"purpose": "Payment failed"}, "is not like `payment-failed`"),
    ],
)
def test_a_command_that_nobody_can_carry_out_is_a_dead_letter(change: Any, why: str) -> None:
    with pytest.raises(InvalidCommand, match=why):
        heard(ASKED._replace(**change))
