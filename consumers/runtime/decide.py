"""What a batch of messages amounts to, decided without I/O (design §6 and §7, points 2, 3, 6, 7 and 9).

For each message, in the order of the batch:

    a fact from outside any mode, at a reaction that replaces a command   dead letter
    a fact whose order is decided by its command                          only recorded
    an effect that exists with other input                                dead letter, no effect at all
    an effect that exists, made by this very record                       results again, unless Kafka has them
    an effect that is intended by this very record, and not done          its delivery once more
    an effect that exists, made by another record                         duplicate: nothing
    otherwise                                                             effect; results or deliveries
    whatever raises an error                                              what `retry_policy` says

Where a record has deliveries, its results go with them: a result says what is done, and an intention that is
taken back leaves none (invariant 11).

Not here: what a reaction that has a state adds (`decide_states`), and which records wait for others of their
order (`failures.ordering`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from clients.records import ProducerRecord
from consumers.runtime.contract import Outgoing, canonical, check_guarded, check_outgoing
from consumers.runtime.failures.ordering import OrderSequencer
from consumers.runtime.plan import DeliveryTask, Plan
from consumers.runtime.reaction import MAX_INPUT, AnyReaction, BrokenReaction, Context, Delivery, Effect
from consumers.runtime.records import (
    Attempts,
    Decoded,
    EffectRow,
    FailedRecord,
    Item,
    KnownEffect,
    Partition,
    Via,
    without_frames,
)
from consumers.runtime.retry_policy import RetryPolicy
from schemas.commands import COMMAND_TYPES
from schemas.errors import (
    ConflictingOrder,
    ForeignFact,
    Position,
    ReactionFailed,
    RecordError,
    Unreachable,
)
from schemas.facts import OrderPlaced

INTENDED = "intended"

_NEVER_FAILED: Mapping[Position, Attempts] = MappingProxyType({})

Render = Callable[[Outgoing, Decoded], ProducerRecord]
"""Makes the record of a fact or command that a message causes."""


@dataclass(frozen=True, kw_only=True)
class DecisionRules:
    """What decides besides the messages themselves.

    Attributes:
        reaction: whose batch it is.
        act_on_foreign: whether facts from outside any mode are acted on (`CEV_FOREIGN_FACTS=act`).
        render: makes result records.
        retry_policy: what happens to a record that fails.
    """

    reaction: AnyReaction
    act_on_foreign: bool
    render: Render
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)


def decide(
    items: Sequence[Item],
    effects: Mapping[tuple[int, str], KnownEffect],
    results_upto: Mapping[Partition, int],
    context: Context,
    rules: DecisionRules,
    *,
    attempts: Mapping[Position, Attempts] = _NEVER_FAILED,
) -> Plan:
    """Turn messages into a plan.

    Args:
        items: the unsettled records of a batch, in its order.
        effects: what the store has for their orders, by order id and effect.
        results_upto: per partition, the offset below which results are known to be in Kafka.
        context: clock and settings; its envelope and effects are overwritten.
        rules: the reaction, how it answers, and how often a record is tried.
        attempts: of records that failed before, how often and when they are tried next.

    Returns:
        The plan; carrying it out twice, with what the store then knows, changes nothing.

    Raises:
        BrokenReaction: the reaction breaks its contract, whatever the record.
        Unreachable: something that it needs is down; nothing was decided.
    """
    decision = Decision(dict(effects), results_upto, context, rules, Plan())
    sequencer = OrderSequencer(decision, rules.retry_policy, context.now, attempts)
    for item in items:
        sequencer.take(item)
    return decision.plan


@dataclass(slots=True)
class Decision:
    """A batch half decided. The known effects grow with each message, so a batch may repeat itself."""

    effects: dict[tuple[int, str], KnownEffect]
    results_upto: Mapping[Partition, int]
    context: Context
    rules: DecisionRules
    plan: Plan

    def take(self, item: Item) -> RecordError | None:
        """Put what an item causes into the plan, or say why it causes nothing."""
        if type(item) is Decoded:
            return self._take_message(item)
        if type(item) is FailedRecord:
            return item.error
        self.plan.discarded += 1
        return None

    def _take_message(self, item: Decoded) -> RecordError | None:
        """Put what a message causes into the plan; or say why it causes nothing (invariant 7)."""
        message, replaced = item.message, self.rules.reaction.replaces
        shadowed = False
        if replaced is not None and isinstance(message, OrderPlaced):
            if message.mode_epoch == 0 and not self.rules.act_on_foreign:
                return ForeignFact(_FOREIGN, item.record.position)
            shadowed = replaced in message.shadow_of
        try:
            outgoing, effects = self.react(item)
            if shadowed:
                # Its command decides: this takes no effect key (design §6, invariant 2).
                self.plan.shadows += [effect_row(effect, item, self.context.now) for effect in effects]
                return None
            known = [self.effects.get((item.order_id, effect.name)) for effect in effects]
            if conflict := self.conflict(item, effects, known):
                return conflict
            deliveries = self.unfinished(item, effects, known)
            results = self.answer(item, outgoing, effects, known, delivers=bool(deliveries))
        except (BrokenReaction, Unreachable):
            raise  # no record is at fault: none may become a dead letter (invariants 8 and 12)
        except RecordError as error:
            return without_frames(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is about this record and no other
            return ReactionFailed(
                f"{self.rules.reaction.name} failed with {type(error).__name__}: {error}",
                item.record.position,
            )
        self.make(item, effects, known)
        self.plan.deliveries += [
            DeliveryTask(item.order_id, name, item.record, delivery, results) for name, delivery in deliveries
        ]
        self._name_unread_expiry(item, known)
        return None

    def react(self, item: Decoded) -> tuple[Sequence[Outgoing], list[Effect]]:
        """What the reaction returns and records."""
        self.context.begin(
            item.envelope, item.record.position, item.record.timestamp, self.state_of(item.order_id)
        )
        outgoing = self.rules.reaction.react(item.message, self.context)
        check_guarded(self.rules.reaction.name, outgoing, self.context.effects)
        return outgoing, [
            effect
            if effect.input is None or len(effect.input) <= MAX_INPUT
            else effect._replace(input=canonical(effect.input))
            for effect in self.context.effects
        ]

    def state_of(self, order_id: int) -> Any:  # noqa: ARG002 - a reaction without a state remembers nothing
        """What the reaction remembers of an order."""
        return None

    def conflict(
        self, item: Decoded, effects: Sequence[Effect], known: Sequence[KnownEffect | None]
    ) -> RecordError | None:
        """Why a message contradicts what its order has already; None if it does not (invariant 2)."""
        for effect, earlier in zip(effects, known, strict=True):
            if earlier is not None and earlier.input != effect.input:
                return _conflict(effect, earlier, item.record.position)
        return None

    def unfinished(
        self, item: Decoded, effects: Sequence[Effect], known: Sequence[KnownEffect | None]
    ) -> list[tuple[str, Delivery]]:
        """Deliveries that a record has to make, each with its effect: until they are done (invariant 11)."""
        position = item.record.position
        return [
            (effect.name, effect.delivery)
            for effect, earlier in zip(effects, known, strict=True)
            if effect.delivery is not None
            and (earlier is None or (earlier.outcome == INTENDED and earlier.origin == position))
        ]

    def make(self, item: Decoded, effects: Sequence[Effect], known: Sequence[KnownEffect | None]) -> None:
        """Put new effects into the plan, once per key (invariant 1)."""
        for effect, earlier in zip(effects, known, strict=True):
            if earlier is None:
                self.plan.effects.append(effect_row(effect, item, self.context.now))
                self.know(item, effect)

    def know(self, item: Decoded, effect: Effect) -> None:
        """From here on the order has this effect."""
        self.effects[item.order_id, effect.name] = KnownEffect(
            effect.outcome, effect.input, item.record.position, effect.detail
        )

    def _name_unread_expiry(self, item: Decoded, known: Sequence[KnownEffect | None]) -> None:
        # Of a fact the value alone says until when it is good.
        expiry = item.envelope.unread_expiry
        if expiry is not None and None in known and not isinstance(item.message, OrderPlaced):
            self.plan.unread_expiries.append((item.record.position, expiry))

    def answer(
        self,
        item: Decoded,
        outgoing: Sequence[Outgoing],
        effects: Sequence[Effect],  # noqa: ARG002 - what an effect becomes, a reaction with a state asks
        known: Sequence[KnownEffect | None],
        *,
        delivers: bool,
    ) -> tuple[ProducerRecord, ...]:
        """Put results into the plan: new with a new effect, stored ones again, none for a duplicate.

        Returns:
            Results that wait for the record's deliveries; the plan has none of it then.
        """
        position = item.record.position
        if delivers or not known or None in known:
            results = self.rendered(item, outgoing)
            if delivers:
                return results
            self.plan.results += [(position, result) for result in results]
        elif any(_is_own_effect(effect, position) for effect in known):
            self.resend_stored(position)
        else:
            self.plan.duplicates += 1
        return ()

    def rendered(self, item: Decoded, outgoing: Sequence[Outgoing]) -> tuple[ProducerRecord, ...]:
        """What a message causes, as records."""
        rules = self.rules
        return tuple(rules.render(check_outgoing(part, rules.reaction), item) for part in outgoing)

    def resend_stored(self, position: Position) -> None:
        """Send stored results under the same id, unless Kafka is known to have them (invariant 6)."""
        if position.offset >= self.results_upto.get(position.topic_partition, 0):
            self.plan.resends.append(position)


def _is_own_effect(effect: KnownEffect | None, position: Position) -> bool:
    """Whether the record at this position made an effect, before a crash or a revoked partition."""
    return effect is not None and effect.origin == position


def effect_row(effect: Effect, item: Decoded, at: int) -> EffectRow:
    """An effect as the store keeps it; `at` is now, ms since the epoch."""
    position = item.record.position
    via: Via = "command" if isinstance(item.message, COMMAND_TYPES) else "fact"
    return EffectRow(
        item.order_id,
        effect.name,
        effect.outcome,
        effect.input,
        effect.detail,
        via,
        item.envelope.message_id,
        *position,
        at,
    )


def _conflict(effect: Effect, earlier: KnownEffect, position: Position) -> ConflictingOrder:
    return ConflictingOrder(
        f"the order already has its {effect.name} ({earlier.outcome}) from {earlier.origin}, "
        "with other content; find out which one is right",
        position,
    )


_FOREIGN = (
    "a fact without a mode epoch, written outside any mode: another path may dispatch this order "
    "(CEV_FOREIGN_FACTS=act if nothing else does)"
)
