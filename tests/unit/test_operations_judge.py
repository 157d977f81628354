"""The reconciliation's verdict: consistent worlds pass, each kind of fault shows in exactly its list."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.verify.evidence import Answer, Effect, Evidence, Seen, log_of, offset_of, place, text_of
from operations.verify.judge import LETTERS, judge
from operations.verify.verdict import Verdict
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

LISTS = ("lost", "duplicated", "phantom", "different")
PASSED, DEAD, AHEAD = "passed", "dead", "ahead"


class Order(NamedTuple):
    """One drawn order, and what became of it at each group."""

    order_id: int
    kind: str
    offset: int
    address: int
    email: int
    phone: int
    sale: int
    outcome: str
    warehouse: str
    notification: str
    sales: str


@dataclass
class Draft:
    """Evidence in the making: what `Evidence` holds, to be changed by faults."""

    commands: dict[int, tuple[Seen, ...]] = field(default_factory=dict)
    facts: dict[int, tuple[Seen, ...]] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)
    results: dict[int, Answer] = field(default_factory=dict)
    dead: dict[str, set[int]] = field(default_factory=lambda: _per_group(set))
    passed: dict[str, dict[int, int]] = field(default_factory=lambda: _per_group(dict))
    starts: dict[int, int] = field(default_factory=dict)
    effects: dict[str, dict[int, tuple[Effect, ...]]] = field(default_factory=lambda: _per_group(dict))
    shadows: dict[int, Effect] = field(default_factory=dict)

    def judged(self) -> Verdict:
        return judge(Evidence(**vars(self)))

    def reach(self, group: str, stage: str, where: int) -> bool:
        """Let a group come to a record; whether it made an effect of it."""
        if stage != AHEAD:
            self.passed[group][log_of(where)] = offset_of(where) + 1
        if stage == DEAD:
            self.dead[group].add(where)
        return stage == PASSED


def _per_group(kind: type[Any]) -> dict[str, Any]:
    return {group: kind() for group in ("warehouse", "notification", "sales")}


def draft(orders: list[Order]) -> Draft:
    """A consistent world: what was drawn, done right. Every record has a partition of its own."""
    world = Draft()
    for number, order in enumerate(orders):
        command = place(DISPATCH_PRODUCTS, number, order.offset)
        fact = place(ORDERS, number, order.offset)
        if order.kind != "event":
            world.commands[order.order_id] = (Seen(command, order.address),)
        if order.kind != "command":
            contents = (order.address, order.email, order.phone, order.sale)
            world.facts[order.order_id] = (Seen(fact, *contents, order.kind == "event"),)
            _react(world, order, fact)
        deciding = fact if order.kind == "event" else command
        if world.reach("warehouse", order.warehouse, deciding):
            world.effects["warehouse"][order.order_id] = (
                Effect("dispatch", order.outcome, order.address, deciding),
            )
            answered = order.address if order.outcome == "dispatched" else 0
            world.results[order.order_id] = Answer(LETTERS[order.outcome], answered)
        if order.kind == "shadow" and world.reach("warehouse", order.warehouse, fact):
            world.shadows[order.order_id] = Effect("dispatch", order.outcome, order.address, fact)
    return world


def _react(world: Draft, order: Order, fact: int) -> None:
    if world.reach("notification", order.notification, fact):
        rows = [
            Effect(name, "done", content, fact)
            for name, content in (("email", order.email), ("text", order.phone))
            if content
        ]
        if rows:
            world.effects["notification"][order.order_id] = tuple(rows)
    if world.reach("sales", order.sales, fact):
        world.effects["sales"][order.order_id] = (Effect("sale", "counted", order.sale, fact),)


digests = st.integers(min_value=1, max_value=2**64 - 1)
stages = st.sampled_from([PASSED, PASSED, DEAD, AHEAD])
drawn = st.builds(
    Order,
    order_id=st.integers(min_value=-(2**63), max_value=2**63 - 1),
    kind=st.sampled_from(["command", "shadow", "event"]),
    offset=st.integers(min_value=0, max_value=2**40),
    address=digests,
    email=st.just(0) | digests,
    phone=st.just(0) | digests,
    sale=digests,
    outcome=st.sampled_from(sorted(LETTERS)),
    warehouse=stages,
    notification=stages,
    sales=stages,
)
several = st.lists(drawn, max_size=12, unique_by=lambda order: order.order_id)

ONE = Order(7, "shadow", 4, 11, 12, 13, 14, "dispatched", PASSED, PASSED, PASSED)
EVENT = ONE._replace(kind="event")
COMMAND = ONE._replace(kind="command")


@given(several)
def test_a_consistent_world_is_ok_and_its_sums_close(orders: list[Order]) -> None:
    verdict = draft(orders).judged()
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
    verdict = draft(orders).judged()
    assert verdict.no_contact == len(facts) - len(owing)
    assert verdict.notified == sum(order.notification == PASSED for order in owing)
    assert verdict.counted == sum(order.sales == PASSED for order in facts)
    assert verdict.dead_by_group["sales"] == sum(order.sales == DEAD for order in facts)


def _no_effect(world: Draft) -> None:
    del world.effects["warehouse"][7]
    del world.results[7]


def _no_result(world: Draft) -> None:
    del world.results[7]


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
    world.results[7] = Answer("dd", world.results[7].address)


def _result_of_another_outcome_too(world: Draft) -> None:
    world.results[7] = Answer("dx", world.results[7].address)


def _effect_of_nobody(world: Draft) -> None:
    world.effects["sales"][8] = (Effect("sale", "counted", 14, place(ORDERS, 9, 1)),)


def _effect_from_an_unknown_topic(world: Draft) -> None:
    world.effects["notification"][8] = (Effect("email", "done", 14, place("elsewhere", 0, 1)),)


def _result_of_nobody(world: Draft) -> None:
    world.results[8] = Answer("d", 1)


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
    world.results[7] = Answer("r")


def _result_to_another_address(world: Draft) -> None:
    world.results[7] = Answer("d", 99)


def _shadow_decided_otherwise(world: Draft) -> None:
    world.shadows[7] = world.shadows[7]._replace(outcome="rejected")


def _fact_and_command_disagree(world: Draft) -> None:
    world.facts[7] = (world.facts[7][0]._replace(address=99),)


SHADOW_FAULTS: list[tuple[str, Callable[[Draft], None]]] = [
    ("lost", _no_effect),
    ("lost", _no_result),
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


@pytest.mark.parametrize(("expected", "fault"), SHADOW_FAULTS)
@given(others=several.map(lambda orders: [order for order in orders if order.order_id not in (7, 8)]))
def test_one_fault_shows_in_exactly_its_list(
    expected: str, fault: Callable[[Draft], None], others: list[Order]
) -> None:
    world = draft([ONE, *others])
    assert world.judged().ok
    fault(world)
    verdict = world.judged()
    wrong = {name: getattr(verdict, name) for name in LISTS if getattr(verdict, name)}
    assert wrong == {expected: (("8",) if expected == "phantom" else ("7",))}
    assert not verdict.ok


@pytest.mark.parametrize("order", [COMMAND, EVENT, ONE])
@pytest.mark.parametrize("fault", [_no_effect, _no_result])
def test_an_order_that_was_passed_without_effect_or_result_is_lost_on_either_path(
    order: Order, fault: Callable[[Draft], None]
) -> None:
    world = draft([order])
    fault(world)
    assert world.judged().lost == ("7",)


def test_what_a_group_has_not_reached_is_unseen_and_no_error() -> None:
    verdict = draft([ONE._replace(warehouse=AHEAD, notification=AHEAD, sales=AHEAD)]).judged()
    assert verdict.unseen == ("7",)
    assert verdict.ok


def test_a_dead_letter_without_effect_is_dead_and_no_error() -> None:
    verdict = draft([EVENT._replace(warehouse=DEAD)]).judged()
    assert (verdict.dead, verdict.lost, verdict.ok) == (1, (), True)


def test_a_dead_letter_that_vanished_leaves_a_lost_order() -> None:
    world = draft([EVENT._replace(warehouse=DEAD)])
    world.dead["warehouse"].clear()
    assert world.judged().lost == ("7",)


def test_a_shadow_decision_that_differs_only_by_expiry_is_no_difference() -> None:
    world = draft([ONE])
    world.shadows[7] = world.shadows[7]._replace(outcome="expired")
    assert world.judged().ok


def test_a_shadow_fact_whose_command_is_missing_is_lost_once_it_was_passed() -> None:
    world = draft([ONE])
    del world.commands[7]
    _no_effect(world)
    world.shadows.clear()
    assert world.judged().lost == ("7",)


def test_a_record_that_cannot_be_read_is_lost_by_its_position_unless_it_is_a_dead_letter() -> None:
    where = place(DISPATCH_PRODUCTS, 3, 5)
    world = draft([])
    world.unreadable.add(where)
    assert world.judged().ok
    world.passed["warehouse"][log_of(where)] = 6
    assert world.judged().lost == ("dispatch_products:3:5",)
    world.dead["warehouse"].add(where)
    verdict = world.judged()
    assert (verdict.ok, verdict.accepted, verdict.unreadable) == (True, 0, 1)


def test_an_unreadable_fact_owes_a_dead_letter_of_every_group() -> None:
    where = place(ORDERS, 0, 0)
    world = draft([])
    world.unreadable.add(where)
    for group in world.passed:
        world.passed[group][log_of(where)] = 1
        world.dead[group].add(where)
    assert world.judged().ok
    world.dead["sales"].clear()
    assert world.judged().lost == ("orders:0:0",)


def test_an_effect_of_a_record_that_only_the_consumer_could_read_is_no_phantom() -> None:
    world = draft([EVENT])
    world.unreadable.add(world.facts.pop(7)[0].place)
    verdict = world.judged()
    assert (verdict.phantom, verdict.lost) == ((), ())


def test_an_effect_whose_record_was_cleaned_is_aged_and_not_a_phantom() -> None:
    world = draft([COMMAND])
    [command] = world.commands.pop(7)
    world.starts[log_of(command.place)] = offset_of(command.place) + 1
    verdict = world.judged()
    assert (verdict.ok, verdict.accepted, verdict.aged, verdict.dispatched) == (True, 0, 1, 1)


def test_a_conflict_that_is_a_dead_letter_is_different_and_not_lost() -> None:
    world = draft([COMMAND])
    [command] = world.commands[7]
    second = Seen(command.place + (1 << 24), 99)
    world.commands[7] = (command, second)
    world.reach("warehouse", DEAD, second.place)
    verdict = world.judged()
    assert (verdict.different, verdict.lost, verdict.dead) == (("7",), (), 0)
    world.dead["warehouse"].clear()
    assert world.judged().lost == ("7",)


def test_the_same_order_told_again_is_a_known_duplicate() -> None:
    world = draft([COMMAND])
    [command] = world.commands[7]
    again = command._replace(place=command.place + (1 << 24))
    world.commands[7] = (command, again)
    world.passed["warehouse"][log_of(again.place)] = offset_of(again.place) + 1
    verdict = world.judged()
    assert (verdict.ok, verdict.accepted, verdict.commands, verdict.dispatched) == (True, 1, 1, 1)


def test_a_record_that_was_sent_again_is_no_phantom() -> None:
    world = draft([EVENT])
    [effect] = world.effects["warehouse"][7]
    world.effects["warehouse"][7] = (effect._replace(place=place("warehouse.orders.retry", 2, 0)),)
    world.passed["warehouse"][log_of(place("warehouse.orders.retry", 2, 0))] = 1
    assert world.judged().ok


@given(
    st.sampled_from([DISPATCH_PRODUCTS, ORDERS, "sales.orders.retry"]),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**48),
)
def test_a_place_keeps_topic_partition_and_offset(topic: str, partition: int, offset: int) -> None:
    assert text_of(place(topic, partition, offset)) == f"{topic}:{partition}:{offset}"


def test_orders_are_listed_by_number() -> None:
    orders = [EVENT._replace(order_id=number) for number in (30, -4, 200)]
    world = draft(orders)
    world.effects["sales"].clear()
    assert world.judged().lost == ("-4", "30", "200")
