"""Which record of `order_mode` is in force, whatever else lies on the topic (design §6). Pure.

Everybody who reads the topic folds it with `following`, so writers and readers of the mode agree:

- A record is in sequence if its key is the next epoch, or if its header `follows-epoch` names the last one
  and its key is higher (where the topic was made anew, `mode set` goes on counting). The first record of a
  topic whose beginning was removed may have any number. Key and header can be read by everybody, so all
  readers agree on the sequence, whatever they make of the values.
- A change in sequence is in force.
- A record in sequence that cannot be read here, although others may be able to (another schema registry, a
  newer version), is probably a change. Nobody may guess what it says, so no order is placed until the next
  change. `mode set --repair` writes one.
- Everything else is passed over: broken records, records of others, and epochs out of sequence. Ours always
  follow each other, so the largest Long, a time or an id as epoch is somebody's mistake, and to follow it
  would leave no room for the next change. It keeps nobody from placing, and it is suspect.

What is suspect is suspect until the next change: whoever writes that one was told.
"""

import re
from typing import NamedTuple

from schemas.control import INITIAL, ModeChanged
from schemas.envelope import Headers
from schemas.errors import (
    NoRegistry,
    Position,
    SafetyRefusal,
    UndecodableMessage,
    UnknownFingerprint,
    UnknownSchemaId,
)

FOLLOWS = "follows-epoch"
"""The header with the last epoch before a change, decimal text."""

MAX_STEP = 1_000_000
"""Most that an epoch may be above the last one, where one may be left out; more than any topic has."""

MAX_SUSPECTS = 1_000
"""So many suspect records are kept with their reasons; the others are counted."""

_DECIMAL = re.compile(r"\d{1,18}", re.ASCII)
_READABLE_ELSEWHERE = (NoRegistry, UnknownSchemaId, UnknownFingerprint)


class UnreadableMode(SafetyRefusal):
    """The mode cannot be read; placing an order in a guessed one would break the switch."""


class LogEntry(NamedTuple):
    """A record of the topic.

    Attributes:
        position: where it lies.
        epoch: in its key; None if that is no Long.
        follows: the epoch in its header `follows-epoch`; None without one.
        message: the change that it is, or why it is none.
    """

    position: Position
    epoch: int | None
    follows: int | None
    message: ModeChanged | UndecodableMessage


class Suspect(NamedTuple):
    """A record that no `mode set` wrote, as far as anybody can tell, and what is wrong with it."""

    position: Position
    reason: str


class ModeState(NamedTuple):
    """What a part of the topic, from its beginning on, says.

    Attributes:
        change: the change in force.
        last: the last epoch in sequence, whether its record can be read or not.
        begun: whether there was any record.
        unreadable: what may be a newer change, and cannot be read here; None if there is nothing.
        unreadable_epoch: its epoch.
        suspects: since the change in force, at most `MAX_SUSPECTS`.
        suspects_left_out: how many there are beside these.
    """

    change: ModeChanged = INITIAL
    last: int = 0
    begun: bool = False
    unreadable: UndecodableMessage | None = None
    unreadable_epoch: int = 0
    suspects: tuple[Suspect, ...] = ()
    suspects_left_out: int = 0

    @property
    def in_force(self) -> ModeChanged:
        """The change in force.

        Raises:
            UnreadableMode: a newer one may be there, and cannot be read.
        """
        if self.unreadable is None:
            return self.change
        raise UnreadableMode(self.unreadable_text)

    @property
    def unreadable_text(self) -> str:
        """What cannot be read, why, and what to do."""
        framed = isinstance(self.unreadable, NoRegistry)
        remedy = (
            "name the registry with --schema-registry-url" if framed else "install the version that wrote it"
        )
        return (
            f"{self.unreadable}. By its key it is the change to epoch {self.unreadable_epoch}: {remedy}, or "
            "pass over it with `cev mode set MODE --repair`"
        )

    def lost_epoch(self, order_epoch: int) -> int:
        """The epoch of one of our orders, if the topic should know it and does not; else 0.

        Then the topic was deleted and made anew since, or restored from an older copy.
        """
        return order_epoch if self.last < order_epoch <= self.last + MAX_STEP else 0


def following(state: ModeState, entry: LogEntry) -> ModeState:
    """What the topic says with one more record."""
    in_sequence = _in_sequence(state, entry)
    state = state._replace(begun=True, last=in_sequence or state.last)
    message = entry.message
    if isinstance(message, ModeChanged):
        if in_sequence:
            return ModeState(change=message, last=in_sequence, begun=True)
        reason = f"epoch {message.epoch} ({message.mode}) does not follow epoch {state.last}"
        return _with_suspect(state, entry.position, reason)
    if in_sequence and isinstance(message, _READABLE_ELSEWHERE):
        state = state._replace(unreadable=message, unreadable_epoch=in_sequence)
    return _with_suspect(state, entry.position, message.what)


def follows_of(headers: Headers | None) -> int | None:
    """The epoch that a record's headers say it follows; None where they say none."""
    value = dict(headers or ()).get(FOLLOWS)
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""
    return int(text) if _DECIMAL.fullmatch(text) else None


def _in_sequence(state: ModeState, entry: LogEntry) -> int | None:
    """The epoch of a record that is in sequence."""
    epoch, beginning_removed = entry.epoch, not state.begun and entry.position.offset > 0
    if epoch is None or not state.last < epoch <= state.last + MAX_STEP:
        return None
    return epoch if epoch == state.last + 1 or entry.follows == state.last or beginning_removed else None


def _with_suspect(state: ModeState, position: Position, reason: str) -> ModeState:
    if len(state.suspects) == MAX_SUSPECTS:
        return state._replace(suspects_left_out=state.suspects_left_out + 1)
    return state._replace(suspects=(*state.suspects, Suspect(position, reason)))
