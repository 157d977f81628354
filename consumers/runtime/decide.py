"""What a batch of messages amounts to, decided without I/O (design §6 and §7, points 2, 3, 6, 7 and 9).

For each message, in the order of the batch:

    a fact from outside any mode, at a reaction that replaces a command   dead letter
    a fact whose order is decided by its command                          only recorded
    an effect that exists with other input                                dead letter, no effect at all
    an effect that exists, made by this very record                       results again, unless known as sent
    an effect that exists, made by another record                         duplicate: nothing
    otherwise                                                             effect, results, deliveries
    whatever raises an error                                              what `policy` says

Which records wait for others of their order is in `failures.ordering`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType

from clients.records import ProducerRecord
from consumers.runtime.failures.ordering import OrderSequencer
from consumers.runtime.plan import DeliveryTask, Plan
from consumers.runtime.reaction import MAX_INPUT, BrokenReaction, Context, Effect, Reaction
from consumers.runtime.records import (
    Attempts,
    Decoded,
    EffectRow,
    FailedRecord,
    Item,
    KnownEffect,
    Partition,
    Via,
)
from consumers.runtime.retry_policy import RetryPolicy
from schemas.errors import (
    ConflictingOrder,
    ForeignFact,
    Position,
    ReactionFailed,
    RecordError,
    Unreachable,
)
from schemas.facts import FACT_TYPES, Fact, OrderPlaced

INTENDED = "intended"

_NEVER_FAILED: Mapping[Position, Attempts] = MappingProxyType({})

Render = Callable[[Fact, Decoded], ProducerRecord]
"""Makes a record of a fact that answers a message."""


@dataclass(frozen=True, kw_only=True)
class DecisionRules:
    """What decides besides the messages themselves.

    Attributes:
        reaction: whose batch it is.
        act_on_foreign: whether facts from outside any mode are acted on (`CEV_FOREIGN_FACTS=act`).
        render: makes result records.
        patience: what happens to a record that fails.
    """

    reaction: Reaction
    act_on_foreign: bool
    render: Render
    patience: RetryPolicy = field(default_factory=RetryPolicy)


def decide(
    batch: Sequence[Item],
    known: Mapping[tuple[int, str], KnownEffect],
    sent_upto: Mapping[Partition, int],
    context: Context,
    policy: DecisionRules,
    *,
    attempts: Mapping[Position, Attempts] = _NEVER_FAILED,
) -> Plan:
    """Turn messages into a plan.

    Args:
        batch: what was read, in its order.
        known: the effects that the batch's orders already have.
        sent_upto: per partition, the offset below which results are known to be in Kafka.
        context: clock and settings; its envelope and effects are overwritten.
        policy: the reaction, how it answers, and how patient it is.
        attempts: of records that failed before, how often and when they are tried next.

    Returns:
        The plan; carrying it out twice, with what the store then knows, changes nothing.

    Raises:
        BrokenReaction: the reaction breaks its contract, whatever the record.
        Unreachable: something that it needs is down; nothing was decided.
    """
    deciding = _Decision(dict(known), sent_upto, context, policy, Plan())
    sequencer = OrderSequencer(deciding, policy.patience, context.now, attempts)
    for item in batch:
        sequencer.take(item)
    return deciding.plan


@dataclass(slots=True)
class _Decision:
    """A batch half decided: what is known grows with each message, so a batch may repeat itself."""

    seen: dict[tuple[int, str], KnownEffect]
    sent_upto: Mapping[Partition, int]
    context: Context
    policy: DecisionRules
    plan: Plan

    def take(self, item: Item) -> RecordError | None:
        if type(item) is Decoded:
            return self._take(item)
        if type(item) is FailedRecord:
            return item.error
        self.plan.discarded += 1
        return None

    def _take(self, item: Decoded) -> RecordError | None:
        """Put what a message causes into the plan; or say why it causes nothing."""
        message, replaced = item.message, self.policy.reaction.replaces
        shadowed = False
        if replaced is not None and isinstance(message, OrderPlaced):
            if message.mode_epoch == 0 and not self.policy.act_on_foreign:
                return ForeignFact(_FOREIGN, item.record.position)
            shadowed = replaced in message.shadow_of
        try:
            facts, effects = self._react(item)
            if shadowed:
                self.plan.shadows += [_row(effect, item, self.context.now) for effect in effects]
                return None
            mine = [(effect, self.seen.get((item.order_id, effect.name))) for effect in effects]
            for effect, before in mine:
                if before is not None and before.input != effect.input:
                    return _conflict(effect, before, item.record.position)
            self._answer(item, facts, [before for _, before in mine])
        except (BrokenReaction, Unreachable):
            raise
        except RecordError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, it is about this record and no other
            return ReactionFailed(
                f"{self.policy.reaction.name} failed with {type(error).__name__}: {error}",
                item.record.position,
            )
        for effect, before in mine:
            self._make(item, effect, before)
        return None

    def _react(self, item: Decoded) -> tuple[Sequence[Fact], list[Effect]]:
        self.context.envelope = item.envelope
        self.context.effects = []
        facts = self.policy.reaction.react(item.message, self.context)
        _check_guards(self.policy.reaction.name, facts, self.context.effects)
        return facts, [
            effect
            if effect.input is None or len(effect.input) <= MAX_INPUT
            else effect._replace(input=canonical(effect.input))
            for effect in self.context.effects
        ]

    def _make(self, item: Decoded, effect: Effect, before: KnownEffect | None) -> None:
        where = item.record.position
        if before is None:
            self.plan.effects.append(_row(effect, item, self.context.now))
            self.seen[item.order_id, effect.name] = KnownEffect(effect.outcome, effect.input, where)
        unfinished = before is not None and before.outcome == INTENDED and before.origin == where
        if effect.delivery is not None and (before is None or unfinished):
            self.plan.deliveries.append(
                DeliveryTask(item.order_id, effect.name, item.record, effect.delivery)
            )

    def _answer(self, item: Decoded, facts: Sequence[Fact], before: Sequence[KnownEffect | None]) -> None:
        where = item.record.position
        if not before or None in before:
            self.plan.results += [
                (where, self.policy.render(_checked(fact, self.policy), item)) for fact in facts
            ]
        elif all(each is not None and each.origin != where for each in before):
            self.plan.duplicates += 1
        else:
            self._again(where)

    def _again(self, where: Position) -> None:
        if where.offset >= self.sent_upto.get((where.topic, where.partition), 0):
            self.plan.resends.append(where)


def canonical(text: str | None) -> str | None:
    """An effect's input as the store keeps and compares it.

    Text of up to 1,000 characters stays as it is; longer text becomes a digest and its first 500 characters.
    """
    if text is None or len(text) <= MAX_INPUT:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"blake2b:{digest} {text[:500]}"


def _row(effect: Effect, item: Decoded, at: int) -> EffectRow:
    where = item.record.position
    via: Via = "fact" if isinstance(item.message, OrderPlaced) else "command"
    return EffectRow(
        item.order_id,
        effect.name,
        effect.outcome,
        effect.input,
        effect.detail,
        via,
        item.envelope.message_id,
        where.topic,
        where.partition,
        where.offset,
        at,
    )


def _checked(fact: Fact, policy: DecisionRules) -> Fact:
    if type(fact) not in FACT_TYPES:
        raise BrokenReaction(
            f"{policy.reaction.name} returned a {type(fact).__name__}: a reaction returns facts only"
        )
    return fact


def _check_guards(name: str, facts: Sequence[Fact], effects: Sequence[Effect]) -> None:
    if not effects and facts:
        raise BrokenReaction(
            f"{name} answers without an effect: no key guards the answer against a second one"
        )
    if len(effects) > 1 and len({effect.name for effect in effects}) < len(effects):
        raise BrokenReaction(
            f"{name} records {effects[-1].name} twice for one message: one key is one effect"
        )


def _conflict(effect: Effect, before: KnownEffect, where: Position) -> ConflictingOrder:
    return ConflictingOrder(
        f"the order already has its {effect.name} ({before.outcome}) from {before.origin}, "
        "with other content; find out which one is right",
        where,
    )


_FOREIGN = (
    "a fact without a mode epoch, written outside any mode: another path may dispatch this order "
    "(CEV_FOREIGN_FACTS=act if nothing else does)"
)
