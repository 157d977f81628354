"""The reconciliation and what operators decide: dead, discarded, unseen, or judged anew."""

from hypothesis import given

from operations.verify.evidence import OrderRecord, StoredEffect
from schemas.errors import Position
from schemas.topics import DISPATCH_PRODUCTS
from tests.support.drafts import AHEAD, COMMAND, DEAD, EVENT, ONE, Draft, Order, draft, following, several

AGAIN = Position("warehouse.orders.retry", 2, 8)


def put_aside() -> tuple[Draft, Position]:
    """An order whose fact is a dead letter of the warehouse, and where the fact lies."""
    world = draft([EVENT._replace(warehouse=DEAD)])
    return world, world.facts[7][0].position


def come_to(world: Draft, where: Position) -> None:
    world.passed["warehouse"][where.topic_partition] = where.offset + 1


def test_a_discarded_order_counts_as_discarded_and_not_as_dead_or_lost() -> None:
    world, where = put_aside()
    world.discard("warehouse", where)
    verdict = world.reconciled()
    assert (verdict.discarded, verdict.dead, verdict.lost, verdict.ok) == (1, 0, (), True)
    assert verdict.discarded_by_group == {"warehouse": 1, "notification": 0, "sales": 0}
    assert verdict.accepted == verdict.dispatched + verdict.discarded


def test_a_redriven_order_is_unseen_until_its_group_has_come_to_it() -> None:
    world, where = put_aside()
    world.redrive("warehouse", where, AGAIN)
    verdict = world.reconciled()
    assert (verdict.unseen, verdict.dead, verdict.ok) == (("7",), 0, True)


def test_a_redriven_order_that_was_handled_is_judged_by_its_outcome() -> None:
    world, where = put_aside()
    world.redrive("warehouse", where, AGAIN)
    come_to(world, AGAIN)
    assert world.reconciled().lost == ("7",)
    world.effects["warehouse"][7] = (StoredEffect("dispatch", "rejected", EVENT.address, AGAIN),)
    assert world.reconciled().lost == ("7",), "it owes a result fact as any other"
    sent = draft([EVENT._replace(outcome="rejected")])
    world.results = sent.results
    verdict = world.reconciled()
    assert (verdict.rejected, verdict.dead, verdict.ok) == (1, 0, True)


def test_a_redriven_order_that_is_dead_again_is_dead() -> None:
    world, where = put_aside()
    world.redrive("warehouse", where, AGAIN)
    come_to(world, AGAIN)
    world.dead["warehouse"].add(where)
    verdict = world.reconciled()
    assert (verdict.dead, verdict.unseen, verdict.lost) == (1, (), ())
    world.discard("warehouse", where)
    assert world.reconciled().discarded == 1


def test_a_redriven_order_with_other_content_is_different() -> None:
    world, where = put_aside()
    world.redrive("warehouse", where, AGAIN)
    come_to(world, AGAIN)
    world.effects["warehouse"][7] = (StoredEffect("dispatch", "dispatched", 99, AGAIN),)
    assert "7" in world.reconciled().different


def test_what_one_group_discards_another_still_owes() -> None:
    world = draft([EVENT._replace(sales=DEAD, notification=DEAD)])
    world.discard("sales", world.facts[7][0].position)
    verdict = world.reconciled()
    assert verdict.discarded_by_group["sales"] == 1
    assert verdict.dead_by_group == {"warehouse": 0, "notification": 1, "sales": 0}


def test_a_discarded_conflict_is_no_difference_any_more() -> None:
    world = draft([COMMAND])
    [command] = world.commands[7]
    second = OrderRecord(following(command.position), 99)
    world.commands[7] = (command, second)
    world.reach("warehouse", DEAD, second.position)
    assert world.reconciled().different == ("7",)
    world.discard("warehouse", second.position)
    verdict = world.reconciled()
    assert (verdict.ok, verdict.dispatched, verdict.discarded) == (True, 1, 0)


def test_an_order_with_a_discarded_and_an_undecided_record_is_dead() -> None:
    world = draft([COMMAND._replace(warehouse=DEAD)])
    [command] = world.commands[7]
    second = OrderRecord(following(command.position), command.address)
    world.commands[7] = (command, second)
    world.reach("warehouse", DEAD, second.position)
    world.discard("warehouse", command.position)
    verdict = world.reconciled()
    assert (verdict.dead, verdict.discarded) == (1, 0)


def test_an_unreadable_record_that_was_decided_is_not_lost() -> None:
    where = Position(DISPATCH_PRODUCTS, 3, 5)
    world = draft([])
    world.unreadable.add(where)
    come_to(world, where)
    assert not world.reconciled().ok
    world.discard("warehouse", where)
    assert world.reconciled().ok
    world.discarded["warehouse"].clear()
    world.redrive("warehouse", where, Position("warehouse.dispatch_products.retry", 3, 0))
    assert world.reconciled().ok


def test_a_shadow_fact_whose_dead_command_was_cleaned_is_aged() -> None:
    world = draft([ONE])
    [command] = world.commands.pop(7)
    world.effects["warehouse"].clear()
    world.results.clear()
    world.shadows.clear()
    assert world.reconciled().lost == ("7",)
    world.starts[command.position.topic_partition] = command.position.offset + 1
    verdict = world.reconciled()
    assert (verdict.aged, verdict.lost, verdict.ok) == (1, (), True)
    assert verdict.facts == 1


@given(several)
def test_whatever_is_discarded_the_sums_close(orders: list[Order]) -> None:
    world = draft(orders)
    for group, places in world.dead.items():
        for where in list(places):
            world.discard(group, where)
    verdict = world.reconciled()
    ahead = sum(order.warehouse == AHEAD for order in orders)
    settled = verdict.dispatched + verdict.rejected + verdict.expired
    assert (verdict.dead, verdict.ok) == (0, True)
    assert verdict.discarded == sum(order.warehouse == DEAD for order in orders)
    assert verdict.accepted == settled + verdict.discarded + ahead
