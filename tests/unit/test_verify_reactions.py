"""What the reconciliation says of a reaction whose rules only its own file knows: gifts, of orders."""

import pytest

from operations.verify.evidence import StoredEffect
from schemas.errors import Position
from schemas.topics import DISPATCH_RESULTS, ORDERS, retry_topic
from tests.support.drafts import DEAD, EVENT, PASSED, Draft, draft, following

FACT = Position(ORDERS, 0, EVENT.offset)


def card(position: Position) -> tuple[StoredEffect, ...]:
    return (StoredEffect("card", "printed", 99, position),)


@pytest.fixture
def world() -> Draft:
    return draft([EVENT]).with_reaction("gifts")


def test_orders_with_an_effect_are_counted_whatever_the_effect_was_made_from(world: Draft) -> None:
    world.reach("gifts", PASSED, FACT)
    world.effects["gifts"][EVENT.order_id] = card(FACT)
    reconciliation = world.reconciled()
    assert (reconciliation.ok, reconciliation.reactions) == (True, {"gifts": 1})


def test_an_order_that_was_passed_without_an_effect_owed_it_nothing(world: Draft) -> None:
    world.reach("gifts", PASSED, FACT)
    reconciliation = world.reconciled()
    assert (reconciliation.ok, reconciliation.unseen, reconciliation.reactions) == (True, (), {})


def test_an_order_that_the_group_has_not_come_to_is_unseen(world: Draft) -> None:
    assert world.reconciled().unseen == (str(EVENT.order_id),)


def test_an_order_that_the_group_gave_up_is_dead_for_it_alone(world: Draft) -> None:
    world.reach("gifts", DEAD, FACT)
    reconciliation = world.reconciled()
    assert (reconciliation.dead_by_group["gifts"], reconciliation.dead, reconciliation.unseen) == (1, 0, ())


def test_an_effect_of_no_record_and_one_at_another_orders_record_are_phantoms(world: Draft) -> None:
    world.reach("gifts", PASSED, FACT)
    world.effects["gifts"] = {8: card(FACT), EVENT.order_id: card(following(FACT))}
    assert world.reconciled().phantom == tuple(map(str, sorted((EVENT.order_id, 8))))


def test_an_effect_of_a_record_that_was_sent_again_is_none(world: Draft) -> None:
    again = Position(retry_topic("gifts", ORDERS), 0, 3)
    world.reach("gifts", DEAD, FACT)
    world.redrive("gifts", FACT, again)
    world.passed["gifts"][again.topic_partition] = 4
    world.effects["gifts"][EVENT.order_id] = card(again)
    assert world.reconciled().ok


def test_an_effect_of_a_topic_that_is_not_compared_is_counted_and_not_judged(world: Draft) -> None:
    world.reach("gifts", PASSED, FACT)
    world.effects["gifts"][EVENT.order_id] = card(Position(DISPATCH_RESULTS, 0, 1))
    reconciliation = world.reconciled()
    assert (reconciliation.ok, reconciliation.reactions) == (True, {"gifts": 1})


def test_records_that_were_removed_before_the_group_read_them_are_never_ok(world: Draft) -> None:
    world.reach("gifts", PASSED, FACT)
    world.latest["gifts"] = {FACT.topic_partition: 2}
    world.starts = {FACT.topic_partition: 5}
    assert world.reconciled().removed == ("gifts@orders:0:2-4",)
