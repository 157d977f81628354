"""What a batch amounts to where the reaction has a state: applied once, answered, and taken up again."""

from typing import Any, NamedTuple

import pytest

from consumers.runtime.decide_states import decide_with_states
from consumers.runtime.order_states import (
    Application,
    KnownStates,
    StateChange,
    StoredState,
    TimerChange,
    delivery_to_json,
    from_json,
    to_json,
)
from consumers.runtime.plan import Plan
from consumers.runtime.reaction import (
    AnyReaction,
    BrokenReaction,
    Context,
    Delivery,
    DeliveryAnswer,
    Effect,
    IssuedCommand,
    ProcessManager,
    Reaction,
)
from consumers.runtime.records import Decoded, KnownEffect
from schemas.commands import CapturePayment
from schemas.errors import ConflictingOrder, Position
from schemas.facts import Fact, OrderPlaced, PaymentCaptured, ProductDispatched
from schemas.topics import CAPTURE_PAYMENTS, ORDERS, PAYMENTS
from tests.support.consumers.records import NOW, context, fact, policy


class Payment(NamedTuple):
    """What the made-up reaction remembers."""

    status: str
    seen: int = 0


CHARGE = Delivery("gateway", "capture", "", "100 EUR")


def charge(message: Any, given: Context) -> list[Fact]:
    """Charge an order once; its answer says whether it came about; other messages are counted."""
    before = given.state or Payment("new")
    if isinstance(message, DeliveryAnswer):
        outcome = message.answer or "unresolved"
        given.save(Payment(outcome, before.seen))
        given.record(Effect("charge", outcome, None))
        if message.answer is None:
            given.set_timer("inquiry", NOW + 5)
            return []
        given.cancel_timer("inquiry")
        return [PaymentCaptured(message.order_id, 100, "EUR", "ref", given.now, "process")]
    given.save(Payment(before.status, before.seen + 1))
    if before.status in ("new", "unresolved"):
        given.record(Effect("charge", "intended", "100 EUR", delivery=CHARGE))
    return []


def issue(message: Any, given: Context) -> list[Fact | IssuedCommand]:
    """Ask for a payment once."""
    given.save(Payment("paying"))
    given.record(Effect("payment", "issued", None))
    return [IssuedCommand(CapturePayment(message.order_id, 100, "EUR"), expires_at=NOW + 1)]


PAYMENTS_LINE = Reaction(
    name="payments", react=charge, reads=(ORDERS,), writes=(PAYMENTS,), start="beginning", state=Payment
)
MANAGER = ProcessManager(
    name="fulfilment",
    react=issue,
    reads=(ORDERS,),
    issues=(CAPTURE_PAYMENTS,),
    start="beginning",
    state=Payment,
)


def plan_of(*batch: Decoded, by: AnyReaction = PAYMENTS_LINE, **more: Any) -> Plan:
    known: dict[str, Any] = {"answers": (), "effects": {}, "known": KnownStates(), "results_upto": {}, **more}
    return decide_with_states(batch, context=context(), rules=policy(by), attempts={}, **known)


def answer_to(item: Decoded, text: str | None) -> Decoded:
    return item._replace(message=DeliveryAnswer(item.order_id, "charge", text))


def intended(item: Decoded, outcome: str = "intended") -> dict[tuple[int, str], KnownEffect]:
    effect = KnownEffect(outcome, "100 EUR", item.record.position, delivery_to_json(CHARGE))
    return {(item.order_id, "charge"): effect}


def state_of(item: Decoded, state: Payment, version: int = 1) -> KnownStates:
    applied = frozenset({Application(item.record.position, type(item.message).__name__)})
    return KnownStates(states={item.order_id: StoredState(version, state)}, applied=applied)


def test_a_message_takes_the_next_number_of_its_orders_history() -> None:
    first, second, other = fact(7), fact(7, at=1), fact(8, at=2)
    known = KnownStates(states={7: StoredState(4, Payment("captured", 2))})
    plan = plan_of(first, second, other, known=known)
    assert [(change.order_id, change.version, change.status) for change in plan.states] == [
        (7, 5, "captured"),
        (7, 6, "captured"),
        (8, 1, "new"),
    ]
    assert plan.states[1] == StateChange(
        7,
        6,
        "captured",
        to_json(Payment("captured", 4)),
        "OrderPlaced",
        second.envelope.message_id,
        second.record.position,
        NOW,
    )
    assert from_json(Payment, plan.states[1].state) == Payment("captured", 4)


def test_the_store_has_what_is_to_be_delivered_until_it_is() -> None:
    item = fact(7)
    plan = plan_of(item)
    [row] = plan.effects
    assert (row.outcome, row.detail) == ("intended", delivery_to_json(CHARGE))
    [task] = plan.deliveries
    assert (task.order_id, task.effect, task.record, task.delivery) == (7, "charge", item.record, CHARGE)


def test_a_message_that_has_been_applied_changes_nothing_and_is_delivered_on() -> None:
    item = fact(7)
    plan = plan_of(item, effects=intended(item), known=state_of(item, Payment("new", 1)))
    assert (plan.states, plan.effects, plan.changed) == ([], [], [])
    assert [task.delivery for task in plan.deliveries] == [CHARGE]
    assert plan.resends == [item.record.position], "what Kafka does not have is sent again"


def test_what_kafka_has_of_an_applied_message_is_not_sent_again() -> None:
    item = fact(7)
    known = state_of(item, Payment("captured", 1))
    upto = {item.record.position.topic_partition: item.record.position.offset + 1}
    plan = plan_of(item, effects=intended(item, "captured"), known=known, results_upto=upto)
    assert (plan.resends, plan.deliveries, plan.states) == ([], [], [])


def test_the_answer_to_a_delivery_ends_the_intention_and_brings_the_result() -> None:
    item = fact(7)
    plan = plan_of(
        answers=[answer_to(item, "captured")], effects=intended(item), known=state_of(item, Payment("new", 1))
    )
    [row] = plan.changed
    assert (row.outcome, row.source_offset) == ("captured", item.record.position.offset)
    [(position, record)] = plan.results
    assert position == item.record.position
    assert record.value == repr(PaymentCaptured(7, 100, "EUR", "ref", NOW, "process")).encode()
    assert [(change.version, change.message, change.status) for change in plan.states] == [
        (2, "DeliveryAnswer", "captured")
    ]
    assert plan.timers == [
        TimerChange(7, "inquiry", None, item.envelope.correlation_id, item.envelope.message_id)
    ]


def test_an_answer_is_applied_once() -> None:
    item = answer_to(fact(7), "captured")
    plan = plan_of(answers=[item], effects=intended(item), known=state_of(item, Payment("captured", 1)))
    assert plan == Plan()


def test_a_second_answer_finds_the_effect_that_another_record_ended() -> None:
    item = fact(7)
    ended = {(7, "charge"): KnownEffect("captured", "100 EUR", Position(ORDERS, 1, 99))}
    known = state_of(item, Payment("captured", 1))
    plan = plan_of(answers=[answer_to(item, "captured")], effects=ended, known=known)
    assert (plan.changed, plan.effects) == ([], []), "an effect has one end"


def test_an_unknown_outcome_sets_a_timer_and_a_later_record_takes_the_effect_up_again() -> None:
    item, timer = fact(7), fact(7, at=5)
    known = state_of(item, Payment("new", 1))
    asked = plan_of(answers=[answer_to(item, None)], effects=intended(item), known=known)
    assert [row.outcome for row in asked.changed] == ["unresolved"]
    assert [(change.name, change.due_at) for change in asked.timers] == [("inquiry", NOW + 5)]
    assert asked.results == []
    again = plan_of(
        timer,
        effects=intended(item, "unresolved"),
        known=KnownStates(states={7: StoredState(2, Payment("unresolved", 1))}),
    )
    assert [(row.outcome, row.source_offset) for row in again.changed] == [("intended", 5)]
    assert [task.delivery for task in again.deliveries] == [CHARGE]


def test_an_answer_and_later_messages_of_its_order_fit_into_one_batch() -> None:
    item, later = fact(7), fact(7, at=1)
    plan = plan_of(
        later,
        answers=[answer_to(item, "captured")],
        effects=intended(item),
        known=state_of(item, Payment("new", 1)),
    )
    assert [(change.version, change.status) for change in plan.states] == [(2, "captured"), (3, "captured")]
    assert plan.deliveries == []


def test_a_conflict_leaves_the_state_alone() -> None:
    item = fact(7)
    other = {(7, "charge"): KnownEffect("captured", "90 EUR", Position(ORDERS, 1, 99))}
    plan = plan_of(item, effects=other)
    assert [type(dead.error) for dead in plan.dead] == [ConflictingOrder]
    assert (plan.states, plan.timers) == ([], [])


def test_a_process_manager_issues_commands_with_an_effect() -> None:
    plan = plan_of(fact(7), by=MANAGER)
    assert [row.effect for row in plan.effects] == ["payment"]
    command = IssuedCommand(CapturePayment(7, 100, "EUR"), NOW + 1)
    assert [record.value for _, record in plan.results] == [repr(command).encode()]


def _commanding(message: OrderPlaced, given: Context) -> Any:
    given.record(Effect("payment", "issued", None))
    return [IssuedCommand(CapturePayment(message.order_id, 100, "EUR"))]


def _waiting(_message: OrderPlaced, given: Context) -> list[Fact]:
    given.set_timer("never", 1)
    return []


def _hasty(message: OrderPlaced, given: Context) -> list[Fact]:
    given.save(Payment("new"))
    given.record(Effect("charge", "intended", None, delivery=CHARGE))
    return [ProductDispatched(message.order_id, "1 Road", 1)]


@pytest.mark.parametrize(
    ("react", "why"),
    [
        (_commanding, "a reaction returns facts only"),
        (_waiting, "sets a timer without saving a state"),
        (_hasty, "let it come with the answer"),
    ],
)
def test_a_reaction_that_breaks_its_contract_stops_its_group(react: Any, why: str) -> None:
    line = Reaction(name="broken", react=react, reads=(ORDERS,), start="beginning", state=Payment)
    with pytest.raises(BrokenReaction, match=why):
        plan_of(fact(7), by=line)


def test_an_answer_that_cannot_be_handled_stops_the_group_and_is_not_lost() -> None:
    def react(message: Any, given: Context) -> list[Fact]:
        if isinstance(message, DeliveryAnswer):
            raise KeyError(message.answer)
        return charge(message, given)

    line = Reaction(name="broken", react=react, reads=(ORDERS,), start="beginning", state=Payment)
    item = fact(7)
    with pytest.raises(BrokenReaction, match="cannot handle the answer"):
        plan_of(
            answers=[answer_to(item, "captured")],
            by=line,
            effects=intended(item),
            known=state_of(item, Payment("new", 1)),
        )
