"""What a store keeps of orders' states: the states, their history, and timers.

Promises: the same on SQLite and PostgreSQL. A number of an order's history, and a message in it, are there
once: whoever comes second is refused (`IntegrityError`), so that the batch is decided anew (invariant 1).

I/O: database, on connections that the store hands out.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, delete, select

from consumers.runtime.order_states import (
    Application,
    KnownStates,
    StateChange,
    StoredState,
    TimerChange,
    from_json,
)
from consumers.runtime.reaction import OrderState
from consumers.runtime.stores import statements
from consumers.runtime.stores.database import Connected, Database
from consumers.runtime.stores.tables import order_history, order_states, progress
from databases.text import kept, restored
from schemas.errors import Position, SafetyRefusal

if TYPE_CHECKING:
    from consumers.runtime.records import Partition

_PAGE_ROWS = 1_000


class DueTimer(NamedTuple):
    """A timer whose time has come.

    Attributes:
        order_id, name: which.
        due_at: its time, ms since the epoch.
        correlation_id: of the order.
        causation_id: the message that set it.
    """

    order_id: int
    name: str
    due_at: int
    correlation_id: str
    causation_id: str


class StateTables:
    """Reads states and timers; batches write them with their own transaction (`write`).

    Args:
        database: whose words the statements need.
        reading, writing: connections to the group's store; they raise `DependencyUnavailable`.
    """

    def __init__(self, database: Database, reading: Connected, writing: Connected) -> None:
        self._database = database
        self._reading = reading
        self._writing = writing

    def find(
        self, state_type: type[OrderState], order_ids: Iterable[int], positions: Collection[Position]
    ) -> KnownStates:
        """The states of orders, and which messages have been applied.

        Args:
            state_type: of the reaction.
            order_ids: whose states.
            positions: of the messages that are asked for.
        """
        with self._reading() as connection:
            # A reaction that remembers orders in one flow alone has nothing of all others.
            if not connection.exec_driver_sql(self._database.sql(statements.ANY_STATE)).scalar():
                return KnownStates()
            return KnownStates(
                states=self._states(connection, state_type, sorted({*order_ids})),
                applied=self._applied(connection, positions),
            )

    def due_timers(self, now: int, limit: int) -> list[DueTimer]:
        """Timers whose time has come, the oldest first.

        Args:
            now: ms since the epoch.
            limit: how many at most.
        """
        due = self._database.sql(statements.DUE_TIMERS)
        with self._reading() as connection:
            rows = connection.exec_driver_sql(due, (now, limit)).all()
        return [
            DueTimer(order_id, restored(name), at, restored(correlation), restored(cause))
            for order_id, name, at, correlation, cause in rows
        ]

    def swap(
        self,
        positions: Mapping["Partition", int],
        states: Iterable[tuple[int, int, str, str]],
        history: Iterable[tuple[Any, ...]],
        at: int,
    ) -> None:
        """Put other states in the place of all that there are, in one transaction.

        Args:
            positions: how far the group had come when they were built.
            states: order id, version, status and JSON text of each.
            history: its columns, but the time.
            at: now, ms since the epoch.

        Raises:
            SafetyRefusal: the group has come further since; nothing was changed.
        """
        with self._writing() as connection:
            rows = connection.execute(select(progress.c.topic, progress.c.partition, progress.c.position))
            now = {(topic, number): position for topic, number, position in rows}
            if any(now.get(partition) != position for partition, position in positions.items()):
                raise SafetyRefusal("a member of the group has gone on meanwhile; stop it, and try again")
            connection.execute(delete(order_history))
            connection.execute(delete(order_states))
            for statement, values in ((statements.STATE, states), (statements.HISTORY, history)):
                stamped = ((*row, at) for row in values)
                while page := list(islice(stamped, _PAGE_ROWS)):
                    self._database.execute_rows(connection, statement, page)

    def _states(
        self, connection: Connection, state_type: type[OrderState], order_ids: Sequence[int]
    ) -> dict[int, StoredState]:
        if not order_ids:
            return {}
        rows = self._database.find(connection, statements.STATES, order_ids)
        return {
            order_id: StoredState(version, from_json(state_type, state)) for order_id, version, state in rows
        }

    def _applied(self, connection: Connection, positions: Collection[Position]) -> frozenset[Application]:
        spans: dict[Partition, list[int]] = {}
        for position in positions:
            spans.setdefault(position.topic_partition, []).append(position.offset)
        applied = set[Application]()
        for (topic, number), offsets in spans.items():
            span = (topic, number, min(offsets), max(offsets))
            for offset, message in connection.exec_driver_sql(self._database.sql(statements.APPLIED), span):
                applied.add(Application(Position(topic, number, offset), message))
        return frozenset(applied)


def write(
    database: Database,
    connection: Connection,
    changes: Sequence[StateChange],
    timers: Sequence[TimerChange],
    fired: Sequence[DueTimer],
) -> None:
    """Write states within a transaction; keys are sorted, so that no two members deadlock.

    Args:
        database: whose words the statements need.
        connection: in a transaction.
        changes: in the order of their messages.
        timers: in that order too: of two changes of one timer the last counts.
        fired: timers whose records are in Kafka; one that was set anew meanwhile stays.

    Raises:
        sqlalchemy.exc.IntegrityError: another member applied one of these messages, or another one to the
            same state.
    """

    def execute(statement: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            database.execute_rows(connection, statement, sorted(rows))

    execute(
        statements.HISTORY,
        [
            (
                change.order_id,
                change.version,
                change.status,
                change.message,
                kept(change.message_id),
                *change.position,
                change.at,
            )
            for change in changes
        ],
    )
    latest = {change.order_id: change for change in changes}
    execute(
        statements.STATE,
        [
            (order_id, change.version, change.status, change.state, change.at)
            for order_id, change in latest.items()
        ],
    )
    execute(statements.FIRED, [(timer.order_id, kept(timer.name), timer.due_at) for timer in fired])
    _write_timers(execute, {(timer.order_id, timer.name): timer for timer in timers})


def _write_timers(execute: Any, timers: Mapping[tuple[int, str], TimerChange]) -> None:
    execute(
        statements.SET_TIMER,
        [
            (order_id, kept(name), timer.due_at, kept(timer.correlation_id), kept(timer.causation_id))
            for (order_id, name), timer in timers.items()
            if timer.due_at is not None
        ],
    )
    execute(
        statements.CANCEL_TIMER,
        [(order_id, kept(name)) for (order_id, name), timer in timers.items() if timer.due_at is None],
    )
