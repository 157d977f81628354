"""What tracking promises: every fact once, and a status that no order of arrival changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers import tracking
from consumers.flows.order_view import STATUSES, Order
from consumers.runtime.order_states import from_json, to_json
from schemas.errors import Position
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Fact,
    Item,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from tests.support.consumers.records import NOW, context, order

HOME, FLOW = "1 Streetford Road", "process"
PLACED = order(customer="Ada", email="ada@example.com", items=(Item("Lamp", 2, 1_995),), flow=FLOW)
CAPTURED = PaymentCaptured(7, 3_990, "EUR", "cap_1", NOW, FLOW)
FAILED = PaymentFailed(7, "declined", NOW, FLOW)
REFUNDED = PaymentRefunded(7, 3_990, "EUR", "ref_1", NOW, FLOW)
NOT_REFUNDED = RefundFailed(7, "the gateway refuses", NOW, FLOW)
DISPATCHED = ProductDispatched(7, HOME, NOW, FLOW)
REJECTED = DispatchRejected(7, "the address is blank", NOW, FLOW)
EXPIRED = DispatchExpired(7, NOW, NOW, FLOW)


def tracked(messages: Any) -> Order:
    """What tracking knows after messages, each with the time and the offset of its record."""
    state = None
    for message, at in messages:
        given_context = context(
            state=state, recorded_at=NOW + at, position=Position(type(message).__name__, 0, at)
        )
        assert tracking.react(message, given_context) == []
        assert given_context.effects == []
        state = given_context.state
    assert isinstance(state, Order)
    return state


def in_turn(*messages: Fact) -> Order:
    return tracked((message, at) for at, message in enumerate(messages))


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([PLACED], "placed"),
        ([CAPTURED], "paid"),
        ([PLACED, FAILED], "payment failed"),
        ([PLACED, CAPTURED, DISPATCHED], "dispatched"),
        ([DISPATCHED], "dispatched"),
        ([PLACED, REJECTED], "rejected"),
        ([PLACED, EXPIRED], "expired"),
        ([PLACED, CAPTURED, REJECTED, REFUNDED], "refunded"),
        ([PLACED, CAPTURED, EXPIRED, NOT_REFUNDED], "refund failed"),
        ([PLACED, CAPTURED, EXPIRED, NOT_REFUNDED, REFUNDED], "refunded"),
        ([DISPATCHED, REJECTED], "contradictory"),
        ([CAPTURED, FAILED], "contradictory"),
        ([DISPATCHED, REFUNDED], "contradictory"),
    ],
)
def test_an_order_is_called_by_the_last_thing_that_became_of_it(messages: list[Fact], status: str) -> None:
    assert in_turn(*messages).status == status
    assert status in STATUSES


facts = st.sampled_from([PLACED, CAPTURED, FAILED, REFUNDED, NOT_REFUNDED, DISPATCHED, REJECTED, EXPIRED])


@given(st.lists(st.tuples(facts, st.integers(0, 9)), min_size=1, max_size=8), st.data())
def test_no_order_of_arrival_and_no_repetition_changes_what_is_known(
    messages: list[tuple[Fact, int]], data: st.DataObject
) -> None:
    known = tracked(messages)
    again = data.draw(st.permutations(messages + data.draw(st.lists(st.sampled_from(messages)))))
    assert tracked(again) == known
    assert tracked(again).status == known.status
    assert from_json(Order, to_json(known)) == known
    assert len(known.facts) == len({(type(message), at) for message, at in messages})


def test_what_was_known_at_a_time_is_what_had_been_recorded_by_then() -> None:
    known = in_turn(PLACED, CAPTURED, DISPATCHED)
    assert [known.until(NOW + at).status for at in (-1, 0, 1, 2)] == [
        *("unknown", "placed", "paid", "dispatched")
    ]


def test_a_fact_is_kept_as_it_was_recorded_without_who_the_customer_is() -> None:
    [fact] = in_turn(PLACED).facts
    assert (fact.type, fact.recorded_at, fact.offset) == ("OrderPlaced", NOW, 0)
    assert (fact.says["address"], fact.says["items"]) == (HOME, [["Lamp", 2, 1_995]])
    assert not {"order_id", "customer", "email", "phone", "payment_method"} & fact.says.keys()


def test_results_without_the_order_say_that_it_is_not_placed() -> None:
    assert not in_turn(CAPTURED, DISPATCHED).is_placed
    assert in_turn(DISPATCHED, PLACED).is_placed
    assert in_turn(DISPATCHED).flow == FLOW


def test_an_order_that_is_placed_again_in_another_mode_does_not_contradict_itself() -> None:
    again = PLACED._replace(placed_at=NOW + 1, mode_epoch=2, flow="direct", shadow_of=("dispatch_products",))
    assert in_turn(PLACED, again).status == "placed"


@pytest.mark.parametrize(
    ("messages", "line"),
    [
        (
            (PLACED, PLACED, PLACED._replace(address="2 Roadford Avenue", currency="USD")),
            "OrderPlaced more than once, with another address, another currency",
        ),
        (
            (CAPTURED, CAPTURED._replace(reference="cap_2")),
            "PaymentCaptured more than once, with another reference",
        ),
        ((DISPATCHED, FAILED), "ProductDispatched and PaymentFailed"),
    ],
)
def test_facts_that_cannot_all_be_true_are_named(messages: tuple[Fact, ...], line: str) -> None:
    known = in_turn(*messages)
    assert known.status == "contradictory"
    assert known.contradictions == (line,)
