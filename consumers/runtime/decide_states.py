"""What a batch amounts to where the reaction has a state (design §10). Pure; see `decide` for the rest.

a message that is in the history of its order's state    results again, deliveries until they are done
any other message                                        applied to the state, and takes the next number
the answer to a delivery                                 applied too; its effect is intended no more
an effect that is unresolved                             may be taken up again by another record (P19)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from clients.records import ProducerRecord
from consumers.runtime.contract import Outgoing
from consumers.runtime.decide import INTENDED, Decision, DecisionRules, effect_row
from consumers.runtime.failures.ordering import OrderSequencer
from consumers.runtime.order_states import (
    Application,
    KnownStates,
    StateChange,
    StoredState,
    TimerChange,
    delivery_from_json,
    delivery_to_json,
    to_json,
)
from consumers.runtime.plan import DeliveryTask, Plan
from consumers.runtime.reaction import BrokenReaction, Context, Delivery, DeliveryAnswer, Effect
from consumers.runtime.records import Attempts, Decoded, Item, KnownEffect, Partition
from schemas.errors import Position, RecordError

UNRESOLVED = "unresolved"
"""The outcome of an effect of which nobody knows whether it came about."""


def decide_with_states(
    items: Sequence[Item],
    *,
    answers: Sequence[Decoded],
    effects: Mapping[tuple[int, str], KnownEffect],
    known: KnownStates,
    results_upto: Mapping[Partition, int],
    context: Context,
    rules: DecisionRules,
    attempts: Mapping[Position, Attempts],
) -> Plan:
    """Turn messages into a plan, as `decide`.

    Args:
        items: as `decide`.
        answers: to deliveries, each with the record that caused it; they come before everything else.
        effects: as `decide`, also for the orders of the answers.
        known: what the store has of all these orders' states.
        results_upto: as `decide`.
        context: as `decide`.
        rules: as `decide`.
        attempts: as `decide`.

    Raises:
        BrokenReaction, Unreachable: as `decide`.
    """
    decision = _StatefulDecision(
        effects=dict(effects),
        results_upto=results_upto,
        context=context,
        rules=rules,
        plan=Plan(),
        states=dict(known.states),
        applied={*known.applied},
        intended=_intended(effects),
        may_change=bool(answers) or any(effect.outcome == UNRESOLVED for effect in effects.values()),
    )
    for answer in answers:
        decision.take_answer(answer)
    sequencer = OrderSequencer(decision, rules.retry_policy, context.now, attempts)
    for item in items:
        sequencer.take(item)
    return decision.plan


@dataclass(slots=True)
class _StatefulDecision(Decision):
    """A batch half decided; states and history grow with each message.

    Most messages of most flows change no state: for them it costs next to nothing.

    Attributes:
        states, applied: what the store has, and what this batch adds.
        intended: see `_intended`.
        may_change: whether any effect that is there may become something else.
    """

    states: dict[int, StoredState] = field(default_factory=dict)
    applied: set[Application] = field(default_factory=set)
    intended: dict[Position, list[tuple[int, str]]] = field(default_factory=dict)
    may_change: bool = False

    def take(self, item: Item) -> RecordError | None:
        """See `Decision`."""
        if self.applied and type(item) is Decoded and _application(item) in self.applied:
            self._repeat(item)
            return None
        return Decision.take(self, item)

    def take_answer(self, item: Decoded) -> None:
        """Apply the answer to a delivery, once.

        Raises:
            BrokenReaction: the reaction cannot handle it. No record is at fault, and the answer is not lost:
                the delivery stays intended, and is made again under the same key.
        """
        if _application(item) in self.applied:
            return
        deliveries = len(self.plan.deliveries)
        error = Decision.take(self, item)
        if error is not None or len(self.plan.deliveries) > deliveries:
            why = error or "it begins another delivery"
            raise BrokenReaction(f"{self.rules.reaction.name} cannot handle the answer to a delivery: {why}")

    def react(self, item: Decoded) -> tuple[Sequence[Outgoing], list[Effect]]:
        """See `Decision`; with the order's state, and with its deliveries as text."""
        outgoing, effects = Decision.react(self, item)
        if self.context.saved:
            effects = [
                effect._replace(detail=delivery_to_json(effect.delivery)) if effect.delivery else effect
                for effect in effects
            ]
        elif self.context.timers:
            raise BrokenReaction(f"{self.rules.reaction.name} sets a timer without saving a state")
        return outgoing, effects

    def state_of(self, order_id: int) -> Any:
        """See `Decision`."""
        stored = self.states.get(order_id)
        return None if stored is None else stored.state

    def conflict(
        self, item: Decoded, effects: Sequence[Effect], known: Sequence[KnownEffect | None]
    ) -> RecordError | None:
        """See `Decision`; an answer is about the effect that is there, whatever its input."""
        if self.may_change and isinstance(item.message, DeliveryAnswer):
            return None
        return Decision.conflict(self, item, effects, known)

    def unfinished(
        self, item: Decoded, effects: Sequence[Effect], known: Sequence[KnownEffect | None]
    ) -> list[tuple[str, Delivery]]:
        """See `Decision`; also deliveries of effects that are taken up again."""
        if not self.may_change:
            return Decision.unfinished(self, item, effects, known)
        again = [
            (effect.name, effect.delivery)
            for effect, earlier in zip(effects, known, strict=True)
            if effect.delivery is not None and _changes(item, effect, earlier)
        ]
        return Decision.unfinished(self, item, effects, known) + again

    def answer(
        self,
        item: Decoded,
        outgoing: Sequence[Outgoing],
        effects: Sequence[Effect],
        known: Sequence[KnownEffect | None],
        *,
        delivers: bool,
    ) -> tuple[ProducerRecord, ...]:
        """See `Decision`; also what an effect causes that is taken up again."""
        if delivers and outgoing:
            # A record that comes again makes its deliveries, and is not given to the reaction.
            raise BrokenReaction(
                f"{self.rules.reaction.name} returns something with a delivery: let it come with the answer"
            )
        if self.may_change and any(map(_changes, repeat(item), effects, known)):
            position = item.record.position
            self.plan.results += [(position, record) for record in self.rendered(item, outgoing)]
            return ()
        return Decision.answer(self, item, outgoing, effects, known, delivers=delivers)

    def make(self, item: Decoded, effects: Sequence[Effect], known: Sequence[KnownEffect | None]) -> None:
        """See `Decision`; also effects that become something else, and the message's place in the history."""
        Decision.make(self, item, effects, known)
        for effect, earlier in zip(effects, known, strict=True) if self.may_change else ():
            if _changes(item, effect, earlier):
                self.plan.changed.append(effect_row(effect, item, self.context.now))
                self.know(item, effect)
        if self.context.saved or (self.may_change and isinstance(item.message, DeliveryAnswer)):
            self._apply(item)

    def _apply(self, item: Decoded) -> None:
        context, order_id = self.context, item.order_id
        if context.state is None:
            raise BrokenReaction(f"{self.rules.reaction.name} makes a delivery without saving a state")
        before = self.states.get(order_id, StoredState(0, None))
        self.states[order_id] = StoredState(before.version + 1, context.state)
        self.applied.add(_application(item))
        self.plan.states.append(
            StateChange(
                order_id,
                before.version + 1,
                context.state.status,
                to_json(context.state),
                type(item.message).__name__,
                item.envelope.message_id,
                item.record.position,
                context.now,
            )
        )
        envelope = item.envelope
        self.plan.timers += [
            TimerChange(order_id, name, due_at, envelope.correlation_id, envelope.message_id)
            for name, due_at in context.timers.items()
        ]

    def _repeat(self, item: Decoded) -> None:
        """A message that has been applied: what it caused is finished, and nothing is caused again."""
        position = item.record.position
        self.resend_stored(position)
        for order_id, name in self.intended.get(position, ()):
            detail = self.effects[order_id, name].detail
            delivery = delivery_from_json(detail or "")
            self.plan.deliveries.append(DeliveryTask(order_id, name, item.record, delivery))


def _application(item: Decoded) -> Application:
    return Application(item.record.position, type(item.message).__name__)


def _changes(item: Decoded, effect: Effect, earlier: KnownEffect | None) -> bool:
    """Whether an effect that is there gets another outcome."""
    if earlier is None:
        return False
    if isinstance(item.message, DeliveryAnswer):
        return earlier.outcome == INTENDED and earlier.origin == item.record.position
    return earlier.outcome == UNRESOLVED and effect.outcome != UNRESOLVED


def _intended(effects: Mapping[tuple[int, str], KnownEffect]) -> dict[Position, list[tuple[int, str]]]:
    """Effects whose deliveries are to be made, by the record that caused them."""
    intended: dict[Position, list[tuple[int, str]]] = {}
    for key, effect in effects.items():
        if effect.outcome == INTENDED:
            intended.setdefault(effect.origin, []).append(key)
    return intended
