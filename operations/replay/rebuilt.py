"""States that are built anew beside those of a store, on disk and for a while; and how the two differ.

I/O: a temporary database.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from sqlite3 import Connection
from typing import Any, NamedTuple

from consumers.runtime.order_states import StateChange
from databases.scratch import scratch
from databases.text import kept

_STATE = "order_id INTEGER PRIMARY KEY, version INTEGER, status TEXT, state TEXT"
_HISTORY = (
    "order_id INTEGER, version INTEGER, status TEXT, message TEXT, message_id TEXT, topic TEXT, "
    "number INTEGER, position INTEGER"
)
_TABLES = (
    f"CREATE TABLE before ({_STATE})",
    f"CREATE TABLE after ({_STATE})",
    f"CREATE TABLE history ({_HISTORY}, PRIMARY KEY (order_id, version)) WITHOUT ROWID",
)
_BOTH = (
    "FROM (SELECT order_id FROM before UNION SELECT order_id FROM after) LEFT JOIN before USING (order_id) "
)
_DIFFERING = (
    f"{_BOTH} LEFT JOIN after USING (order_id) WHERE before.state IS NOT after.state "
    "OR before.status IS NOT after.status"
)


class Difference(NamedTuple):
    """An order whose state would be another one; a status of None is no state."""

    order_id: int
    before: str | None
    after: str | None


class RebuiltStates:
    """Two sets of states, and the history of the new ones."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep_old(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """The states that the store has: order id, version, status, JSON text."""
        self._connection.executemany("INSERT INTO before VALUES (?, ?, ?, ?)", rows)

    def find(self, order_id: int) -> tuple[int, str] | None:
        """Version and JSON text of an order's new state."""
        rows = self._connection.execute("SELECT version, state FROM after WHERE order_id = ?", (order_id,))
        row: tuple[int, str] | None = rows.fetchone()
        return row

    def apply(self, change: StateChange) -> None:
        """An order's next state, and the message that made it."""
        order_id, version, status, state, message, message_id, position, _at = change
        self._connection.execute(
            "INSERT OR REPLACE INTO after VALUES (?, ?, ?, ?)", (order_id, version, status, state)
        )
        self._connection.execute(
            "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (order_id, version, status, message, kept(message_id), *position),
        )

    def count(self) -> int:
        """How many orders have a new state."""
        return self._number("SELECT count(*) FROM after")

    def count_differing(self) -> int:
        """How many orders have another state than before, or one of the two alone."""
        return self._number(f"SELECT count(*) {_DIFFERING}")

    def count_forgotten(self) -> int:
        """How many orders the store knows more messages of than the log has."""
        return self._number(
            "SELECT count(*) FROM before LEFT JOIN after USING (order_id) "
            "WHERE before.version > coalesce(after.version, 0)"
        )

    def differences(self, limit: int) -> list[Difference]:
        """The first orders that differ, by their id."""
        rows = self._connection.execute(
            f"SELECT order_id, before.status, after.status {_DIFFERING} ORDER BY order_id LIMIT ?", (limit,)
        )
        return [Difference(*row) for row in rows]

    def states(self) -> Iterator[tuple[int, int, str, str]]:
        """The new states: order id, version, status, JSON text."""
        yield from self._connection.execute("SELECT * FROM after ORDER BY order_id")

    def history(self) -> Iterator[tuple[Any, ...]]:
        """Their history, with the columns of the store's but the time."""
        yield from self._connection.execute("SELECT * FROM history ORDER BY order_id, version")

    def _number(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])


@contextmanager
def rebuilt_states() -> Iterator[RebuiltStates]:
    """Nothing yet; gone at the end.

    Raises:
        OperationFailed: the disk is full.
    """
    with scratch(_TABLES) as connection:
        yield RebuiltStates(connection)
