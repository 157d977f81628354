"""The reconciliation: consistent worlds pass, and each kind of fault shows in exactly its own list."""

from collections.abc import Callable

from hypothesis import given

from operations.verify.evidence import OrderResult, StoredEffect
from schemas.errors import Position
from schemas.topics import ORDERS
from tests.support.drafts import AHEAD, DEAD, ONE, PASSED, Draft, Order, draft, no_effect, no_result, several

LISTS = ("lost", "duplicated", "phantom", "different")


@given(several)
def test_a_consistent_world_is_ok_and_its_sums_close(orders: list[Order]) -> None:
    verdict = draft(orders).reconciled()
    assert verdict.ok
    assert all(not getattr(verdict, name) for name in LISTS)
    ahead = {order.order_id for order in orders if order.warehouse == AHEAD}
    assert verdict.accepted == len(orders)
    assert verdict.accepted == verdict.dispatched + verdict.rejected + verdict.expired + verdict.dead + len(
        ahead
    )
    assert {str(order_id) for order_id in ahead} <= set(verdict.unseen)


@given(several)
def test_every_fact_is_notified_or_owes_nothing_or_is_dead_or_unseen(orders: list[Order]) -> None:
    facts = [order for order in orders if order.kind != "command"]
    owing = [order for order in facts if order.email or order.phone]
    verdict = draft(orders).reconciled()
    assert verdict.no_contact == len(facts) - len(owing)
    assert verdict.notified == sum(order.notification == PASSED for order in owing)
    assert verdict.counted == sum(order.sales == PASSED for order in facts)
    assert verdict.dead_by_group["sales"] == sum(order.sales == DEAD for order in facts)


@given(several)
def test_what_was_skipped_counts_as_notified_and_apart(orders: list[Order]) -> None:
    world = draft(orders)
    effects = world.effects["notification"]
    half = sorted(effects)[::2]
    effects |= {
        order_id: (effects[order_id][0]._replace(outcome="skipped"), *effects[order_id][1:])
        for order_id in half
    }
    verdict = world.reconciled()
    assert (verdict.skipped, verdict.notified) == (len(half), draft(orders).reconciled().notified)
    assert verdict.ok


def _no_sale(world: Draft) -> None:
    del world.effects["sales"][7]


def _no_text(world: Draft) -> None:
    world.effects["notification"][7] = world.effects["notification"][7][:1]


def _mail_only_intended(world: Draft) -> None:
    mail, text = world.effects["notification"][7]
    world.effects["notification"][7] = (mail._replace(outcome="intended"), text)


def _no_shadow_decision(world: Draft) -> None:
    world.shadows.pop(7)


def _two_results(world: Draft) -> None:
    world.results[7] = (*world.results[7], *world.results[7])


def _result_of_another_outcome_too(world: Draft) -> None:
    world.results[7] = (*world.results[7], OrderResult("expired"))


def _effect_of_nobody(world: Draft) -> None:
    world.effects["sales"][8] = (StoredEffect("sale", "counted", 14, Position(ORDERS, 9, 1)),)


def _effect_from_an_unknown_topic(world: Draft) -> None:
    world.effects["notification"][8] = (StoredEffect("email", "done", 14, Position("elsewhere", 0, 1)),)


def _result_of_nobody(world: Draft) -> None:
    world.results[8] = (OrderResult("dispatched", 1),)


def _effect_at_another_orders_record(world: Draft) -> None:
    world.effects["sales"][8] = world.effects["sales"][7]


def _other_address_dispatched(world: Draft) -> None:
    [effect] = world.effects["warehouse"][7]
    world.effects["warehouse"][7] = (effect._replace(content=99),)


def _other_sale(world: Draft) -> None:
    [effect] = world.effects["sales"][7]
    world.effects["sales"][7] = (effect._replace(content=99),)


def _other_recipient(world: Draft) -> None:
    mail, text = world.effects["notification"][7]
    world.effects["notification"][7] = (mail._replace(content=99), text)


def _result_says_otherwise(world: Draft) -> None:
    world.results[7] = (OrderResult("rejected"),)


def _result_to_another_address(world: Draft) -> None:
    world.results[7] = (OrderResult("dispatched", 99),)


def _shadow_decided_otherwise(world: Draft) -> None:
    world.shadows[7] = world.shadows[7]._replace(outcome="rejected")


def _fact_and_command_disagree(world: Draft) -> None:
    world.facts[7] = (world.facts[7][0]._replace(address=99),)


SHADOW_FAULTS: list[tuple[str, Callable[[Draft], None]]] = [
    ("lost", no_effect),
    ("lost", no_result),
    ("lost", _no_sale),
    ("lost", _no_text),
    ("lost", _mail_only_intended),
    ("lost", _no_shadow_decision),
    ("duplicated", _two_results),
    ("duplicated", _result_of_another_outcome_too),
    ("phantom", _effect_of_nobody),
    ("phantom", _effect_from_an_unknown_topic),
    ("phantom", _result_of_nobody),
    ("phantom", _effect_at_another_orders_record),
    ("different", _other_address_dispatched),
    ("different", _other_sale),
    ("different", _other_recipient),
    ("different", _result_says_otherwise),
    ("different", _result_to_another_address),
    ("different", _shadow_decided_otherwise),
    ("different", _fact_and_command_disagree),
]


@given(others=several.map(lambda orders: [order for order in orders if order.order_id not in (7, 8)]))
def test_one_fault_shows_in_exactly_its_list(others: list[Order]) -> None:
    assert draft([ONE, *others]).reconciled().ok
    for expected, fault in SHADOW_FAULTS:
        world = draft([ONE, *others])
        fault(world)
        verdict = world.reconciled()
        wrong = {name: getattr(verdict, name) for name in LISTS if getattr(verdict, name)}
        assert wrong == {expected: (("8",) if expected == "phantom" else ("7",))}, fault.__name__
        assert not verdict.ok, fault.__name__
