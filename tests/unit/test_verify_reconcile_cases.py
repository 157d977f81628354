"""The reconciliation, case by case: each rule of the judge's docstring and of design §9."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.verify.evidence import OrderRecord
from schemas.errors import Position
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.drafts import (
    AHEAD,
    COMMAND,
    DEAD,
    EVENT,
    ONE,
    Draft,
    Order,
    draft,
    following,
    no_effect,
    no_result,
)


@pytest.mark.parametrize("order", [COMMAND, EVENT, ONE])
@pytest.mark.parametrize("fault", [no_effect, no_result])
def test_an_order_that_was_passed_without_effect_or_result_is_lost_on_either_path(
    order: Order, fault: Callable[[Draft], None]
) -> None:
    world = draft([order])
    fault(world)
    assert world.reconciled().lost == ("7",)


def test_what_a_group_has_not_reached_is_unseen_and_no_error() -> None:
    verdict = draft([ONE._replace(warehouse=AHEAD, notification=AHEAD, sales=AHEAD)]).reconciled()
    assert verdict.unseen == ("7",)
    assert verdict.ok


def test_a_dead_letter_without_effect_is_dead_and_no_error() -> None:
    verdict = draft([EVENT._replace(warehouse=DEAD)]).reconciled()
    assert (verdict.dead, verdict.lost, verdict.ok) == (1, (), True)


def test_a_dead_letter_that_vanished_leaves_a_lost_order() -> None:
    world = draft([EVENT._replace(warehouse=DEAD)])
    world.dead["warehouse"].clear()
    assert world.reconciled().lost == ("7",)


def test_a_shadow_decision_that_differs_only_by_expiry_is_no_difference() -> None:
    world = draft([ONE])
    world.shadows[7] = world.shadows[7]._replace(outcome="expired")
    assert world.reconciled().ok


def test_a_shadow_fact_whose_command_is_missing_is_lost_once_it_was_passed() -> None:
    world = draft([ONE])
    del world.commands[7]
    no_effect(world)
    world.shadows.clear()
    assert world.reconciled().lost == ("7",)


def test_a_record_that_cannot_be_read_is_lost_by_its_position_unless_it_is_a_dead_letter() -> None:
    where = Position(DISPATCH_PRODUCTS, 3, 5)
    world = draft([])
    world.unreadable.add(where)
    assert world.reconciled().ok
    world.passed["warehouse"][where.topic_partition] = 6
    assert world.reconciled().lost == ("dispatch_products:3:5",)
    world.dead["warehouse"].add(where)
    verdict = world.reconciled()
    assert (verdict.ok, verdict.accepted, verdict.unreadable) == (True, 0, 1)


def test_an_unreadable_fact_owes_a_dead_letter_of_every_group() -> None:
    where = Position(ORDERS, 0, 0)
    world = draft([])
    world.unreadable.add(where)
    for group in world.passed:
        world.passed[group][where.topic_partition] = 1
        world.dead[group].add(where)
    assert world.reconciled().ok
    world.dead["sales"].clear()
    assert world.reconciled().lost == ("orders:0:0",)


def test_an_effect_of_a_record_that_only_the_consumer_could_read_is_no_phantom() -> None:
    world = draft([EVENT])
    world.unreadable.add(world.facts.pop(7)[0].position)
    verdict = world.reconciled()
    assert (verdict.phantom, verdict.lost) == ((), ())


def test_an_effect_whose_record_was_cleaned_is_aged_and_not_a_phantom() -> None:
    world = draft([COMMAND])
    [command] = world.commands.pop(7)
    world.starts[command.position.topic_partition] = command.position.offset + 1
    verdict = world.reconciled()
    assert (verdict.ok, verdict.accepted, verdict.aged, verdict.dispatched) == (True, 0, 1, 1)


def test_what_one_group_discarded_is_still_compared_for_the_others() -> None:
    world = draft([EVENT])
    (first,) = world.facts[7]
    second = first._replace(position=following(first.position), address=123)
    world.facts[7] = (first, second)
    for group in ("warehouse", "notification", "sales"):
        world.passed[group][second.position.topic_partition] = second.position.offset + 1
    world.dead["warehouse"].add(second.position)
    world.discarded["sales"].add(second.position)
    assert world.reconciled().different == ("7",)
    world.dead["warehouse"].clear()
    world.discarded["warehouse"].add(second.position)
    assert world.reconciled().ok


def test_a_conflict_that_is_a_dead_letter_is_different_and_not_lost() -> None:
    world = draft([COMMAND])
    [command] = world.commands[7]
    second = OrderRecord(following(command.position), 99)
    world.commands[7] = (command, second)
    world.reach("warehouse", DEAD, second.position)
    verdict = world.reconciled()
    assert (verdict.different, verdict.lost, verdict.dead) == (("7",), (), 0)
    world.dead["warehouse"].clear()
    assert world.reconciled().lost == ("7",)


def test_the_same_order_told_again_is_a_known_duplicate() -> None:
    world = draft([COMMAND])
    [command] = world.commands[7]
    again = command._replace(position=following(command.position))
    world.commands[7] = (command, again)
    world.passed["warehouse"][again.position.topic_partition] = again.position.offset + 1
    verdict = world.reconciled()
    assert (verdict.ok, verdict.accepted, verdict.commands, verdict.dispatched) == (True, 1, 1, 1)


def test_a_record_that_was_sent_again_is_no_phantom() -> None:
    world = draft([EVENT])
    [effect] = world.effects["warehouse"][7]
    again = Position("warehouse.orders.retry", 2, 4)
    world.effects["warehouse"][7] = (effect._replace(position=again),)
    world.redrive("warehouse", effect.position, again)
    world.passed["warehouse"][again.topic_partition] = 5
    assert world.reconciled().ok
    world.retried.clear()
    assert world.reconciled().phantom == ("7",)
    world.starts[again.topic_partition] = 5
    assert world.reconciled().ok


@given(
    st.sampled_from([DISPATCH_PRODUCTS, ORDERS, "sales.orders.retry"]),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**48),
)
def test_a_place_keeps_topic_partition_and_offset(topic: str, partition: int, offset: int) -> None:
    assert str(Position(topic, partition, offset)) == f"{topic}:{partition}:{offset}"


def test_orders_are_listed_by_number() -> None:
    orders = [EVENT._replace(order_id=number) for number in (30, -4, 200)]
    world = draft(orders)
    world.effects["sales"].clear()
    assert world.reconciled().lost == ("-4", "30", "200")


def test_records_that_were_deleted_before_a_group_read_them_are_never_ok() -> None:
    world = draft([EVENT])
    partition = Position(ORDERS, 3, 0).topic_partition
    world.latest["sales"][partition] = 12
    world.starts[partition] = 12
    assert world.reconciled().removed == ()
    world.starts[partition] = 20
    verdict = world.reconciled()
    assert (verdict.removed, verdict.ok) == (("sales@orders:3:12-19",), False)
