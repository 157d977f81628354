"""What payments promise: an order is charged once, said to be once, and refunded once."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.flows.payment import STATUSES, Asked, Payment
from consumers.registry import named
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.reaction import Delivery
from schemas.commands import CapturePayment, RefundPayment
from schemas.decisions import PaymentResolved
from schemas.errors import ConflictingOrder, UnknownFlow
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Item,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from tests.support.consumers.order_life import OrderLife
from tests.support.consumers.records import NOW, order

CAPTURE = CapturePayment(7, 3_990, "EUR", "tok_ok")
REFUND = RefundPayment(7, 3_990, "EUR", "ch_1")
COLLABORATING = order(flow="collaboration", items=(Item("Lamp", 2, 1_995),), payment_method="tok_ok")
REJECTED = DispatchRejected(7, "the address is blank", NOW, "collaboration")
CAPTURED = json.dumps({"outcome": "captured", "reference": "ch_1"})
REFUNDED = json.dumps({"outcome": "refunded", "reference": "re_1"})
DECLINED = json.dumps({"outcome": "declined", "reason": "the card was declined"})


def life(*messages: Any) -> OrderLife:
    """An order that has heard these; what is text is the answer to its delivery."""
    lived = OrderLife(named("payments"))
    for message in messages:
        if isinstance(message, str):
            lived.answer(message)
        else:
            lived.hear(message)
    return lived


# -- asking and being answered -----------------------------------------------------------------------------


@pytest.mark.parametrize(("message", "flow"), [(CAPTURE, "process"), (COLLABORATING, "collaboration")])
def test_a_command_and_a_fact_of_a_collaborating_order_ask_the_gateway_for_the_total(
    message: Any, flow: str
) -> None:
    lived = life(message)
    body = json.dumps({"amount_cents": 3_990, "currency": "EUR", "method": "tok_ok"})
    assert [task.delivery for task in lived.under_way] == [Delivery("gateway", "capture", "", body)]
    assert (lived.told, lived.state.status) == ([], "capturing")
    lived.answer(CAPTURED)
    assert lived.told == [PaymentCaptured(7, 3_990, "EUR", "ch_1", NOW, flow)]
    assert lived.state.status == "captured"


def test_a_declined_card_is_a_failed_payment_with_the_gateways_reason() -> None:
    lived = life(CAPTURE, DECLINED)
    assert lived.told == [PaymentFailed(7, "the card was declined", NOW, "process")]
    assert lived.state.status == "failed"


@pytest.mark.parametrize("flow", ["direct", "process"])
def test_a_fact_of_another_flow_is_nobodys_payment(flow: str) -> None:
    lived = life(order(flow=flow, payment_method="tok_ok"), REJECTED._replace(flow=flow))
    assert (lived.state, lived.effects, lived.told) == (None, {}, [])


def test_a_flow_that_is_unknown_is_a_dead_letter_with_its_name() -> None:
    lived = life(order(flow="choreography"))
    assert [type(error) for error in lived.dead] == [UnknownFlow]
    assert "choreography" in str(lived.dead[0])


@pytest.mark.parametrize("method", [None, "tok_ok"])
def test_a_total_of_nothing_is_captured_without_the_gateway(method: str | None) -> None:
    lived = life(CapturePayment(7, 0, "EUR", method))
    assert (lived.told, lived.under_way) == ([PaymentCaptured(7, 0, "EUR", "free", NOW, "process")], [])
    lived.hear(RefundPayment(7, 0, "EUR", "free"))
    assert lived.told[1:] == [PaymentRefunded(7, 0, "EUR", "free", NOW, "process")]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (CapturePayment(7, 1, "EUR"), "no payment method"),
        (CapturePayment(7, 1, "EUR", " \t"), "no payment method"),
        (CapturePayment(7, -1, "EUR", "tok_ok"), "the amount is negative"),
    ],
)
def test_what_nobody_can_pay_fails_without_the_gateway(command: CapturePayment, reason: str) -> None:
    lived = life(command)
    assert (lived.told, lived.under_way) == ([PaymentFailed(7, reason, NOW, "process")], [])


@pytest.mark.parametrize(("late", "status"), [(5_000, "capturing"), (5_001, "failed")])
def test_no_money_is_taken_after_the_deadline_and_a_clock_skew(late: int, status: str) -> None:
    for message, expiry in (
        (CAPTURE, NOW - late),
        (COLLABORATING._replace(dispatch_before=NOW - late), None),
    ):
        lived = OrderLife(named("payments"))
        lived.hear(message, expires_at=expiry)
        assert lived.state.status == status
        assert bool(lived.told) == (status == "failed")


# -- the same order again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [(), (CAPTURED,)])
def test_a_second_command_is_a_duplicate_and_one_of_other_content_a_conflict(answers: Any) -> None:
    lived = life(CAPTURE, *answers)
    told, state = list(lived.told), lived.state
    lived.hear(CAPTURE)
    assert (lived.told, lived.state, len(lived.under_way)) == (told, state, 1 - len(answers))
    lived.hear(CAPTURE._replace(amount_cents=1))
    assert [type(error) for error in lived.dead] == [ConflictingOrder]
    assert (lived.told, lived.state) == (told, state)


def test_a_command_that_the_gateway_refused_as_malformed_may_come_mended() -> None:
    lived = life(CAPTURE._replace(method="no such thing"))
    [task] = lived.under_way
    lived.under_way.clear()
    del lived.effects[7, task.effect]  # a refused delivery is taken back, and its record a dead letter
    lived.hear(CAPTURE)
    lived.answer(CAPTURED)
    assert lived.told == [PaymentCaptured(7, 3_990, "EUR", "ch_1", NOW, "process")]


# -- nobody knows ------------------------------------------------------------------------------------------


def test_an_unknown_outcome_is_asked_for_again_under_the_same_key_in_growing_intervals() -> None:
    lived = life(CAPTURE)
    waits = []
    for _ in range(12):
        lived.answer(None)
        assert lived.told == []
        waits.append(lived.timers["capture"] - lived.now)
        lived.fire("capture")
        assert [task.effect for task in lived.under_way] == ["capture"]
    assert waits[:9] == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000]
    assert waits[9:] == [512_000, 1_024_000, 2_048_000]
    lived.answer(CAPTURED)
    assert lived.told == [PaymentCaptured(7, 3_990, "EUR", "ch_1", lived.now, "process")]
    assert lived.timers == {}


@pytest.mark.parametrize(("after", "status"), [(59_999, "unknown"), (60_000, "unresolved")])
def test_a_payment_that_is_unknown_for_too_long_is_unresolved(after: int, status: str) -> None:
    lived = life(CAPTURE)
    lived.now += after
    lived.answer(None)
    assert lived.state.status == status
    assert lived.effects[7, "capture"].outcome == "unresolved"


def test_the_gateway_is_asked_every_hour_at_last_and_every_five_minutes_before_it_is_overdue() -> None:
    asked = Asked(amount_cents=1, currency="EUR", source="x", since=NOW, sent=True, unanswered=40)
    for since, wait in ((NOW, 300_000), (0, 3_600_000)):
        lived = life(CapturePayment(7, 1, "EUR", "x"))
        lived.state = Payment(flow="process", capture=replace(asked, since=since))
        lived.answer(None)
        assert lived.timers["capture"] - lived.now == wait


def test_a_timer_of_a_payment_that_is_settled_or_unheard_of_does_nothing() -> None:
    for messages in ((), (CAPTURE, CAPTURED), (CAPTURE, DECLINED)):
        lived = life(*messages)
        told, state = list(lived.told), lived.state
        for name in ("capture", "refund", "other"):
            lived.fire(name)
        assert (lived.told, lived.state, lived.under_way) == (told, state, [])


# -- giving it back ----------------------------------------------------------------------------------------


def test_a_captured_payment_is_refunded_by_the_gateway() -> None:
    lived = life(CAPTURE, CAPTURED, REFUND)
    body = json.dumps({"amount_cents": 3_990, "currency": "EUR", "reference": "ch_1"})
    assert [task.delivery for task in lived.under_way] == [Delivery("gateway", "refund", "", body)]
    assert lived.state.status == "refund pending"
    lived.answer(REFUNDED)
    assert lived.told[1:] == [PaymentRefunded(7, 3_990, "EUR", "re_1", NOW, "process")]
    assert lived.state.status == "refunded"


def test_a_refund_that_the_gateway_declines_has_failed() -> None:
    lived = life(CAPTURE, CAPTURED, REFUND, DECLINED)
    assert lived.told[1:] == [RefundFailed(7, "the card was declined", NOW, "process")]
    assert lived.state.status == "refund failed"


def test_a_refund_whose_outcome_is_unknown_is_asked_for_again() -> None:
    lived = life(CAPTURE, CAPTURED, REFUND)
    lived.answer(None)
    assert lived.state.status == "refund unknown"
    lived.fire("refund")
    lived.answer(REFUNDED)
    assert [type(fact) for fact in lived.told] == [PaymentCaptured, PaymentRefunded]


@pytest.mark.parametrize(
    ("before", "refund", "reason"),
    [
        ((), REFUND, "nothing was captured: nobody asked for it"),
        ((CAPTURE, DECLINED), REFUND, "nothing was captured: the card was declined"),
        ((CAPTURE, CAPTURED), REFUND._replace(reference="ch_2"), "the order's capture is ch_1, not ch_2"),
        (
            (CAPTURE, CAPTURED),
            REFUND._replace(amount_cents=3_991),
            "3990 EUR (smallest units) were captured, not 3991 EUR",
        ),
        (
            (CAPTURE, CAPTURED),
            REFUND._replace(currency="USD"),
            "3990 EUR (smallest units) were captured, not 3990 USD",
        ),
    ],
)
def test_what_was_not_captured_is_not_refunded(before: Any, refund: RefundPayment, reason: str) -> None:
    lived = life(*before, refund)
    assert lived.told[-1] == RefundFailed(7, reason, NOW, "process")
    assert lived.under_way == []


def test_a_refund_waits_for_its_capture_and_comes_with_a_timer_behind_it() -> None:
    lived = life(CAPTURE, REFUND)
    assert [task.effect for task in lived.under_way] == ["capture"]
    lived.answer(CAPTURED)
    lived.settle(lambda _task: REFUNDED)
    assert [type(fact) for fact in lived.told] == [PaymentCaptured, PaymentRefunded]


def test_a_refund_that_waits_fails_with_its_capture() -> None:
    lived = life(CAPTURE, REFUND, DECLINED)
    assert lived.told == [
        PaymentFailed(7, "the card was declined", NOW, "process"),
        RefundFailed(7, "nothing was captured: the card was declined", NOW, "process"),
    ]
    assert lived.state.status == "failed"


def test_a_second_refund_is_a_duplicate_and_one_of_other_content_a_conflict() -> None:
    for before in ((CAPTURE,), (CAPTURE, CAPTURED), (CAPTURE, CAPTURED, REFUND, REFUNDED)):
        lived = life(*before)
        if REFUND not in before:
            lived.hear(REFUND)
        told, state, under_way = list(lived.told), lived.state, list(lived.under_way)
        lived.hear(REFUND)
        assert (lived.told, lived.state, lived.under_way) == (told, state, under_way)
        lived.hear(REFUND._replace(amount_cents=1))
        assert [type(error) for error in lived.dead] == [ConflictingOrder]


# -- nobody commands it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", [REJECTED, DispatchExpired(7, NOW, NOW, "collaboration")])
def test_the_money_of_a_collaborating_order_that_is_not_dispatched_goes_back(refused: Any) -> None:
    lived = life(COLLABORATING, CAPTURED, refused)
    lived.hear(refused)
    assert [task.effect for task in lived.under_way] == ["refund"]
    lived.answer(REFUNDED)
    assert lived.told[1:] == [PaymentRefunded(7, 3_990, "EUR", "re_1", NOW, "collaboration")]


def test_a_refused_dispatch_that_is_heard_before_the_capture_is_known_lets_the_money_go_back_later() -> None:
    lived = life(COLLABORATING, REJECTED, CAPTURED)
    lived.settle(lambda _task: REFUNDED)
    assert [type(fact) for fact in lived.told] == [PaymentCaptured, PaymentRefunded]


def test_a_refused_dispatch_that_is_heard_first_lets_no_money_be_taken() -> None:
    lived = life(REJECTED)
    assert (lived.state.status, lived.told) == ("not asked", [])
    lived.hear(COLLABORATING)
    reason = "the order is not dispatched: the address is blank"
    assert (lived.told, lived.under_way) == ([PaymentFailed(7, reason, NOW, "collaboration")], [])


def test_a_failed_payment_has_nothing_to_give_back_when_its_dispatch_is_refused() -> None:
    lived = life(COLLABORATING, DECLINED, REJECTED)
    assert ([type(fact) for fact in lived.told], lived.state.status) == ([PaymentFailed], "failed")


# -- an operator's word ------------------------------------------------------------------------------------

TOOK = PaymentResolved(7, "captured", "ch_1", "ada@desk", "asked the gateway")
TOOK_NOT = PaymentResolved(7, "failed", None, "ada@desk", "the gateway has lost it")
NOTHING = json.dumps({"outcome": "nothing"})


def unknown() -> OrderLife:
    lived = life(CAPTURE)
    lived.answer(None)
    return lived


@pytest.mark.parametrize(
    ("word", "fact"),
    [
        (TOOK, PaymentCaptured(7, 3_990, "EUR", "ch_1", NOW, "process")),
        (TOOK_NOT, PaymentFailed(7, "the gateway has lost it", NOW, "process")),
    ],
)
def test_an_operators_word_about_an_unknown_payment_is_its_outcome_once(
    word: PaymentResolved, fact: Any
) -> None:
    lived = unknown()
    item = lived.hear(word)
    lived.hear_again(item)
    lived.hear(word)
    assert lived.told == [fact]
    assert lived.state.capture.by == "ada@desk"
    assert [*lived.timers] == ["check"]


@pytest.mark.parametrize(
    ("word", "answer", "text"),
    [
        (TOOK, CAPTURED, None),
        (TOOK_NOT, DECLINED, None),
        (TOOK_NOT, NOTHING, None),
        (TOOK_NOT, CAPTURED, "ada@desk said failed; the gateway says captured ch_1"),
        (TOOK, DECLINED, "ada@desk said captured ch_1; the gateway says declined the card was declined"),
        (TOOK, NOTHING, "ada@desk said captured ch_1; the gateway says nothing"),
    ],
)
def test_the_gateway_is_asked_until_it_says_whether_the_operator_was_right_and_no_second_fact_comes(
    word: PaymentResolved, answer: str, text: str | None
) -> None:
    lived = unknown()
    lived.hear(word)
    told = list(lived.told)
    for _ in range(3):
        lived.fire("check")
        assert [task.delivery.recipient for task in lived.under_way] == ["check"]
        lived.answer(None)
    lived.fire("check")
    lived.answer(answer)
    assert (lived.told, lived.timers) == (told, {})
    assert lived.state.contradiction == text
    if text is not None:
        assert lived.state.status == "contradicted"
        lived.hear(word)
        assert lived.state.status == word.outcome, "who insists has seen it"


def test_an_operators_word_waits_for_the_answer_that_is_on_its_way() -> None:
    for answer, fact in (
        (CAPTURED, PaymentCaptured(7, 3_990, "EUR", "ch_1", NOW + 1_000, "process")),
        (None, PaymentFailed(7, "the gateway has lost it", NOW + 1_000, "process")),
    ):
        lived = unknown()
        lived.fire("capture")
        lived.hear(TOOK_NOT)
        assert (lived.told, lived.state.status) == ([], "unknown")
        lived.answer(answer)
        assert lived.told == [fact]
        assert (lived.state.capture.reason is None) == (answer == CAPTURED)


def test_an_operators_word_that_comes_too_late_is_in_the_history_and_changes_nothing() -> None:
    lived = life(CAPTURE, CAPTURED)
    told, state, version = list(lived.told), lived.state, lived.version
    lived.hear(TOOK_NOT)
    assert (lived.told, lived.state, lived.dead) == (told, state, [])
    assert lived.version == version + 1


def test_an_operators_word_about_a_payment_that_nobody_asked_for_is_a_dead_letter() -> None:
    assert [type(error) for error in life(TOOK).dead] == [ConflictingOrder]


# -- whatever the order of arrival -------------------------------------------------------------------------

MESSAGES = [
    COLLABORATING,
    REJECTED,
    ProductDispatched(7, "1 Streetford Road", NOW, "collaboration"),
    "timer capture",
    "timer refund",
    "answer",
    "lost",
    "again",
    TOOK,
    TOOK_NOT,
]


@given(
    st.lists(st.sampled_from(MESSAGES), max_size=14),
    st.sampled_from([CAPTURED, DECLINED]),
    st.sampled_from([REFUNDED, DECLINED]),
)
def test_whatever_comes_in_whatever_order_each_is_asked_and_answered_once(
    messages: list[Any], answer: str, refund_answer: str
) -> None:
    def gateway(task: DeliveryTask) -> str:
        asked.add((task.effect, task.delivery.text))
        return refund_answer if task.effect == "refund" else answer

    lived, asked = OrderLife(named("payments")), set[tuple[str, str]]()
    for message in messages:
        if message in ("answer", "lost"):
            if lived.under_way:
                lived.answer(None if message == "lost" else gateway(lived.under_way[0]))
        elif message == "again":
            for item in list(lived.records.values()):
                lived.hear_again(item)
        elif isinstance(message, str):
            lived.fire(message.removeprefix("timer "))
        else:
            lived.hear(message)
    lived.settle(gateway)
    assert lived.state is None or lived.state.status in STATUSES
    facts = [type(fact) for fact in lived.told]
    assert len(facts) == len(set(facts)), "each is said once"
    assert len(asked) == len({effect for effect, _ in asked}), "the gateway is asked one thing a key"
    assert {type(error) for error in lived.dead} <= {ConflictingOrder}
    if COLLABORATING in messages:
        assert len({PaymentCaptured, PaymentFailed} & {*facts}) == 1
    given_back = {PaymentRefunded, RefundFailed} & {*facts}
    assert bool(given_back) == (PaymentCaptured in facts and REJECTED in messages)
