"""What a batch amounts to: decided without I/O (`decide`), carried out by `batch_processor`. No I/O."""

from dataclasses import dataclass, field
from typing import NamedTuple

from clients.records import ProducerRecord
from consumers.runtime.order_states import StateChange, TimerChange
from consumers.runtime.reaction import Delivery
from consumers.runtime.records import Attempts, ConsumerRecord, EffectRow, Intention, Item
from schemas.errors import Position, RecordError


class DeadRecord(NamedTuple):
    """A record that becomes a dead letter, why, how often it was tried since it was written; its order."""

    record: ConsumerRecord
    error: RecordError
    attempts: int = 1
    order_id: int | None = None


class FailedAttempt(NamedTuple):
    """A record failed and is tried again.

    Attributes:
        position: where it lies.
        attempts: what the store remembers of it.
        reason: why it failed, one line.
        error: the same as a name, such as `DeliveryDeferred`.
        order_id: its order, where the key can be read.
    """

    position: Position
    attempts: Attempts
    reason: str
    error: str = ""
    order_id: int | None = None


class DeliveryTask(NamedTuple):
    """A delivery on behalf of one effect of one record.

    Attributes:
        order_id, effect: the effect.
        record: the record that intends it.
        delivery: what to hand over.
        results: result records that answer the record, once all of its deliveries are done.
    """

    order_id: int
    effect: str
    record: ConsumerRecord
    delivery: Delivery
    results: tuple[ProducerRecord, ...] = ()

    @property
    def intention(self) -> Intention:
        """What is done, or taken back, with this delivery."""
        return Intention(self.order_id, self.effect, self.record.position)


@dataclass(slots=True)
class Plan:
    """What one pass over a batch amounts to.

    Attributes:
        effects: new effects.
        changed: effects that were intended or unresolved, and are not any more.
        shadows: decisions that are only recorded (design §6).
        states: what orders' states become, in the order of their messages.
        timers: timers that are set or cancelled, in that order too.
        results: new result records, each with the position whose effect they report; none of records with
            deliveries, whose results are made once these are done.
        resends: positions whose stored results must be sent once more (invariant 6).
        dead: records for the dead-letter topics.
        deliveries: to make before the batch is settled.
        duplicates: how many records repeated what was done before.
        discarded: how many discard markers were passed.
        unread_expiries: new commands that were carried out without a deadline, because their expiry cannot
            be read, each with its text.
        waiting: records that are not settled: failed and to be tried again, or later ones of the same order.
        blocked: orders whose later records wait, and until when (ms; 0: until this pass is over).
        failed_attempts: of records that failed in this pass and are tried again.
    """

    effects: list[EffectRow] = field(default_factory=list)
    changed: list[EffectRow] = field(default_factory=list)
    shadows: list[EffectRow] = field(default_factory=list)
    states: list[StateChange] = field(default_factory=list)
    timers: list[TimerChange] = field(default_factory=list)
    results: list[tuple[Position, ProducerRecord]] = field(default_factory=list)
    resends: list[Position] = field(default_factory=list)
    dead: list[DeadRecord] = field(default_factory=list)
    deliveries: list[DeliveryTask] = field(default_factory=list)
    duplicates: int = 0
    discarded: int = 0
    unread_expiries: list[tuple[Position, str]] = field(default_factory=list)
    waiting: list[Item] = field(default_factory=list)
    blocked: dict[int, int] = field(default_factory=dict)
    failed_attempts: list[FailedAttempt] = field(default_factory=list)
