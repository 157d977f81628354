"""`decide` where something fails: attempts, order per key, dead letters."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumers.registry import named
from consumers.runtime.contract import Outgoing
from consumers.runtime.decide import decide
from consumers.runtime.plan import Plan
from consumers.runtime.reaction import AnyReaction, BrokenReaction, Context, Effect
from consumers.runtime.records import Attempts, Decoded, FailedRecord, Item, KnownEffect, Marker
from consumers.runtime.retry_policy import RetryPolicy
from schemas.commands import DispatchProduct
from schemas.errors import (
    BrokerUnreachable,
    DeliveryDeferred,
    Position,
    ReactionFailed,
    RecordError,
    TruncatedBody,
    UnknownSchemaId,
)
from schemas.facts import ProductDispatched
from schemas.topics import ORDERS
from tests.support.consumers.records import NOW, context, fact, policy, record

RETRY = "warehouse.orders.retry"
WAREHOUSE = named("warehouse")


def breaking(*order_ids: int, error: Exception | None = None, **more: Any) -> AnyReaction:
    """The warehouse, breaking at some orders."""

    def react(message: Any, given_context: Context) -> Any:
        if message.order_id in order_ids:
            raise error or ZeroDivisionError("half of nothing")
        return WAREHOUSE.react(message, given_context)

    return replace(WAREHOUSE, react=react, **more)


def plan_of(*batch: Item, by: AnyReaction = WAREHOUSE, known: Any = None, attempts: Any = None) -> Plan:
    chosen = replace(policy(by), retry_policy=RetryPolicy(jitter=lambda: 1.0))
    return decide(batch, known or {}, {}, context(), chosen, attempts=attempts or {})


def failed(offset: int, order_id: int | None = 7, kind: type[RecordError] = TruncatedBody) -> FailedRecord:
    position = Position(ORDERS, 0, offset)
    return FailedRecord(record(position), order_id, kind("it broke", position))


def redriven(order_id: int, at: int = 0, address: str = "1 Streetford Road") -> Decoded:
    item = fact(order_id, address)
    position = Position(RETRY, 0, at)
    return item._replace(record=item.record._replace(position=position, source=ORDERS))


def marker(order_id: int, at: int = 0) -> Marker:
    return Marker(record(Position(RETRY, 0, at), value=None, source=ORDERS), order_id)


def waiting(plan: Plan) -> list[int]:
    return [item.record.position.offset for item in plan.waiting]


def dispatched(plan: Plan) -> list[int]:
    return [row.order_id for row in plan.effects]


# -- attempts ----------------------------------------------------------------------------------------------


def test_a_reaction_that_breaks_at_one_record_leaves_the_others_alone() -> None:
    plan = plan_of(fact(1, at=1), fact(7, at=2), fact(2, at=3), by=breaking(7))
    assert dispatched(plan) == [1, 2]
    [attempt] = plan.failed_attempts
    assert attempt.position == Position(ORDERS, 0, 2)
    assert attempt.attempts == Attempts(1, NOW + 1_000)
    assert "ZeroDivisionError: half of nothing" in attempt.reason
    assert (waiting(plan), plan.dead) == ([2], [])


def test_later_records_of_the_same_order_wait_with_it_and_keep_their_order() -> None:
    plan = plan_of(fact(7, at=1), fact(8, at=2), fact(7, at=3), fact(7, at=4), by=breaking(7))
    assert (waiting(plan), dispatched(plan)) == ([1, 3, 4], [8])
    assert len(plan.failed_attempts) == 1, "only the first of them was tried"


def test_what_is_not_due_is_not_tried() -> None:
    attempts = {Position(ORDERS, 0, 1): Attempts(2, NOW + 10)}
    plan = plan_of(fact(7, at=1), fact(7, at=2), fact(8, at=3), by=breaking(7), attempts=attempts)
    assert (waiting(plan), plan.failed_attempts, dispatched(plan)) == ([1, 2], [], [8])
    assert plan.blocked == {7: NOW + 10}


def test_the_last_attempt_is_a_dead_letter_with_their_number_and_what_waited_goes_on() -> None:
    attempts = {Position(ORDERS, 0, 1): Attempts(4, NOW - 1)}
    plan = plan_of(fact(7, at=1), fact(7, at=2), by=breaking(7), attempts=attempts)
    [dead] = plan.dead
    assert (dead.attempts, type(dead.error)) == (5, ReactionFailed)
    assert waiting(plan) == [2], "the next record of the order has attempts of its own"
    assert plan.failed_attempts[0].attempts.times == 1


def test_a_record_that_recovers_has_its_effect() -> None:
    plan = plan_of(fact(7, at=1), attempts={Position(ORDERS, 0, 1): Attempts(4, NOW)})
    assert (dispatched(plan), plan.dead, plan.waiting) == ([7], [], [])


def test_a_schema_that_may_be_registered_soon_is_waited_for_and_poison_is_not() -> None:
    plan = plan_of(failed(1, 7, UnknownSchemaId), fact(7, at=2), failed(3, 8), fact(8, at=4))
    assert waiting(plan) == [1, 2]
    assert [dead.record.position.offset for dead in plan.dead] == [3]
    assert dispatched(plan) == [8]


def test_an_error_of_a_record_keeps_its_kind() -> None:
    position = Position(ORDERS, 0, 1)
    plan = plan_of(fact(7, at=1), by=breaking(7, error=TruncatedBody("inside", position)))
    assert type(plan.dead[0].error) is TruncatedBody
    assert plan_of(fact(7, at=1), by=breaking(7, error=DeliveryDeferred("later", position))).failed_attempts


def test_an_outage_inside_a_reaction_is_no_records_fault() -> None:
    with pytest.raises(BrokerUnreachable):
        plan_of(fact(7), by=breaking(7, error=BrokerUnreachable("down")))


def test_a_result_that_cannot_be_written_is_this_records_failure_and_leaves_no_effect() -> None:
    def render(answer: Outgoing, item: Decoded) -> Any:
        raise OverflowError(item.order_id, answer)

    plan = decide([fact(7)], {}, {}, context(), policy(render=render))
    assert (plan.effects, plan.results, len(plan.failed_attempts)) == ([], [], 1)


@pytest.mark.parametrize(
    "react",
    [
        lambda message, _: [ProductDispatched(message.order_id, "x", NOW)],
        lambda _, given_context: [given_context.record(Effect("a", "b", None)), DispatchProduct(7, "x")][1:],
        lambda _, given_context: [given_context.record(Effect("a", "b", str(n))) for n in (1, 2)][2:],
    ],
)
def test_a_reaction_that_breaks_its_contract_stops_the_group_and_blames_no_record(
    react: Callable[..., Any],
) -> None:
    with pytest.raises(BrokenReaction):
        plan_of(fact(7), by=replace(WAREHOUSE, react=react))


def test_records_behind_a_delivery_wait_for_how_it_ends() -> None:
    items = [fact(7, at=1, email="a@b.example"), fact(8, at=2), fact(7, at=3, email="a@b.example")]
    plan = plan_of(*items, by=named("notification"))
    assert [task.record.position.offset for task in plan.deliveries] == [1]
    assert (waiting(plan), plan.duplicates) == ([3], 0)


# -- dead letters ------------------------------------------------------------------------------------------


def test_the_next_record_of_an_order_goes_on_behind_a_dead_letter() -> None:
    plan = plan_of(failed(1), fact(7, at=2))
    assert (dispatched(plan), len(plan.dead), plan.waiting) == ([7], 1, [])


def test_a_marker_is_passed_over_and_counted() -> None:
    plan = plan_of(marker(7), fact(7, at=2))
    assert (plan.discarded, dispatched(plan), plan.dead) == (1, [7], [])


# -- redriven ----------------------------------------------------------------------------------------------


def test_a_redriven_record_dispatches_once_whatever_the_mode_and_is_else_a_known_duplicate() -> None:
    assert dispatched(plan_of(redriven(7))) == [7]
    known = {(7, "dispatch"): KnownEffect("expired", "1 Streetford Road", Position(ORDERS, 0, 1))}
    plan = plan_of(redriven(7), known=known)
    assert (plan.effects, plan.results, plan.dead, plan.duplicates) == ([], [], [], 1)
