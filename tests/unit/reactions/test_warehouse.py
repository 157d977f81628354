"""What the warehouse promises: each order is dispatched, refused or expired, by either path."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers import warehouse
from consumers.runtime.reaction import Context, Effect
from schemas.commands import MAX_ADDRESS, DispatchProduct
from schemas.envelope import Envelope
from schemas.errors import ConflictingOrder, UnknownFlow
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Fact,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    ProductDispatched,
)
from tests.support.consumers.records import DAY, NOW, context, order

HOME = "1 Streetford Road"
SKEW = 5_000


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


def test_a_deadline_is_judged_by_the_brokers_clock_where_ours_is_known_to_differ() -> None:
    hour = 3_600_000
    late, _ = told(order(dispatch_before=NOW), clock_offset_ms=hour)
    assert isinstance(late[0], DispatchExpired)
    in_time, _ = told(order(dispatch_before=NOW - hour), clock_offset_ms=-2 * hour)
    assert isinstance(in_time[0], ProductDispatched)


# -- who coordinates ---------------------------------------------------------------------------------------


def heard(*messages: Any) -> tuple[list[Fact], list[Effect], Any]:
    """What the warehouse does about messages of one order, and what it remembers in the end."""
    facts, effects, state = list[Fact](), list[Effect](), None
    for message in messages:
        given: Context = context(state=state)
        facts += warehouse.react(message, given)
        effects += given.effects
        state = given.state
    return facts, effects, state


PLACED = order(flow="collaboration")
PAID = PaymentCaptured(7, 100, "EUR", "cap_1", NOW, "collaboration")


def test_in_a_process_the_warehouse_waits_for_its_command_and_says_the_flow() -> None:
    assert heard(order(flow="process"), PAID._replace(flow="process")) == ([], [], None)
    facts, _, state = heard(DispatchProduct(7, HOME, 1, "process"))
    assert facts == [ProductDispatched(7, HOME, NOW, "process")]
    assert state is None


@pytest.mark.parametrize(
    "messages", [(PLACED, PAID), (PAID, PLACED), (PLACED, PLACED, PAID), (PAID, PAID, PLACED)]
)
def test_in_a_collaboration_an_order_is_dispatched_once_it_is_placed_and_paid(messages: Any) -> None:
    facts, effects, state = heard(*messages)
    assert facts == [ProductDispatched(7, HOME, NOW, "collaboration")]
    assert effects == [Effect("dispatch", "dispatched", input=HOME)]
    assert state.status == "ready"


@pytest.mark.parametrize(
    ("message", "status"), [(PLACED, "waiting for payment"), (PAID, "waiting for order")]
)
def test_one_half_alone_dispatches_nothing(message: Any, status: str) -> None:
    facts, effects, state = heard(message, PaymentFailed(7, "declined", NOW, "collaboration"))
    assert (facts, effects, state.status) == ([], [], status)


def test_a_deadline_that_passes_while_the_payment_is_awaited_lets_the_order_expire() -> None:
    facts, _, _ = heard(order(flow="collaboration", dispatch_before=NOW - SKEW - 1), PAID)
    assert facts == [DispatchExpired(7, NOW - SKEW - 1, NOW, "collaboration")]


def test_an_order_that_waits_and_is_placed_again_elsewhere_is_a_conflict() -> None:
    with pytest.raises(ConflictingOrder, match="another address"):
        heard(PLACED, PLACED._replace(address="2 Roadford Avenue"))


def test_nobody_acts_in_a_flow_that_nobody_knows() -> None:
    with pytest.raises(UnknownFlow, match="in flow 'tomorrow'; this release knows direct"):
        heard(order(flow="tomorrow"))
