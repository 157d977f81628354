"""`decide` where something fails: attempts, order per key, dead letters, and what is parked behind them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumers.registry import named
from consumers.runtime.decide import decide
from consumers.runtime.failures.ordering import OrderState
from consumers.runtime.reaction import BrokenReaction, Context, Delivery, Effect, Reaction
from consumers.runtime.records import (
    Attempts,
    ConsumerRecord,
    Decoded,
    FailedRecord,
    Item,
    KnownEffect,
    Marker,
    Parked,
    Plan,
)
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
from schemas.facts import Fact, ProductDispatched
from schemas.topics import ORDERS
from tests.support.consumers.records import NOW, command, context, fact, header, policy, record

RETRY = "warehouse.orders.retry"
WAREHOUSE = named("warehouse")


def breaking(*order_ids: int, error: Exception | None = None, **more: Any) -> Reaction:
    """The warehouse, breaking at some orders."""

    def react(message: Any, given: Context) -> Any:
        if message.order_id in order_ids:
            raise error or ZeroDivisionError("half of nothing")
        return WAREHOUSE.react(message, given)

    return replace(WAREHOUSE, react=react, **more)


def plan_of(*batch: Item, by: Reaction = WAREHOUSE, known: Any = None, **standing: Any) -> Plan:
    chosen = replace(policy(by), patience=RetryPolicy(chance=lambda: 1.0))
    return decide(batch, known or {}, {}, context(), chosen, standing=OrderState(**standing))


def failed(offset: int, order_id: int | None = 7, kind: type[RecordError] = TruncatedBody) -> FailedRecord:
    where = Position(ORDERS, 0, offset)
    return FailedRecord(record(where), order_id, kind("it broke", where))


def redriven(order_id: int, at: int = 0, address: str = "1 Streetford Road") -> Decoded:
    item = fact(order_id, address)
    where = Position(RETRY, 0, at)
    return item._replace(record=item.record._replace(position=where, source=ORDERS))


def marker(order_id: int, at: int = 0) -> Marker:
    return Marker(record(Position(RETRY, 0, at), value=None, source=ORDERS), order_id)


def parked(item: Item) -> Parked:
    return Parked(item.record, item)


def waiting(plan: Plan) -> list[int]:
    return [item.record.position.offset for item in plan.waiting]


def dispatched(plan: Plan) -> list[int]:
    return [row.order_id for row in plan.effects]


# -- attempts ----------------------------------------------------------------------------------------------


def test_a_reaction_that_breaks_at_one_record_leaves_the_others_alone() -> None:
    plan = plan_of(fact(1, at=1), fact(7, at=2), fact(2, at=3), by=breaking(7))
    assert dispatched(plan) == [1, 2]
    [setback] = plan.setbacks
    assert setback.position == Position(ORDERS, 0, 2)
    assert setback.tried == Attempts(1, NOW + 1_000)
    assert "ZeroDivisionError: half of nothing" in setback.why
    assert (waiting(plan), plan.dead) == ([2], [])


def test_later_records_of_the_same_order_wait_with_it_and_keep_their_order() -> None:
    plan = plan_of(fact(7, at=1), fact(8, at=2), fact(7, at=3), fact(7, at=4), by=breaking(7))
    assert (waiting(plan), dispatched(plan)) == ([1, 3, 4], [8])
    assert len(plan.setbacks) == 1, "only the first of them was tried"


def test_what_is_not_due_is_not_tried() -> None:
    tries = {Position(ORDERS, 0, 1): Attempts(2, NOW + 10)}
    plan = plan_of(fact(7, at=1), fact(7, at=2), fact(8, at=3), by=breaking(7), tries=tries)
    assert (waiting(plan), plan.setbacks, dispatched(plan)) == ([1, 2], [], [8])
    assert plan.blocked == {7: NOW + 10}


def test_the_last_attempt_is_a_dead_letter_with_their_number_and_what_waited_goes_on() -> None:
    tries = {Position(ORDERS, 0, 1): Attempts(4, NOW - 1)}
    plan = plan_of(fact(7, at=1), fact(7, at=2), by=breaking(7), tries=tries)
    [dead] = plan.dead
    assert (dead.attempts, type(dead.error)) == (5, ReactionFailed)
    assert waiting(plan) == [2], "the next record of the order has attempts of its own"
    assert plan.setbacks[0].tried.times == 1


def test_a_record_that_recovers_has_its_effect() -> None:
    plan = plan_of(fact(7, at=1), tries={Position(ORDERS, 0, 1): Attempts(4, NOW)})
    assert (dispatched(plan), plan.dead, plan.waiting) == ([7], [], [])


def test_a_schema_that_may_be_registered_soon_is_waited_for_and_poison_is_not() -> None:
    plan = plan_of(failed(1, 7, UnknownSchemaId), fact(7, at=2), failed(3, 8), fact(8, at=4))
    assert waiting(plan) == [1, 2]
    assert [dead.record.position.offset for dead in plan.dead] == [3]
    assert dispatched(plan) == [8]


def test_an_error_of_a_record_keeps_its_kind() -> None:
    where = Position(ORDERS, 0, 1)
    plan = plan_of(fact(7, at=1), by=breaking(7, error=TruncatedBody("inside", where)))
    assert type(plan.dead[0].error) is TruncatedBody
    assert plan_of(fact(7, at=1), by=breaking(7, error=DeliveryDeferred("later", where))).setbacks


def test_an_outage_inside_a_reaction_is_no_records_fault() -> None:
    with pytest.raises(BrokerUnreachable):
        plan_of(fact(7), by=breaking(7, error=BrokerUnreachable("down")))


def test_a_result_that_cannot_be_written_is_this_records_failure_and_leaves_no_effect() -> None:
    def render(answer: Fact, item: Decoded) -> Any:
        raise OverflowError(item.order_id, answer)

    plan = decide([fact(7)], {}, {}, context(), policy(render=render))
    assert (plan.effects, plan.results, len(plan.setbacks)) == ([], [], 1)


@pytest.mark.parametrize(
    "react",
    [
        lambda message, _: [ProductDispatched(message.order_id, "x", NOW)],
        lambda _, given: [given.record(Effect("a", "b", None)), DispatchProduct(7, "x")][1:],
        lambda _, given: [given.record(Effect("a", "b", str(n))) for n in (1, 2)][2:],
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
    assert [errand.record.position.offset for errand in plan.errands] == [1]
    assert (waiting(plan), plan.duplicates) == ([3], 0)


# -- parking -----------------------------------------------------------------------------------------------

PARKS = replace(WAREHOUSE, parks=True)
HELD = {7: Position(ORDERS, 0, 1)}


def test_who_does_not_park_goes_on_behind_a_dead_letter() -> None:
    plan = plan_of(failed(1), fact(7, at=2))
    assert (dispatched(plan), plan.parked, plan.held) == ([7], [], {})


def test_later_records_of_an_order_are_parked_behind_its_dead_letter() -> None:
    plan = plan_of(fact(8, at=0), failed(1), fact(7, at=2), failed(3), fact(8, at=4), by=PARKS)
    assert plan.held == HELD
    assert [(order, where.position.offset) for order, where in plan.parked] == [(7, 2), (7, 3)]
    assert (dispatched(plan), len(plan.dead), plan.waiting) == ([8], 1, [])


def test_what_has_no_readable_key_holds_nobody() -> None:
    plan = plan_of(failed(1, None), fact(7, at=2), by=PARKS)
    assert (plan.held, dispatched(plan)) == ({}, [7])


def test_an_order_that_is_held_stays_so_in_later_batches() -> None:
    plan = plan_of(fact(7, at=5), by=PARKS, held=HELD)
    assert ([order for order, _ in plan.parked], plan.effects) == ([7], [])


def test_a_redriven_record_releases_what_is_parked_in_its_name_and_in_order() -> None:
    behind = [parked(fact(7, at=2)), parked(fact(7, at=3))]
    plan = plan_of(redriven(7, at=9), by=PARKS, held=HELD, parked={7: behind})
    [row] = plan.effects
    assert (row.source_topic, row.source_offset) == (RETRY, 9)
    assert plan.unparked == [Position(ORDERS, 0, 2), Position(ORDERS, 0, 3)]
    assert plan.freed == [7]


def test_a_discard_marker_releases_too_and_has_no_effect_of_its_own() -> None:
    plan = plan_of(marker(7, at=9), by=PARKS, held=HELD, parked={7: [parked(fact(7, at=2))]})
    assert [(row.source_topic, row.source_offset) for row in plan.effects] == [(RETRY, 9)]
    assert [where for where, _ in plan.results] == [Position(RETRY, 0, 9)]
    assert (plan.discarded, plan.freed, plan.unparked) == (1, [7], [Position(ORDERS, 0, 2)])


def test_a_marker_is_passed_over_and_counted_where_nothing_is_parked() -> None:
    for by in (WAREHOUSE, PARKS):
        plan = plan_of(marker(7), fact(7, at=2), by=by)
        assert (plan.discarded, dispatched(plan), plan.dead, plan.freed) == (1, [7], [], [])


def test_a_redriven_record_that_dies_again_releases_nobody() -> None:
    again = failed(9)._replace(record=record(Position(RETRY, 0, 9), source=ORDERS))
    plan = plan_of(again, fact(7, at=5), by=PARKS, held=HELD, parked={7: [parked(fact(7, at=2))]})
    assert (len(plan.dead), plan.effects, plan.freed, plan.held) == (1, [], [], {})
    assert [where.position.offset for _, where in plan.parked] == [5]


def test_a_parked_record_that_dies_holds_the_rest_and_its_letter_is_kept_like_a_result() -> None:
    behind = [parked(fact(7, at=2)), parked(fact(7, "2 Roadford Avenue", at=3)), parked(fact(7, at=4))]
    plan = plan_of(redriven(7, at=9), fact(7, at=5), by=PARKS, held=HELD, parked={7: behind})
    assert plan.unparked == [Position(ORDERS, 0, 2), Position(ORDERS, 0, 3)]
    assert (plan.held, plan.freed, plan.dead) == ({7: Position(ORDERS, 0, 3)}, [], [])
    assert [order for order, _ in plan.parked] == [7]
    where, letter = plan.results[-1]
    assert (where, letter.topic) == (Position(RETRY, 0, 9), "warehouse.orders.dlq")
    assert header(letter, "kafka_dlt-original-offset") == [(3).to_bytes(8, "big")]
    assert len(plan.buried) == 1


def test_a_parked_record_that_fails_for_now_lets_the_whole_release_wait() -> None:
    calls: list[int] = []

    def react(message: Any, given: Context) -> Any:
        calls.append(given.now)
        if len(calls) == 2:
            raise ZeroDivisionError
        return WAREHOUSE.react(message, given)

    behind = [parked(fact(7, at=2)), parked(fact(7, at=3))]
    by = replace(PARKS, react=react)
    plan = plan_of(redriven(7, at=9), fact(7, at=5), by=by, held=HELD, parked={7: behind})
    assert (plan.effects, plan.results, plan.unparked, plan.freed) == ([], [], [], [])
    assert [item.record.position for item in plan.waiting] == [Position(RETRY, 0, 9), Position(ORDERS, 0, 5)]
    assert plan.setbacks[0].position == Position(RETRY, 0, 9)


def test_a_record_that_was_parked_in_this_very_batch_is_released_with_the_others() -> None:
    batch = [fact(7, at=5), redriven(7, at=9)]
    plan = plan_of(*batch, by=PARKS, held=HELD, parked={7: [parked(fact(7, at=2))]})
    assert [where.position.offset for _, where in plan.parked] == [5]
    assert [where.offset for where in plan.unparked] == [2, 5]
    assert plan.freed == [7]


def test_the_held_record_itself_comes_again_after_a_crash_and_releases_if_it_works_now() -> None:
    plan = plan_of(fact(7, at=1), fact(7, at=2), by=PARKS, held=HELD, parked={7: [parked(fact(7, at=2))]})
    assert (plan.freed, dispatched(plan)) == ([7], [7])
    again = plan_of(failed(1), fact(7, at=2), by=PARKS, held=HELD)
    assert (len(again.dead), again.held, len(again.parked)) == (1, {}, 1)


def test_what_was_handled_before_its_order_was_held_is_not_parked_when_the_batch_comes_again() -> None:
    sooner = command(7, at=4)
    known = {(7, "dispatch"): KnownEffect("dispatched", "1 Streetford Road", sooner.record.position)}
    plan = plan_of(sooner, fact(7, at=0), fact(7, at=2), by=PARKS, held=HELD, known=known)
    assert plan.replays == [sooner.record.position]
    assert [where.position.offset for _, where in plan.parked] == [2], "and nothing that came before it"


def test_a_decision_that_comes_again_sends_its_results_again_and_releases_nothing_of_a_later_death() -> None:
    later = {7: Position(ORDERS, 0, 3)}
    origin = [
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", (0).to_bytes(4, "big")),
        ("kafka_dlt-original-offset", (1).to_bytes(8, "big")),
    ]
    again = marker(7, at=9)
    again = again._replace(record=again.record._replace(headers=origin))
    plan = plan_of(again, by=PARKS, held=later, parked={7: [parked(fact(7, at=4))]})
    assert (plan.replays, plan.freed, plan.unparked) == ([Position(RETRY, 0, 9)], [], [])
    assert plan_of(again, by=PARKS, held=HELD).freed == [7]


def test_who_does_not_park_any_more_still_releases() -> None:
    plan = plan_of(redriven(7, at=9), held=HELD, parked={7: [parked(fact(7, at=2))]})
    assert (plan.freed, len(plan.effects)) == ([7], 1)


def test_deliveries_of_a_release_are_made_one_record_after_the_other() -> None:
    def react(message: Any, given: Context) -> list[Fact]:
        letter = Delivery("email", "a@b.example", "s", message.address)
        given.record(Effect(message.address, "intended", input=None, delivery=letter))
        return []

    by = replace(named("notification"), react=react, parks=True)
    behind = [parked(fact(7, "two", at=2)), parked(fact(7, "three", at=3))]
    release = redriven(7, at=9, address="one")
    known: dict[tuple[int, str], KnownEffect] = {}
    sent: list[str] = []
    for _ in range(3):
        plan = plan_of(release, by=by, held=HELD, parked={7: behind}, known=known)
        sent += [errand.delivery.text for errand in plan.errands]
        assert [item.record for item in plan.waiting] == [release.record]
        for row in plan.effects:
            origin = Position(row.source_topic, row.source_partition, row.source_offset)
            known[7, row.effect] = KnownEffect("done", row.input, origin)
        behind = [each for each in behind if each.record.position not in plan.unparked]
    assert sent == ["one", "two", "three"]
    assert plan_of(release, by=by, held=HELD, parked={7: behind}, known=known).freed == [7]


def test_an_errand_of_a_parked_record_knows_both_its_own_place_and_its_releaser() -> None:
    item = fact(7, at=2, email="a@b.example")
    by = replace(named("notification"), parks=True)
    [errand] = plan_of(marker(7, at=9), by=by, held=HELD, parked={7: [parked(item)]}).errands
    behind: ConsumerRecord | None = errand.behind
    assert behind is not None
    assert (errand.record.position.offset, behind.position) == (2, Position(RETRY, 0, 9))


# -- redriven ----------------------------------------------------------------------------------------------


def test_a_redriven_record_dispatches_once_whatever_the_mode_and_is_else_a_known_duplicate() -> None:
    assert dispatched(plan_of(redriven(7))) == [7]
    known = {(7, "dispatch"): KnownEffect("expired", "1 Streetford Road", Position(ORDERS, 0, 1))}
    plan = plan_of(redriven(7), known=known)
    assert (plan.effects, plan.results, plan.dead, plan.duplicates) == ([], [], [], 1)


def test_who_parks_and_delivers_returns_no_facts() -> None:
    with pytest.raises(ValueError, match="notification parks and delivers"):
        replace(named("notification"), parks=True, writes=("dispatch_results",))
