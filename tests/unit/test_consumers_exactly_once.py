"""Exactly once, over any history: `decide` against a model of the store and of Kafka, with crashes.

The world below does what `Member` does, in its order, and may stop between any two steps; the batch then
comes again, cut in another way. What Kafka and the store hold at the end is compared with what the history
of records promises.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clients.records import ProducerRecord
from consumers.runtime.contract import canonical
from consumers.runtime.decide import decide
from consumers.runtime.records import Committed, Decoded, EffectRow, KnownEffect, Partition, Progress
from consumers.runtime.starting_offset import starting_offset
from schemas.commands import DispatchProduct
from schemas.errors import ConflictingOrder, ForeignFact, Position
from schemas.facts import OrderPlaced
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.records import NOW, command, context, fact, policy, shadow

IDS = (-(2**63), -1, 0, 12_004, 2**62 + 3, 2**63 - 1)
ADDRESSES = ("1 Streetford Road", "2 Roadford Avenue", "", " \t", "x" * 501, "y" * 1_001, "y" * 1_002)
CRASHES = ("no", "no", "before the store", "after the store", "after Kafka")
BOTH: tuple[Partition, Partition] = ((DISPATCH_PRODUCTS, 0), (ORDERS, 0))


class Order(NamedTuple):
    """One record of the history, before it has an offset."""

    kind: str
    order_id: int
    address: str | None
    late: bool

    def at(self, offset: int) -> Decoded:
        deadline = NOW - 3_600_000 if self.late else None
        if self.kind == "command":
            return command(self.order_id, self.address, at=offset, expires_at=deadline)
        make = shadow if self.kind == "shadow" else fact
        epoch = 0 if self.kind == "foreign" else 1
        address = self.address or ""
        return make(self.order_id, address, at=offset, dispatch_before=deadline, mode_epoch=epoch)


class Step(NamedTuple):
    """One batch: how much of each topic it takes, which topic comes first, and where it is cut off."""

    commands: int
    facts: int
    facts_first: bool
    crash: str


orders = st.builds(
    Order,
    st.sampled_from(["command", "command", "fact", "shadow", "foreign"]),
    st.sampled_from(IDS),
    st.none() | st.sampled_from(ADDRESSES),
    st.booleans(),
)
histories = st.lists(orders, max_size=14)
steps = st.lists(
    st.builds(Step, st.integers(0, 4), st.integers(0, 4), st.booleans(), st.sampled_from(CRASHES)),
    max_size=12,
)
TO_THE_END = (Step(99, 99, False, "no"),)


@dataclass
class World:
    """The store, Kafka, and a member that may die at any step."""

    log: dict[Partition, list[Decoded]]
    effects: dict[tuple[int, str], tuple[KnownEffect, EffectRow]] = field(default_factory=dict)
    shadows: dict[tuple[int, str], EffectRow] = field(default_factory=dict)
    stored: dict[Position, list[ProducerRecord]] = field(default_factory=dict)
    progress: dict[Partition, Progress] = field(default_factory=dict)
    committed: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(BOTH, 0))
    sent: list[ProducerRecord] = field(default_factory=list)
    dead: list[tuple[Position, type]] = field(default_factory=list)
    duplicates: int = 0
    at: dict[Partition, int] = field(default_factory=dict)
    sent_upto: dict[Partition, int] = field(default_factory=dict)

    def start(self) -> None:
        """Read on as a newly assigned member does."""
        for each in BOTH:
            known = self.progress.get(each, Progress(0, 0, started=True))
            found = starting_offset(
                each, Committed(self.committed[each], "s"), known, group="g", store_id="s", first=0
            )
            self.at[each] = self.sent_upto[each] = found.offset

    def take(self, step: Step) -> None:
        if not self._finish(self._read(step), step.crash):
            self.start()

    def _read(self, step: Step) -> list[Decoded]:
        cut = dict(zip(BOTH, (step.commands, step.facts), strict=True))
        parts = [self.log[each][self.at[each] : self.at[each] + cut[each]] for each in BOTH]
        return [item for part in (reversed(parts) if step.facts_first else parts) for item in part]

    def _finish(self, batch: Sequence[Decoded], crash: str) -> bool:
        known = {key: known for key, (known, _) in self.effects.items()}
        plan = decide(batch, known, self.sent_upto, context(), policy())
        if crash == "before the store":
            return False
        positions = dict(self.at)
        for item in batch:
            positions[item.record.position[:2]] = item.record.position.offset + 1
        self._store(plan.effects, plan.shadows, plan.results, positions)
        if crash == "after the store":
            return False
        self.sent += [out for _, out in plan.results]
        self.sent += [out for where in plan.resends for out in self.stored[where]]
        self.dead += [(each.record.position, type(each.error)) for each in plan.dead]
        self.committed.update(positions)
        if crash == "after Kafka":
            return False
        self.duplicates += plan.duplicates
        self.at.update(positions)
        self.sent_upto.update(positions)
        return True

    def _store(
        self,
        effects: list[EffectRow],
        shadows: list[EffectRow],
        results: list[tuple[Position, ProducerRecord]],
        positions: dict[Partition, int],
    ) -> None:
        for row in effects:
            where = Position(row.source_topic, row.source_partition, row.source_offset)
            assert (row.order_id, row.effect) not in self.effects, "an effect key was taken twice"
            self.effects[row.order_id, row.effect] = KnownEffect(row.outcome, row.input, where), row
        for row in shadows:
            self.shadows.setdefault((row.order_id, row.effect), row)
        for where, out in results:
            self.stored.setdefault(where, []).append(out)
        for each, position in positions.items():
            self.progress[each] = Progress(position, self.sent_upto[each], started=True)
            for where in [w for w in self.stored if w[:2] == each and w.offset < self.sent_upto[each]]:
                del self.stored[where]


def world(history: Sequence[Order]) -> World:
    logs: dict[Partition, list[Decoded]] = {each: [] for each in BOTH}
    for order in history:
        log = logs[BOTH[0] if order.kind == "command" else BOTH[1]]
        log.append(order.at(len(log)))
    made = World(logs)
    made.start()
    return made


def deciding(history: Sequence[Order]) -> list[Order]:
    """The records that may take an effect key."""
    return [each for each in history if each.kind in ("command", "fact")]


def content(order: Order) -> str | None:
    return canonical(order.address if order.kind == "command" else order.address or "")


@given(histories, steps)
@settings(max_examples=400, deadline=None)
def test_every_order_has_one_terminal_effect_whatever_crashes(
    history: list[Order], steps: list[Step]
) -> None:
    here = world(history)
    for step in (*steps, *TO_THE_END):
        here.take(step)
    assert {order_id for order_id, _ in here.effects} == {each.order_id for each in deciding(history)}
    for (order_id, _), (known, _) in here.effects.items():
        assert known.input in {content(each) for each in deciding(history) if each.order_id == order_id}


@given(histories, steps)
@settings(max_examples=400, deadline=None)
def test_every_effect_has_one_result_and_every_dead_record_one_letter(
    history: list[Order], steps: list[Step]
) -> None:
    here = world(history)
    for step in (*steps, *TO_THE_END):
        here.take(step)
    ids = Counter(dict(out.headers)["ce_id"] for out in here.sent)
    assert all(times == 1 for times in ids.values()), "a result was sent twice"
    assert {str(name).split("/")[0] for name in ids} == {str(order_id) for order_id, _ in here.effects}
    assert all(times == 1 for times in Counter(here.dead).values()), "a dead letter was sent twice"


@given(histories, steps)
@settings(max_examples=400, deadline=None)
def test_equal_content_is_a_duplicate_and_other_content_a_dead_letter(
    history: list[Order], steps: list[Step]
) -> None:
    here = world(history)
    for step in (*steps, *TO_THE_END):
        here.take(step)
    expected: set[tuple[Position, type]] = set()
    for item in (*here.log[BOTH[0]], *here.log[BOTH[1]]):
        message, where = item.message, item.record.position
        assert isinstance(message, DispatchProduct | OrderPlaced)
        if isinstance(message, OrderPlaced) and message.mode_epoch == 0:
            expected.add((where, ForeignFact))
        elif isinstance(message, DispatchProduct) or not message.shadow_of:
            known, _ = here.effects[item.order_id, "dispatch"]
            if known.input != canonical(message.address):
                expected.add((where, ConflictingOrder))
    assert set(here.dead) == expected


@given(histories, steps)
@settings(max_examples=300, deadline=None)
def test_a_shadow_fact_never_takes_the_key(history: list[Order], steps: list[Step]) -> None:
    here = world(history)
    for step in (*steps, *TO_THE_END):
        here.take(step)
    assert {order_id for order_id, _ in here.shadows} == {
        each.order_id for each in history if each.kind == "shadow"
    }
    for _, row in here.effects.values():
        made_by = here.log[row.source_topic, row.source_partition][row.source_offset].message
        assert isinstance(made_by, DispatchProduct) or not (
            isinstance(made_by, OrderPlaced) and made_by.shadow_of
        )


@given(histories, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_without_conflicts_the_order_of_arrival_decides_nothing(history: list[Order], chance: object) -> None:
    assume(all(len({content(e) for e in history if e.order_id == i}) <= 1 for i in IDS))
    shuffled = list(history)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands over a random.Random
    here, there = world(history), world(shuffled)
    here.take(TO_THE_END[0])
    there.take(TO_THE_END[0])
    assert here.effects.keys() == there.effects.keys()


@given(histories)
@settings(max_examples=200, deadline=None)
def test_carrying_a_plan_out_twice_changes_nothing(history: list[Order]) -> None:
    here = world(history)
    here.take(TO_THE_END[0]._replace(crash="after the store"))
    once = dict(here.effects), dict(here.shadows), {where: list(each) for where, each in here.stored.items()}
    here.take(TO_THE_END[0]._replace(crash="after the store"))
    assert (here.effects, here.shadows, here.stored) == once
    assert here.sent == []
