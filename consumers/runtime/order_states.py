"""What reactions remember of orders: stored states, and which messages have changed them. Pure.

The history of an order's state is numbered. Whoever stores a message takes the next number, so that of two
members with the same order one decides anew (as with effects, invariant 1). A message that is in the history
comes again after a crash, and changes nothing more: it has been applied once.
"""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from consumers.runtime.reaction import Delivery, OrderState
from schemas.errors import Position


class Application(NamedTuple):
    """One message that has changed a state: the record that it was, and its type's name.

    The answer to a delivery has the position of the record that caused it.
    """

    position: Position
    message: str


class StoredState(NamedTuple):
    """An order's state, and how many messages have made it."""

    version: int
    state: Any


@dataclass(frozen=True, kw_only=True)
class KnownStates:
    """What the store has for the orders of a batch.

    Attributes:
        states: by order id.
        applied: those of the batch's messages that have been applied before.
    """

    states: Mapping[int, StoredState] = field(default_factory=dict)
    applied: AbstractSet[Application] = frozenset()


class StateChange(NamedTuple):
    """One message applied to an order's state.

    Attributes:
        order_id: the order.
        version: the number of this change, from 1.
        status: the state's name after it.
        state: the state after it, JSON text.
        message: the type's name of what was applied.
        message_id: its `ce_id`.
        position: the record.
        at: when, ms since the epoch.
    """

    order_id: int
    version: int
    status: str
    state: str
    message: str
    message_id: str
    position: Position
    at: int


class TimerChange(NamedTuple):
    """A timer that is set, or cancelled where `due_at` is None; by whose order and message."""

    order_id: int
    name: str
    due_at: int | None
    correlation_id: str = ""
    causation_id: str = ""


def to_json(state: OrderState) -> str:
    """A state as text."""
    # ASCII: a database takes no lone surrogate and no NUL.
    return json.dumps(_adapter(type(state)).dump_python(state))


def from_json(state_type: type[OrderState], text: str) -> Any:
    """The state that a text says; fields that a release has added get their defaults.

    Raises:
        pydantic.ValidationError: it was not written by `to_json` of this type.
    """
    return _adapter(state_type).validate_python(json.loads(text))


def delivery_to_json(delivery: Delivery) -> str:
    """A delivery as text, so that it can be made again by whoever reads its record next."""
    return json.dumps(delivery._asdict(), ensure_ascii=False)


def delivery_from_json(text: str) -> Delivery:
    """The delivery that `delivery_to_json` wrote."""
    return Delivery(**json.loads(text))


@cache
def _adapter(state_type: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(state_type)
