"""What fulfilment promises: what follows what, whatever comes first, twice, late or never."""

from collections import Counter
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers import fulfilment
from consumers.flows import messages
from consumers.flows.process import CONTRADICTED, Process
from consumers.registry import named
from consumers.runtime.order_states import from_json, to_json
from consumers.runtime.reaction import IssuedCommand
from schemas.commands import CapturePayment, DispatchProduct, RefundPayment, SendNotification
from schemas.control import Flow
from schemas.errors import ConflictingOrder, UnknownFlow
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Item,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from schemas.timers import TimerDue
from tests.support.consumers.records import NOW, context, order

PROCESS = Flow.PROCESS.value
PLACED = order(
    flow=PROCESS,
    email="ada@b.example",
    customer="Ada",
    items=(Item("Lamp", 2, 1_995),),
    payment_method="tok_ok",
    dispatch_before=NOW + 60_000,
)
CAPTURED = PaymentCaptured(7, 3_990, "EUR", "ch_1", NOW, PROCESS)
FAILED = PaymentFailed(7, "declined", NOW, PROCESS)
DISPATCHED = ProductDispatched(7, PLACED.address, NOW, PROCESS)
REJECTED = DispatchRejected(7, "the address is blank", NOW, PROCESS)
EXPIRED = DispatchExpired(7, NOW, NOW, PROCESS)
REFUNDED = PaymentRefunded(7, 3_990, "EUR", "re_1", NOW, PROCESS)
NOT_REFUNDED = RefundFailed(7, "account closed", NOW, PROCESS)
PAYMENT_DUE, DISPATCH_DUE, REFUND_DUE = (TimerDue(7, name, NOW) for name in ("payment", "dispatch", "refund"))

CAPTURE = IssuedCommand(CapturePayment(7, 3_990, "EUR", "tok_ok"))
DISPATCH = IssuedCommand(DispatchProduct(7, PLACED.address, 1, PROCESS), NOW + 60_000)
REFUND = IssuedCommand(RefundPayment(7, 3_990, "EUR", "ch_1"))


def mail(purpose: str) -> IssuedCommand:
    return IssuedCommand(SendNotification(7, "email", "ada@b.example", *messages.later(purpose, 7, "Ada")))


PLACED_MAIL = IssuedCommand(SendNotification(7, "email", "ada@b.example", *messages.placed(PLACED)))


class Outcome(NamedTuple):
    """What came of some messages.

    Attributes:
        state: what is remembered at last.
        issued: the commands of all of them.
        effects: names of the effects of all of them.
        timers: those that wait at last, by name.
    """

    state: Process | None
    issued: list[IssuedCommand]
    effects: list[str]
    timers: dict[str, int]


def outcome_of(*messages: Any, **more: Any) -> Outcome:
    """Give messages to the reaction, one after the other; its state goes through the store's text."""
    state, issued, effects, timers = None, [], [], dict[str, int | None]()
    for message in messages:
        given = context(state=state, **more)
        commands = fulfilment.react(message, given)
        assert len(commands) == len(given.effects), "each command has a guard of its own"
        if given.saved:
            state = from_json(Process, to_json(given.state))
        issued += commands
        effects += [effect.name for effect in given.effects]
        timers |= given.timers
    return Outcome(state, issued, effects, {name: at for name, at in timers.items() if at is not None})


@pytest.mark.parametrize(
    ("messages", "status", "issued", "waits_for"),
    [
        ([PLACED], "paying", [CAPTURE, PLACED_MAIL], "payment"),
        ([PLACED, FAILED], "failed", [mail(messages.PAYMENT_FAILED)], None),
        ([PLACED, CAPTURED], "dispatching", [DISPATCH], "dispatch"),
        ([PLACED, CAPTURED, DISPATCHED], "completed", [mail(messages.DISPATCHED)], None),
        ([PLACED, CAPTURED, REJECTED], "refunding", [REFUND], "refund"),
        ([PLACED, CAPTURED, EXPIRED], "refunding", [REFUND], "refund"),
        (
            [PLACED, CAPTURED, REJECTED, REFUNDED],
            "refunded",
            [mail(messages.REFUNDED)],
            None,
        ),
        (
            [PLACED, CAPTURED, EXPIRED, REFUNDED],
            "refunded",
            [mail(messages.REFUNDED)],
            None,
        ),
        ([PLACED, CAPTURED, REJECTED, NOT_REFUNDED], "refund failed", [], None),
        ([PLACED, CAPTURED, EXPIRED, NOT_REFUNDED], "refund failed", [], None),
        ([PLACED, PAYMENT_DUE], "payment unresolved", [], "payment"),
        ([PLACED, PAYMENT_DUE, CAPTURED], "dispatching", [DISPATCH], "dispatch"),
        ([PLACED, PAYMENT_DUE, FAILED], "failed", [mail(messages.PAYMENT_FAILED)], None),
        ([PLACED, CAPTURED, DISPATCH_DUE], "dispatch overdue", [], "dispatch"),
        ([PLACED, CAPTURED, DISPATCH_DUE, DISPATCHED], "completed", [mail(messages.DISPATCHED)], None),
        ([PLACED, CAPTURED, REJECTED, REFUND_DUE], "refund overdue", [], "refund"),
        ([PLACED, CAPTURED, FAILED], "contradicted", [], "dispatch"),
        ([PLACED, FAILED, CAPTURED], "contradicted", [], None),
        ([PLACED, FAILED, DISPATCHED], "contradicted", [], None),
        ([PLACED, CAPTURED, DISPATCHED, REFUNDED], "contradicted", [], None),
    ],
    ids=lambda value: "+".join(type(each).__name__ for each in value) if isinstance(value, list) else None,
)
def test_a_step_leads_to_the_next(
    messages: list[Any], status: str, issued: list[IssuedCommand], waits_for: str | None
) -> None:
    before, after = outcome_of(*messages[:-1]), outcome_of(*messages)
    assert after.state is not None
    assert after.state.status == status
    assert Counter(after.issued[len(before.issued) :]) == Counter(issued)
    assert [*after.timers] == ([waits_for] if waits_for else [])


def test_each_step_has_its_time() -> None:
    times = {"payment_timeout_ms": 300, "dispatch_timeout_ms": 900}
    assert outcome_of(PLACED, **times).timers == {"payment": NOW + 300}
    assert outcome_of(PLACED, CAPTURED, **times).timers == {"dispatch": NOW + 900}
    assert outcome_of(PLACED, CAPTURED, REJECTED, **times).timers == {"refund": NOW + 300}


def test_whatever_is_overdue_failed_or_impossible_is_an_alarm() -> None:
    stages = fulfilment.STAGES.values()
    expected = {stage.overdue for stage in stages if stage.overdue} | {"refund failed", CONTRADICTED}
    assert {status for alarm in named("fulfilment").alarms for status in alarm.statuses} == expected


def test_an_order_that_names_nobody_owes_no_message() -> None:
    quiet = PLACED._replace(email=None, phone="")
    assert outcome_of(quiet, CAPTURED, DISPATCHED).effects == ["capture", "dispatch"]
    both = outcome_of(PLACED._replace(phone="+49"))
    assert sorted(both.effects) == ["capture", "notify:email:placed", "notify:text:placed"]


@pytest.mark.parametrize("flow", [Flow.DIRECT, Flow.COLLABORATION])
def test_orders_in_other_flows_leave_nothing_behind(flow: Flow) -> None:
    messages: list[Any] = [PLACED, CAPTURED, DISPATCHED, FAILED, REJECTED, EXPIRED, REFUNDED, NOT_REFUNDED]
    assert outcome_of(*(message._replace(flow=flow.value) for message in messages)) == Outcome(
        None, [], [], {}
    )


def test_a_timer_without_an_order_leaves_nothing_behind() -> None:
    assert outcome_of(PAYMENT_DUE) == Outcome(None, [], [], {})


def test_a_flow_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(UnknownFlow, match="order 7 is in flow 'barter'"):
        outcome_of(PLACED._replace(flow="barter"))


def test_an_order_told_again_with_other_content_is_a_conflict() -> None:
    again = PLACED._replace(placed_at=NOW + 5, dispatch_before=None, mode_epoch=9)
    assert outcome_of(PLACED, again) == outcome_of(PLACED), "the same order, told later"
    with pytest.raises(ConflictingOrder, match="with other content"):
        outcome_of(PLACED, PLACED._replace(address="2 Roadford Avenue"))


def test_results_that_come_before_their_order_are_kept_for_it() -> None:
    early = outcome_of(DISPATCHED, CAPTURED)
    assert early.state is not None
    assert (early.state.status, early.issued, early.timers) == ("not placed", [], {})
    assert outcome_of(DISPATCHED, CAPTURED, PLACED).state == outcome_of(PLACED, CAPTURED, DISPATCHED).state


class Ending(NamedTuple):
    """What must have come of an order, by the first outcome of each step."""

    status: str
    owed: set[str]
    waits_for: str | None


def ending(messages: list[Any]) -> Ending:
    """The fold, written out: no table, no state, one rule after the other."""
    kinds = [type(message) for message in messages]
    if OrderPlaced not in kinds:
        return Ending("not placed", set(), None)
    firsts = {step: first(kinds, *both) for step, both in STEPS.items()}
    paid, sent, refunded = firsts["payment"], firsts["dispatch"], firsts["refund"]
    owed, status, impossible = {"capture", "notify:email:placed"}, "paying", False
    waits_for: str | None = "payment"
    if paid is PaymentFailed:
        owed |= {"notify:email:payment-failed"}
        status, waits_for, impossible = "failed", None, sent is not None
    elif paid and sent is None:
        owed |= {"dispatch"}
        status, waits_for = "dispatching", "dispatch"
    elif paid and sent is ProductDispatched:
        owed |= {"dispatch", "notify:email:dispatched"}
        status, waits_for, impossible = "completed", None, refunded is not None
    elif paid:
        owed |= {"dispatch", "refund"}
        status, waits_for = "refunding", "refund"
        if refunded is RefundFailed:
            status, waits_for = "refund failed", None
        elif refunded:
            owed |= {"notify:email:refunded"}
            status, waits_for = "refunded", None
    twice = any(len({*both} & {*kinds}) > 1 for both in STEPS.values())
    return Ending("contradicted" if impossible or twice else status, owed, waits_for)


STEPS: dict[str, tuple[type, ...]] = {
    "payment": (PaymentCaptured, PaymentFailed),
    "dispatch": (ProductDispatched, DispatchRejected, DispatchExpired),
    "refund": (PaymentRefunded, RefundFailed),
}
OVERDUE = {"payment": "payment unresolved", "dispatch": "dispatch overdue", "refund": "refund overdue"}
RECORDS = [PLACED, CAPTURED, FAILED, DISPATCHED, REJECTED, EXPIRED, REFUNDED, NOT_REFUNDED]
TIMERS = [PAYMENT_DUE, DISPATCH_DUE, REFUND_DUE]
likely = [PLACED, CAPTURED, REJECTED, DISPATCHED, REFUNDED]


def first(kinds: list[type], *wanted: type) -> type | None:
    return next((kind for kind in kinds if kind in wanted), None)


@given(st.lists(st.sampled_from([*likely, *likely, *RECORDS, *TIMERS]), max_size=14))
@settings(max_examples=500, deadline=None)
def test_whatever_comes_in_whatever_order_the_state_is_the_fold_and_each_command_is_issued_once(
    messages: list[Any],
) -> None:
    wanted, late = ending([]), ""
    for end in range(len(messages) + 1):
        so_far = messages[:end]
        wanted = ending(so_far)
        if so_far and isinstance(so_far[-1], TimerDue) and so_far[-1].name == wanted.waits_for:
            late = so_far[-1].name
    outcome = outcome_of(*messages)
    is_overdue = late and late == wanted.waits_for and wanted.status != "contradicted"
    status = OVERDUE[late] if is_overdue else wanted.status
    assert (outcome.state or Process()).status == status
    assert Counter(outcome.effects) == dict.fromkeys(wanted.owed, 1)
    assert [*outcome.timers] == ([wanted.waits_for] if wanted.waits_for else [])
