"""What `decide` promises, one case of its docstring at a time."""

from dataclasses import replace
from typing import Any

import pytest

from consumers.registry import named
from consumers.runtime.contract import canonical
from consumers.runtime.decide import decide
from consumers.runtime.plan import Plan
from consumers.runtime.reaction import Context, Delivery, Effect
from consumers.runtime.records import Decoded, KnownEffect
from schemas.commands import DispatchProduct
from schemas.envelope import ReceivedEnvelope
from schemas.errors import ConflictingOrder, ForeignFact, Position
from schemas.facts import OrderPlaced, ProductDispatched
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.records import NOW, command, context, fact, policy, shadow

HOME = "1 Streetford Road"
AWAY = "2 Roadford Avenue"
COMMANDS = (DISPATCH_PRODUCTS, 0)


def plan_of(*batch: Decoded, known: Any = None, sent: Any = None, by: Any = "warehouse", **more: Any) -> Plan:
    return decide(batch, known or {}, sent or {}, context(), policy(by, **more))


def dispatched(origin: Position, address: str | None = HOME) -> dict[tuple[int, str], KnownEffect]:
    return {(7, "dispatch"): KnownEffect("dispatched", address, origin)}


@pytest.mark.parametrize(("item", "via"), [(command(7), "command"), (fact(7), "fact")])
def test_an_order_is_dispatched_by_either_path(item: Decoded, via: str) -> None:
    plan = plan_of(item)
    [row] = plan.effects
    where = item.record.position
    assert row == (7, "dispatch", "dispatched", HOME, None, via, f"id-{where}", *where, NOW)
    [(made_by, out)] = plan.results
    assert made_by == where
    assert out.value == repr(ProductDispatched(7, HOME, NOW)).encode()
    assert (plan.dead, plan.shadows, plan.resends, plan.duplicates) == ([], [], [], 0)


def unread(item: Decoded) -> Decoded:
    headers = {"ce_expirytime": b"soon"}
    return item._replace(envelope=ReceivedEnvelope(headers, item.order_id, item.record.position))


def test_a_command_whose_expiry_cannot_be_read_is_carried_out_and_named_in_the_plan() -> None:
    plan = plan_of(unread(command(7)), command(8), unread(command(7, at=1)))
    assert [row.outcome for row in plan.effects] == ["dispatched", "dispatched"]
    assert plan.unread_expiries == [(command(7).record.position, "soon")]


@pytest.mark.parametrize("by", ["warehouse", "sales"])
def test_of_a_fact_no_header_decides_so_none_is_named(by: str) -> None:
    assert plan_of(unread(fact(7)), by=by).unread_expiries == []


@pytest.mark.parametrize("second", [command(7, at=1), fact(7, at=1)])
def test_the_same_order_again_is_a_duplicate_and_has_no_second_result(second: Decoded) -> None:
    plan = plan_of(command(7), second)
    assert (len(plan.effects), len(plan.results), plan.duplicates) == (1, 1, 1)
    assert (plan.dead, plan.resends) == ([], [])


def test_a_duplicate_is_known_from_an_earlier_batch_too() -> None:
    plan = plan_of(fact(7, at=3), known=dispatched(Position(DISPATCH_PRODUCTS, 0, 0)))
    assert (plan.effects, plan.results, plan.resends, plan.duplicates) == ([], [], [], 1)


@pytest.mark.parametrize("second", [command(7, AWAY, at=1), fact(7, AWAY, at=1), command(7, None, at=1)])
def test_the_same_order_with_other_content_is_a_conflict_without_any_effect(second: Decoded) -> None:
    plan = plan_of(command(7), second)
    [dead] = plan.dead
    assert dead.record is second.record
    assert isinstance(dead.error, ConflictingOrder)
    assert "dispatch_products:0:0" in str(dead.error)
    assert (len(plan.effects), len(plan.results)) == (1, 1)


def test_a_conflict_takes_no_key_so_the_first_content_still_counts() -> None:
    plan = plan_of(command(7), command(7, AWAY, at=1), fact(7, at=2))
    assert (len(plan.dead), plan.duplicates) == (1, 1)


def test_a_record_that_comes_again_asks_for_its_stored_results() -> None:
    item = command(7, at=5)
    plan = plan_of(item, known=dispatched(item.record.position), sent={COMMANDS: 5})
    assert plan.resends == [item.record.position]
    assert (plan.effects, plan.results, plan.duplicates) == ([], [], 0)


def test_a_record_that_comes_again_is_silent_where_its_results_are_known_as_sent() -> None:
    item = command(7, at=5)
    plan = plan_of(item, known=dispatched(item.record.position), sent={COMMANDS: 6})
    assert (plan.resends, plan.results, plan.effects, plan.duplicates) == ([], [], [], 0)


def test_a_partition_that_nothing_is_known_of_sends_its_results_again() -> None:
    item = command(7, at=5)
    assert plan_of(item, known=dispatched(item.record.position)).resends == [item.record.position]


def test_a_shadow_fact_is_recorded_and_never_takes_the_key() -> None:
    plan = plan_of(shadow(7), command(7))
    assert [(row.via, row.outcome) for row in plan.shadows] == [("fact", "dispatched")]
    assert [(row.via, row.outcome) for row in plan.effects] == [("command", "dispatched")]
    assert (len(plan.results), plan.duplicates, plan.dead) == (1, 0, [])


def test_a_shadow_decision_may_differ_from_the_command_and_is_no_conflict() -> None:
    plan = plan_of(command(7), shadow(7, AWAY))
    assert plan.dead == []
    assert [row.input for row in plan.shadows] == [AWAY]


def test_a_shadow_of_another_command_topic_is_a_fact_like_any() -> None:
    plan = plan_of(fact(7, shadow_of=("capture_payments",)))
    assert (len(plan.effects), plan.shadows) == (1, [])


def test_a_fact_of_no_mode_is_dead_at_a_reaction_that_replaces_a_command() -> None:
    item = fact(7, mode_epoch=0)
    plan = plan_of(item)
    [dead] = plan.dead
    assert isinstance(dead.error, ForeignFact)
    assert "CEV_FOREIGN_FACTS=act" in str(dead.error)
    assert (plan.effects, plan.results, plan.shadows) == ([], [], [])


def test_a_shadow_of_no_mode_is_dead_as_well() -> None:
    assert isinstance(plan_of(shadow(7, mode_epoch=0)).dead[0].error, ForeignFact)


def test_an_operator_may_let_facts_of_no_mode_act() -> None:
    assert [row.outcome for row in plan_of(fact(7, mode_epoch=0), act=True).effects] == ["dispatched"]


def test_a_foreign_command_is_dispatched_because_only_facts_need_an_epoch() -> None:
    item = command(7)
    foreign = item._replace(message=DispatchProduct(7, HOME))
    assert len(plan_of(foreign).effects) == 1


@pytest.mark.parametrize("item", [fact(7, mode_epoch=0), shadow(7), fact(7)])
def test_sales_never_replaced_a_command_and_counts_every_fact(item: Decoded) -> None:
    plan = plan_of(item, by="sales")
    assert [row.outcome for row in plan.effects] == ["counted"]
    assert (plan.dead, plan.shadows) == ([], [])


@pytest.mark.parametrize("order_id", [-(2**63), -1, 0, 2**63 - 1])
def test_every_64_bit_order_id_keeps_its_value(order_id: int) -> None:
    assert plan_of(command(order_id)).effects[0].order_id == order_id


def test_one_batch_may_hold_many_orders_and_answers_in_their_order() -> None:
    plan = plan_of(*[command(n, at=n) for n in range(50)])
    assert [row.order_id for row in plan.effects] == list(range(50))
    assert [where.offset for where, _ in plan.results] == list(range(50))


def test_a_rejection_is_terminal_and_takes_the_key() -> None:
    plan = plan_of(command(7, " "), command(7, " ", at=1), command(7, HOME, at=2))
    assert [row.outcome for row in plan.effects] == ["rejected"]
    assert (plan.duplicates, len(plan.dead)) == (1, 1)


def test_an_expired_order_stays_expired_when_it_comes_by_the_other_path() -> None:
    plan = plan_of(command(7, expires_at=NOW - 60_000), fact(7))
    assert [row.outcome for row in plan.effects] == ["expired"]
    assert plan.duplicates == 1


def test_long_inputs_are_compared_by_their_digest() -> None:
    long = "x" * 5_000
    first = plan_of(command(7, long))
    stored = first.effects[0].input
    assert stored == canonical(long)
    assert stored is not None
    assert len(stored) < 600
    known = {(7, "dispatch"): KnownEffect("rejected", stored, Position(ORDERS, 0, 9))}
    assert plan_of(command(7, long), known=known).duplicates == 1
    assert isinstance(plan_of(command(7, long + "y"), known=known).dead[0].error, ConflictingOrder)


def test_inputs_of_a_thousand_characters_are_kept_as_they_are() -> None:
    assert canonical("x" * 1_000) == "x" * 1_000
    assert canonical(None) is None
    assert canonical("x" * 1_001) != canonical("x" * 1_000 + "y")


def test_a_reaction_that_returns_a_command_is_refused_before_anything_is_stored() -> None:
    def react(message: Any, given: Context) -> list[Any]:
        given.record(Effect("dispatch", "dispatched", input=None))
        return [DispatchProduct(message.order_id, HOME)]

    with pytest.raises(TypeError, match="returned a DispatchProduct: a reaction returns facts only"):
        plan_of(command(7), by=replace(named("warehouse"), react=react))


def test_a_reaction_that_records_one_effect_twice_is_refused() -> None:
    def react(_message: Any, given: Context) -> list[Any]:
        given.record(Effect("dispatch", "dispatched", input="a"))
        given.record(Effect("dispatch", "dispatched", input="b"))
        return []

    with pytest.raises(TypeError, match="dispatch twice"):
        plan_of(command(7), by=replace(named("warehouse"), react=react))


def test_a_reaction_that_answers_without_an_effect_is_refused() -> None:
    def react(message: Any, _given: Context) -> list[Any]:
        return [ProductDispatched(message.order_id, HOME, NOW)]

    with pytest.raises(TypeError, match="without an effect"):
        plan_of(command(7), by=replace(named("warehouse"), react=react))


def test_a_delivery_is_an_errand_until_it_is_done() -> None:
    item = fact(7, email="a@b.example", at=4)
    [errand] = plan_of(item, by="notification").deliveries
    assert (errand.order_id, errand.effect, errand.delivery.recipient) == (7, "email", "a@b.example")
    here = item.record.position
    intended = {(7, "email"): KnownEffect("intended", "a@b.example", here)}
    assert len(plan_of(item, by="notification", known=intended).deliveries) == 1
    done = {(7, "email"): KnownEffect("done", "a@b.example", here)}
    assert plan_of(item, by="notification", known=done).deliveries == []


def test_a_duplicate_makes_no_second_delivery_even_while_the_first_is_unfinished() -> None:
    intended = {(7, "email"): KnownEffect("intended", "a@b.example", Position(ORDERS, 0, 3))}
    plan = plan_of(fact(7, email="a@b.example", at=4), by="notification", known=intended)
    assert (plan.deliveries, plan.duplicates) == ([], 1)


def test_one_of_two_deliveries_that_is_done_is_not_made_again() -> None:
    item = fact(7, email="a@b.example", phone="+491", at=4)
    known = {(7, "email"): KnownEffect("done", "a@b.example", item.record.position)}
    plan = plan_of(item, by="notification", known=known)
    assert [each.effect for each in plan.deliveries] == ["text"]
    assert [row.effect for row in plan.effects] == ["text"]


def test_a_conflict_in_one_effect_stops_the_other_too() -> None:
    known = {(7, "email"): KnownEffect("done", "old@b.example", Position(ORDERS, 0, 1))}
    plan = plan_of(fact(7, email="new@b.example", phone="+491"), by="notification", known=known)
    assert (plan.effects, plan.deliveries, len(plan.dead)) == ([], [], 1)


def test_an_order_that_owes_nothing_leaves_nothing() -> None:
    plan = plan_of(fact(7), by="notification")
    assert plan == Plan()


def test_the_envelope_of_each_message_is_what_its_reaction_sees() -> None:
    seen: list[tuple[int, str]] = []

    def react(message: OrderPlaced, given: Context) -> list[Any]:
        seen.append((message.order_id, given.envelope.message_id))
        assert given.effects == []
        given.record(Effect("note", "made", input=None, delivery=Delivery("email", "a", "b", "c")))
        return []

    plan_of(fact(1, at=1), fact(2, at=2), by=replace(named("sales"), react=react))
    assert seen == [(1, "id-orders:0:1"), (2, "id-orders:0:2")]
