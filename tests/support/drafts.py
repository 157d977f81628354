"""Evidence for the reconciliation: drawn by hypothesis, consistent until a test changes them. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

from operations.verify.evidence import (
    FLOW_READS,
    READS,
    Offsets,
    OrderRecord,
    OrderResult,
    Partition,
    StoredEffect,
)
from operations.verify.reconcile import reconcile
from operations.verify.reconciliation import Reconciliation
from operations.verify.workspace import Workspace, workspace
from schemas.errors import Position
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

KNOWN = {**FLOW_READS, **READS}
PASSED, DEAD, AHEAD = "passed", "dead", "ahead"
T = TypeVar("T")


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
    """Evidence in the making: what a workspace is filled with, to be changed by faults."""

    commands: dict[int, tuple[OrderRecord, ...]] = field(default_factory=dict)
    facts: dict[int, tuple[OrderRecord, ...]] = field(default_factory=dict)
    steps: dict[int, tuple[OrderRecord, ...]] = field(default_factory=dict)
    unreadable: set[Position] = field(default_factory=set)
    results: dict[int, tuple[OrderResult, ...]] = field(default_factory=dict)
    dead: dict[str, set[Position]] = field(default_factory=lambda: _per_group(set))
    discarded: dict[str, set[Position]] = field(default_factory=lambda: _per_group(set))
    redriven: dict[str, dict[Position, Position]] = field(default_factory=lambda: _per_group(dict))
    retried: set[Position] = field(default_factory=set)
    passed: dict[str, dict[Partition, int]] = field(default_factory=lambda: _per_group(dict))
    starts: dict[Partition, int] = field(default_factory=dict)
    latest: dict[str, dict[Partition, int]] = field(default_factory=lambda: _per_group(dict))
    effects: dict[str, dict[int, tuple[StoredEffect, ...]]] = field(default_factory=lambda: _per_group(dict))
    shadows: dict[int, StoredEffect] = field(default_factory=dict)

    def with_reaction(self, group: str) -> "Draft":
        """The same, and a further group that reads orders and has come to none of them."""
        self.dead[group], self.discarded[group], self.redriven[group] = set(), set(), {}
        self.passed[group], self.latest[group], self.effects[group] = {}, {}, {}
        return self

    def reconciled(self) -> Reconciliation:
        letters = {group: len(origins) for group, origins in self.dead.items()}
        with workspace() as evidence:
            self.fill(evidence)
            further = {group: (ORDERS,) for group in self.passed if group not in KNOWN}
            offsets = Offsets(self.passed, self.starts, self.latest)
            return reconcile(evidence, offsets, letters, {**KNOWN, **further})

    def fill(self, evidence: Workspace) -> None:
        """Write it down in the order of reading."""
        evidence.add_results(each_of(self.results))
        for group, effects in self.effects.items():
            evidence.add_effects(group, each_of(effects))
        evidence.add_effects("warehouse", self.shadows.items(), shadow=True)
        for position in self.retried:
            evidence.add_retried(position)
        for group in self.dead:
            for origin in self.dead[group]:
                evidence.add_failure(group, origin, "dead")
            for origin in self.discarded[group]:
                evidence.add_failure(group, origin, "discarded")
            for origin, again in self.redriven[group].items():
                evidence.add_failure(group, origin, "redriven", again)
        evidence.add_records(each_of(self.commands))
        evidence.add_records(each_of(self.steps))
        evidence.add_records(each_of(self.facts))
        evidence.add_unreadable((position, "MalformedBody") for position in self.unreadable)

    def redrive(self, group: str, origin: Position, again: Position) -> None:
        """An operator sends a dead letter to its group once more; the group is not there yet."""
        self.dead[group].discard(origin)
        self.redriven[group][origin] = again
        self.retried.add(again)

    def discard(self, group: str, origin: Position) -> None:
        """An operator decides that nothing more is done about a dead letter."""
        self.dead[group].discard(origin)
        self.discarded[group].add(origin)

    def reach(self, group: str, stage: str, position: Position) -> bool:
        """Let a group come to a record; whether it made an effect of it."""
        if stage != AHEAD:
            self.passed[group][position.topic_partition] = position.offset + 1
        if stage == DEAD:
            self.dead[group].add(position)
        return stage == PASSED


def each_of(by_order: Mapping[int, tuple[T, ...]]) -> Iterator[tuple[int, T]]:
    """Every value with its order id."""
    return ((order_id, value) for order_id, values in by_order.items() for value in values)


def following(position: Position) -> Position:
    """The next place on the same partition."""
    return position._replace(offset=position.offset + 1)


def _per_group(kind: type[Any]) -> dict[str, Any]:
    return {group: kind() for group in KNOWN}


def draft(orders: list[Order]) -> Draft:
    """A consistent world: what was drawn, done right. Every record has a partition of its own."""
    world = Draft()
    for number, order in enumerate(orders):
        command = Position(DISPATCH_PRODUCTS, number, order.offset)
        fact = Position(ORDERS, number, order.offset)
        if order.kind != "event":
            world.commands[order.order_id] = (OrderRecord(command, order.address),)
        if order.kind != "command":
            contents = (order.address, order.email, order.phone, order.sale)
            world.facts[order.order_id] = (OrderRecord(fact, *contents, order.kind == "event"),)
            _react(world, order, fact)
        deciding = fact if order.kind == "event" else command
        if world.reach("warehouse", order.warehouse, deciding):
            world.effects["warehouse"][order.order_id] = (
                StoredEffect("dispatch", order.outcome, order.address, deciding),
            )
            answered = order.address if order.outcome == "dispatched" else 0
            world.results[order.order_id] = (OrderResult(order.outcome, answered),)
        if order.kind == "shadow" and world.reach("warehouse", order.warehouse, fact):
            world.shadows[order.order_id] = StoredEffect("dispatch", order.outcome, order.address, fact)
    return world


def _react(world: Draft, order: Order, fact: Position) -> None:
    if world.reach("notification", order.notification, fact):
        rows = [
            StoredEffect(name, "done", content, fact)
            for name, content in (("email", order.email), ("text", order.phone))
            if content
        ]
        if rows:
            world.effects["notification"][order.order_id] = tuple(rows)
    if world.reach("sales", order.sales, fact):
        world.effects["sales"][order.order_id] = (StoredEffect("sale", "counted", order.sale, fact),)


digests = st.integers(min_value=1, max_value=2**63 - 1) | st.integers(min_value=-(2**63), max_value=-1)
stages = st.sampled_from([PASSED, PASSED, DEAD, AHEAD])
drawn = st.builds(
    Order,
    order_id=st.integers(min_value=-(2**63), max_value=2**63 - 1),
    kind=st.sampled_from(["command", "shadow", "event"]),
    offset=st.integers(min_value=0, max_value=2**62),
    address=digests,
    email=st.just(0) | digests,
    phone=st.just(0) | digests,
    sale=digests,
    outcome=st.sampled_from(["dispatched", "expired", "rejected"]),
    warehouse=stages,
    notification=stages,
    sales=stages,
)
several = st.lists(drawn, max_size=12, unique_by=lambda order: order.order_id)

ONE = Order(7, "shadow", 4, 11, 12, 13, 14, "dispatched", PASSED, PASSED, PASSED)
EVENT = ONE._replace(kind="event")
COMMAND = ONE._replace(kind="command")


def no_effect(world: Draft) -> None:
    del world.effects["warehouse"][7]
    del world.results[7]


def no_result(world: Draft) -> None:
    del world.results[7]
