"""A reaction with a state and what the runtime would do for it, in memory: one order's life. Pure.

Records are decided one by one by `decide_with_states`; a delivery is answered when the test says so.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clients.records import ProducerRecord
from consumers.runtime.contract import Outgoing
from consumers.runtime.decide_states import decide_with_states
from consumers.runtime.order_states import Application, KnownStates, StoredState, from_json
from consumers.runtime.plan import DeliveryTask, Plan
from consumers.runtime.reaction import AnyReaction, DeliveryAnswer
from consumers.runtime.records import Decoded, EffectRow, KnownEffect
from schemas.envelope import Envelope
from schemas.errors import Position, RecordError
from schemas.framing import encode_key
from schemas.timers import TimerDue
from tests.support.consumers.records import NOW, context, policy, record


@dataclass
class OrderLife:
    """One order at one reaction.

    Attributes:
        reaction: whose.
        now: the clock, ms; a test moves it.
        told: what the reaction has returned.
        dead: errors of records that went to the dead letters.
        under_way: deliveries that are not answered.
        timers: by name, when they are due.
        state, effects: as the store has them.
    """

    reaction: AnyReaction
    now: int = NOW
    told: list[Outgoing] = field(default_factory=list)
    dead: list[RecordError] = field(default_factory=list)
    under_way: list[DeliveryTask] = field(default_factory=list)
    timers: dict[str, int] = field(default_factory=dict)
    state: Any = None
    effects: dict[tuple[int, str], KnownEffect] = field(default_factory=dict)
    records: dict[Position, Decoded] = field(default_factory=dict)
    version: int = 0
    applied: set[Application] = field(default_factory=set)

    def hear(self, message: Any, *, expires_at: int | None = None, topic: str = "records") -> Decoded:
        """A record arrives."""
        position = Position(topic, 0, len(self.records))
        envelope = Envelope(f"id-{position}", f"order-{message[0]}", expires_at=expires_at)
        item = Decoded(record(position, key=encode_key(message[0])), message[0], message, envelope)
        self.records[position] = item
        self.hear_again(item)
        return item

    def hear_again(self, item: Decoded) -> None:
        """The same record once more, as after a crash."""
        self._decide(items=[item])

    def answer(self, text: str | None) -> None:
        """The oldest delivery under way is answered; None: nobody knows how it ended."""
        task = self.under_way.pop(0)
        item = self.records[task.record.position]
        self._decide(answers=[item._replace(message=DeliveryAnswer(item.order_id, task.effect, text))])

    def fire(self, name: str, order_id: int = 7) -> None:
        """A timer's record arrives, now or when it is due."""
        due_at = self.timers.pop(name, self.now)
        self.now = max(self.now, due_at)
        self.hear(TimerDue(order_id, name, due_at))

    def settle(self, answer: Callable[[DeliveryTask], str | None]) -> None:
        """Answer deliveries and fire timers until nothing is left to do."""
        for _ in range(1_000):
            if self.under_way:
                self.answer(answer(self.under_way[0]))
            elif self.timers:
                self.fire(min(self.timers, key=lambda name: self.timers[name]))
            else:
                return
        raise AssertionError(f"it does not end: {self.state}")

    def _decide(self, items: Any = (), answers: Any = ()) -> None:
        order_id = (*items, *answers)[0].order_id
        states = {} if self.state is None else {order_id: StoredState(self.version, self.state)}
        rendered: list[Outgoing] = []

        def render(outgoing: Outgoing, _cause: Decoded) -> ProducerRecord:
            rendered.append(outgoing)
            return ProducerRecord("", b"", b"", [])

        plan = decide_with_states(
            items,
            answers=answers,
            effects=self.effects,
            known=KnownStates(states=states, applied=frozenset(self.applied)),
            results_upto={},
            context=context(now=self.now),
            rules=policy(self.reaction, render=render),
            attempts={},
        )
        self.told += rendered
        self._carry_out(plan)

    def _carry_out(self, plan: Plan) -> None:
        self.dead += [dead.error for dead in plan.dead]
        for row in (*plan.effects, *plan.changed):
            self.effects[row.order_id, row.effect] = _known(row)
        for change in plan.states:
            assert self.reaction.state is not None
            self.version, self.state = change.version, from_json(self.reaction.state, change.state)
            self.applied.add(Application(change.position, change.message))
        for timer in plan.timers:
            self.timers.pop(timer.name, None)
            if timer.due_at is not None:
                self.timers[timer.name] = timer.due_at
        known = {task.intention for task in self.under_way}
        self.under_way += [task for task in plan.deliveries if task.intention not in known]


def _known(row: EffectRow) -> KnownEffect:
    position = Position(row.source_topic, row.source_partition, row.source_offset)
    return KnownEffect(row.outcome, row.input, position, row.detail)
