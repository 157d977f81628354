"""What a reaction is, what it is given, and what it may give back.

A reaction is a pure function: it reads a message and a context, records effects, and returns facts. A
command never issues a command (design §7, point 9; P16): the return type holds facts only, and `decide`
checks it again at run time (invariant 12).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from schemas.envelope import Envelope, ReceivedEnvelope
from schemas.facts import Fact

Start = Literal["beginning", "now"]

MAX_INPUT = 1000
"""Characters of an effect's input that the store keeps as they are."""


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


class Effect(NamedTuple):
    """One change in the world, guarded by its key (reaction, order_id, name).

    Attributes:
        name: the effect's part of the key, e.g. `dispatch`.
        outcome: how it ended, e.g. `dispatched`; deliveries begin as `intended`.
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
        clock_offset_ms: how far the broker's clock is ahead of this machine's, where they surely differ.
        recorded_at: when the message at hand was recorded: by the broker's clock on a topic of facts.
        envelope: the headers of the message at hand.
        effects: what the reaction recorded for the message at hand.
    """

    now: int
    first_start_at: int
    clock_skew_ms: int = 5_000
    notify_max_age_ms: int = 86_400_000
    clock_offset_ms: int = 0
    recorded_at: int = 0
    envelope: Envelope | ReceivedEnvelope = field(default=Envelope("", ""))
    effects: list[Effect] = field(default_factory=list)

    def record(self, effect: Effect) -> None:
        """Ask for an effect; it is made once, with the batch's transaction."""
        self.effects.append(effect)

    def past(self, deadline: int | None) -> bool:
        """Whether a deadline has passed by the broker's clock, skew allowed for; None never passes."""
        return deadline is not None and self.now + self.clock_offset_ms > deadline + self.clock_skew_ms


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """One line of the registry.

    Attributes:
        name: the reaction's name, and its consumer group's id.
        react: the pure function; its messages are those of the topics it reads.
        reads: source topics, as the reaction's file states them.
        writes: topics of the facts it returns.
        start: where the group begins at its very first start (design §7, point 12).
        replaces: the command topic that it took over from; only then `shadow_of` and `mode_epoch` of a fact
            decide whether it acts (design §6).
        channels: names of the channels that its deliveries need.
    """

    name: str
    react: Callable[[Any, Context], Sequence[Fact]]
    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    start: Start
    replaces: str | None = None
    channels: tuple[str, ...] = ()
