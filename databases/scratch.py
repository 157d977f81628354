"""A private database on disk for work that may not fit into memory; gone with its connection.

It is SQLite's temporary database (https://sqlite.org/inmemorydb.html): its file has no name any more once it
is open, so that not even a kill leaves one behind. It lies in SQLITE_TMPDIR, TMPDIR, /var/tmp or /tmp, the
first that there is. Nothing is durable, and nothing needs to be.

I/O: SQLite, one unnamed temporary file.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from schemas.errors import OperationFailed, Position

# Each query that sorts takes as much again.
_CACHE_KIB = 8 * 1024
_PRAGMAS = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    # What a query sorts goes to a file as well, whatever SQLite was compiled with.
    "PRAGMA temp_store = FILE",
    f"PRAGMA cache_size = -{_CACHE_KIB}",
)


@contextmanager
def scratch(tables: Iterable[str]) -> Iterator[sqlite3.Connection]:
    """An empty database for one thread, within a transaction that nobody ends.

    Args:
        tables: the statements that create them.

    Raises:
        OperationFailed: the disk is full, or no temporary file can be made.
    """
    try:
        connection = sqlite3.connect("", isolation_level=None)
        try:
            for statement in (*_PRAGMAS, "BEGIN", *tables):
                connection.execute(statement)
            yield connection
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        raise OperationFailed(
            f"the temporary database failed ({error}): it needs room in SQLITE_TMPDIR, or where that is not "
            "set in TMPDIR, /var/tmp or /tmp"
        ) from error


class PositionSet:
    """A set of positions on disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, position: Position) -> None:
        """One more."""
        self._connection.execute("INSERT OR IGNORE INTO positions VALUES (?, ?, ?)", position)

    def __contains__(self, position: object) -> bool:
        query = "SELECT 1 FROM positions WHERE (topic, partition, offset) = (?, ?, ?)"
        return (
            isinstance(position, Position)
            and self._connection.execute(query, position).fetchone() is not None
        )


@contextmanager
def position_set() -> Iterator[PositionSet]:
    """An empty set, deleted at the end; raises as `scratch`."""
    columns = "topic TEXT, partition INTEGER, offset INTEGER"
    key = "PRIMARY KEY (topic, partition, offset)"
    with scratch([f"CREATE TABLE positions ({columns}, {key}) WITHOUT ROWID"]) as connection:
        yield PositionSet(connection)
