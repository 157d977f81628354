"""What a reaction is, what it is given, and what it may give back.

    Reaction                  reads a message and a context, records effects, returns facts
    Reaction with a state     is also given what it remembers of the order, and saves what it remembers next
    ProcessManager            may return commands too: the only consumer that does (P17)

All three are pure functions. A command never issues a command (design §7, point 9; P16): the return types
hold it, and `decide` checks it again at run time (invariant 12).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from schemas.commands import Command
from schemas.envelope import Envelope, ReceivedEnvelope
from schemas.errors import Position
from schemas.facts import Fact

Start = Literal["beginning", "now"]

MAX_INPUT = 1000
"""Characters of an effect's input that the store keeps as they are."""


_NOWHERE = Position("", 0, 0)


class BrokenReaction(TypeError):
    """A reaction breaks its contract: it returns what is no fact, or guards nothing.

    No record is at fault and every record would fail, so none of them is dead-lettered: the group stops,
    passes nothing, and says why (exit 1). A new release goes on where it stopped.
    """


class Delivery(NamedTuple):
    """Something to hand to the outside world after its intention is stored (invariant 11).

    Attributes:
        channel: name of the channel, e.g. `email`.
        recipient: address or number.
        subject: one line.
        text: the body.
    """

    channel: str
    recipient: str
    subject: str
    text: str


class DeliveryAnswer(NamedTuple):
    """What the receiver of a delivery answered. The reaction gets it as a message of its own (P18).

    Attributes:
        order_id: whose delivery it was.
        effect: the name of its effect.
        answer: the receiver's answer, JSON text; None where nobody knows what became of it (P19).
    """

    order_id: int
    effect: str
    answer: str | None


class IssuedCommand(NamedTuple):
    """A command that a process manager issues.

    Attributes:
        command: what to write to the command's topic.
        expires_at: the latest time to carry it out, ms since the epoch; None means no limit.
    """

    command: Command
    expires_at: int | None = None


class OrderState(Protocol):
    """What a reaction remembers of one order: a frozen dataclass or named tuple, kept as JSON.

    It must bear messages in any order between topics, repeated, late, or missing.
    """

    @property
    def status(self) -> str:
        """The state's name, e.g. `paying`: what lists of orders show and select by."""


class StateAlarm(NamedTuple):
    """States of orders that a person must hear of: `cev status` counts the orders that are in them.

    A registry line lists these in `alarms`; nothing else has to be done. The alarm is there while an order
    is in one of the states, its subject is the group, and it counts since the first of them got there.

    Attributes:
        name: of the alarm, as docs/operations.md lists it, e.g. `payment-unresolved`.
        statuses: names of states (`OrderState.status`).
        text: what is wrong and what to do, to be read behind `3 orders: `.
    """

    name: str
    statuses: tuple[str, ...]
    text: str


class Effect(NamedTuple):
    """One change in the world, guarded by its key (reaction, order_id, name).

    Attributes:
        name: the effect's part of the key, e.g. `dispatch`.
        outcome: how it ended, e.g. `dispatched`; deliveries begin as `intended`. An effect that is
            `unresolved` is taken up again by a later record (P19).
        input: everything of the message that the effect depends on, as text: a later record of the same
            order with the same input is a duplicate, with another a conflict.
        detail: what else the store keeps about it, JSON text or None.
        delivery: what to hand to the outside, or None.
    """

    name: str
    outcome: str
    input: str | None
    detail: str | None = None
    delivery: Delivery | None = None


@dataclass(slots=True)
class Context:
    """What a reaction knows besides the message. Times are int milliseconds since the epoch, UTC.

    Attributes:
        now: when this pass over the batch began.
        first_start_at: when this group ran for the very first time, by the broker's clock.
        clock_skew_ms: how far clocks may differ where a deadline decides.
        notify_max_age_ms: reactions that notify skip facts that were older than this at the first start.
        payment_timeout_ms, dispatch_timeout_ms: how long a process waits for the result of such a step.
        payment_unresolved_ms: a payment whose outcome is unknown for longer is a person's business.
        clock_offset_ms: how far the broker's clock is ahead of this machine's, where they surely differ.
        position: of the record at hand, for errors.
        recorded_at: when the message at hand was recorded: by the broker's clock on a topic of facts.
        envelope: the headers of the message at hand.
        effects: what the reaction recorded for the message at hand.
        state: what the reaction remembers of the order, or None; `save` changes it.
        saved: whether the message at hand changed it.
        timers: by name, when the order's timers are due (ms); None cancels one.
    """

    now: int
    first_start_at: int
    clock_skew_ms: int = 5_000
    notify_max_age_ms: int = 86_400_000
    payment_timeout_ms: int = 300_000
    dispatch_timeout_ms: int = 900_000
    payment_unresolved_ms: int = 60_000
    clock_offset_ms: int = 0
    position: Position = _NOWHERE
    recorded_at: int = 0
    envelope: Envelope | ReceivedEnvelope = field(default=Envelope("", ""))
    effects: list[Effect] = field(default_factory=list)
    state: Any = None
    saved: bool = False
    timers: dict[str, int | None] = field(default_factory=dict)

    def begin(
        self, envelope: Envelope | ReceivedEnvelope, position: Position, recorded_at: int, state: Any
    ) -> None:
        """Turn to the next message."""
        self.envelope, self.position, self.recorded_at = envelope, position, recorded_at
        self.effects = []
        self.state, self.saved = state, False
        self.timers = {}

    def save(self, state: OrderState) -> None:
        """Remember this of the order from now on; it is stored with the batch's transaction."""
        self.state, self.saved = state, True

    def set_timer(self, name: str, at: int) -> None:
        """Get a `TimerDue` of this name at a time, ms since the epoch; a timer of that name is moved."""
        self.timers[name] = at

    def cancel_timer(self, name: str) -> None:
        """Get no `TimerDue` of this name, unless it is on its way already."""
        self.timers[name] = None

    def record(self, effect: Effect) -> None:
        """Ask for an effect; it is made once, with the batch's transaction."""
        self.effects.append(effect)

    def is_void(self) -> bool:
        """Whether the command at hand has expired."""
        return self.past(self.envelope.expires_at)

    def past(self, deadline: int | None) -> bool:
        """Whether a deadline has passed by the broker's clock, skew allowed for; None never passes."""
        return deadline is not None and self.now + self.clock_offset_ms > deadline + self.clock_skew_ms


@dataclass(frozen=True, kw_only=True)
class _RegistryLine:
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    start: Start
    replaces: str | None = None
    channels: tuple[str, ...] = ()
    state: type[OrderState] | None = None
    timers: str | None = None
    alarms: tuple[StateAlarm, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reaction(_RegistryLine):
    """One line of the registry.

    Attributes:
        name: the reaction's name, and its consumer group's id.
        react: the pure function; its messages are those of the topics it reads, and answers to deliveries.
        reads: source topics, as the reaction's file states them.
        writes: topics of the facts it returns.
        start: where the group begins at its very first start (design §7, point 12).
        replaces: the command topic that it took over from; only then `shadow_of` and `mode_epoch` of a fact
            decide whether it acts (design §6).
        channels: names of the channels that its deliveries need.
        state: the type of what it remembers of an order; None if nothing.
        timers: the topic of its timers, which it reads; None if it sets none.
        alarms: states of orders that a person must hear of.
    """

    react: Callable[[Any, Context], Sequence[Fact]]
    issues: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, kw_only=True)
class ProcessManager(_RegistryLine):
    """One line of the registry: a consumer that coordinates, and so may issue commands (P17).

    Attributes:
        react: the pure function; see `Reaction` for this and the rest.
        issues: the command topics that it may write to.
    """

    react: Callable[[Any, Context], Sequence[Fact | IssuedCommand]]
    issues: tuple[str, ...]


AnyReaction = Reaction | ProcessManager
"""What the runtime runs."""
