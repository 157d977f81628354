"""Reading a group's store: one snapshot, row by row, and never a change.

I/O: SQLite files (`mode=ro`), PostgreSQL (`REPEATABLE READ READ ONLY`).
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from databases.address import StoreAddress
from schemas.errors import DependencyUnavailable

if TYPE_CHECKING:
    from psycopg import Connection

_LOCK_WAIT_S = 5
_PAGE_ROWS = 2_000
_NAMED = re.compile(r":(\w+)")


class Snapshot(Protocol):
    """One state of a store."""

    def rows(self, sql: str, **values: object) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, fetched as the caller iterates; `:name` in the SQL stands for a value."""

    def has(self, table: str) -> bool:
        """Whether this table exists: a store that was last opened by an older program lacks newer tables."""

    def size(self) -> int:
        """Bytes that the store takes on disk."""


@contextmanager
def reading(address: StoreAddress) -> Iterator[Snapshot | None]:
    """A store's snapshot; None if the store does not exist.

    Raises:
        DependencyUnavailable: the store cannot be read.
        InvalidSetting: the address cannot be read.
    """
    opened = _in_file(address, address.path) if address.path is not None else _in_schema(address)
    with opened as store:
        yield store if store is not None and store.has("effects") else None


class _File:
    """A store in a SQLite file."""

    def __init__(self, path: Path, raw: sqlite3.Connection) -> None:
        self._path = path
        self._raw = raw

    def rows(self, sql: str, **values: object) -> Iterator[tuple[Any, ...]]:
        yield from self._raw.execute(sql, values)

    def has(self, table: str) -> bool:
        return any(self.rows("SELECT 1 FROM sqlite_master WHERE name = :table", table=table))

    def size(self) -> int:
        files = (self._path, self._path.with_name(f"{self._path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())


class _Schema:
    """A store in a PostgreSQL schema."""

    def __init__(self, address: StoreAddress, raw: "Connection[Any]") -> None:
        self._address = address
        self._raw = raw
        self._cursors = count()

    def rows(self, sql: str, **values: object) -> Iterator[tuple[Any, ...]]:
        # A named cursor is the server's, so the client holds one page, however large the store is.
        with self._raw.cursor(f"rows_{next(self._cursors)}") as cursor:
            cursor.itersize = _PAGE_ROWS
            cursor.execute(_NAMED.sub(r"%(\1)s", sql).encode(), values)
            yield from cursor

    def has(self, table: str) -> bool:
        query = "SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = :table"
        return any(self.rows(query, schema=self._address.schema, table=table))

    def size(self) -> int:
        query = (
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relkind = 'r'"
        )
        return sum(int(size or 0) for (size,) in self.rows(query, schema=self._address.schema))


@contextmanager
def _in_file(address: StoreAddress, path: Path) -> Iterator[Snapshot | None]:
    if not path.exists():
        yield None
        return
    try:
        raw = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None
        )
    except sqlite3.Error as error:
        raise _unreadable(address, error) from error
    try:
        # In a WAL file a transaction sees the state of its first read to its end.
        raw.execute("BEGIN")
        yield _File(path, raw)
    except sqlite3.Error as error:
        raise _unreadable(address, error) from error
    finally:
        raw.close()


@contextmanager
def _in_schema(address: StoreAddress) -> Iterator[Snapshot]:
    import psycopg  # noqa: PLC0415 - a driver that SQLite does without

    from databases.connect import connect_postgres, quoted_schema  # noqa: PLC0415 - it loads SQLAlchemy

    try:
        raw = connect_postgres(address)
    except psycopg.Error as error:
        raise _unreadable(address, error) from error
    try:
        # One transaction, and nothing that outlives it: a pool may lend the connection to others afterwards.
        raw.prepare_threshold = None
        raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        raw.read_only = True
        raw.execute(
            "SELECT set_config('search_path', %s, true), set_config('lock_timeout', %s, true)",
            (quoted_schema(address, raw), f"{_LOCK_WAIT_S}s"),
        )
        yield _Schema(address, raw)
    except psycopg.Error as error:
        raise _unreadable(address, error) from error
    finally:
        raw.close()


def _unreadable(address: StoreAddress, error: Exception) -> DependencyUnavailable:
    return DependencyUnavailable(f"the store {address} cannot be read: {address.masked(error)}")
