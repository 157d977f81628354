"""What groups remember of orders, read from their stores: states, how they came about, and timers.

I/O: stores, read-only.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from consumers.runtime.order_states import from_json
from consumers.runtime.reaction import OrderState
from databases.address import StoreAddress
from databases.snapshot import Snapshot, reading
from databases.text import restored


class ListedState(NamedTuple):
    """An order's state, as a list shows it; `changed_at` in ms since the epoch, `changes` counts messages."""

    order_id: int
    status: str
    changed_at: int
    changes: int


class Change(NamedTuple):
    """One message that changed a state.

    Attributes:
        status: the state's name after it.
        message: its type's name.
        message_id: its `ce_id`.
        topic, partition, offset: the record.
        at: when it was applied, ms since the epoch.
    """

    status: str
    message: str
    message_id: str
    topic: str
    partition: int
    offset: int
    at: int


class WaitingTimer(NamedTuple):
    """A timer that has not fired; `due_at` in ms since the epoch."""

    name: str
    due_at: int


class WholeState(NamedTuple):
    """All that a store knows of one order's state.

    Attributes:
        listed: the summary.
        state: what the reaction remembers.
        changes: how it came about, the first one first.
        timers: that wait, the next one first.
    """

    listed: ListedState
    state: Any
    changes: tuple[Change, ...]
    timers: tuple[WaitingTimer, ...]


def read_states(address: StoreAddress, *, status: str | None = None) -> Iterator[ListedState]:
    """States, those that changed last first; nothing where there is no store.

    Args:
        address: of the group's store.
        status: only those of this name.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    which = "" if status is None else "WHERE status = :status"
    query = (
        f"SELECT order_id, status, changed_at, version FROM order_states {which} "  # noqa: S608 - the value is bound
        "ORDER BY changed_at DESC, order_id"
    )
    values = {} if status is None else {"status": status}
    with reading(address) as store:
        # A store that was last opened by an older program has no states.
        if store is not None and store.has("order_states"):
            for row in store.rows(query, **values):
                yield ListedState(*row)


def read_state(address: StoreAddress, state_type: type[OrderState], order_id: int) -> WholeState | None:
    """One order's state; None where there is none.

    Args:
        address: of the group's store.
        state_type: of its reaction.
        order_id: which order.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    query = "SELECT order_id, status, changed_at, version, state FROM order_states WHERE order_id = :order_id"
    with reading(address) as store:
        if store is None or not store.has("order_states"):
            return None
        for *listed, state in store.rows(query, order_id=order_id):
            return WholeState(
                ListedState(*listed),
                from_json(state_type, state),
                _changes(store, order_id),
                _timers(store, order_id),
            )
    return None


def _changes(store: Snapshot, order_id: int) -> tuple[Change, ...]:
    rows = store.rows(
        "SELECT status, message, message_id, source_topic, source_partition, source_offset, at "
        "FROM order_history WHERE order_id = :order_id ORDER BY version",
        order_id=order_id,
    )
    return tuple(
        Change(status, message, restored(message_id), *others)
        for status, message, message_id, *others in rows
    )


def _timers(store: Snapshot, order_id: int) -> tuple[WaitingTimer, ...]:
    rows = store.rows(
        "SELECT name, due_at FROM timers WHERE order_id = :order_id ORDER BY due_at, name", order_id=order_id
    )
    return tuple(WaitingTimer(restored(name), due_at) for name, due_at in rows)
