"""Opening a group's store to look at it, never to change it: on one snapshot, row by row.

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
_PAGE = 2_000
_NAMED = re.compile(r":(\w+)")


class Snapshot(Protocol):
    """A store as it was at one moment."""

    def rows(self, sql: str, **values: object) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, fetched as they are asked for; `:name` in it stands for a value."""

    def has(self, table: str) -> bool:
        """Whether there is such a table: a store that no newer program has opened lacks the newer ones."""

    def size(self) -> int:
        """Bytes that the store takes on its disk."""


@contextmanager
def reading(name: StoreAddress) -> Iterator[Snapshot | None]:
    """A store's snapshot; None if there is no store.

    Raises:
        DependencyUnavailable: it cannot be read as a store.
        InvalidSetting: its address cannot be read.
    """
    opened = _in_file(name, name.path) if name.path is not None else _in_schema(name)
    with opened as store:
        yield store if store is not None and store.has("effects") else None


class _File:
    """In a SQLite file."""

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
    """In a PostgreSQL schema."""

    def __init__(self, name: StoreAddress, raw: "Connection[Any]") -> None:
        self._name = name
        self._raw = raw
        self._cursors = count()

    def rows(self, sql: str, **values: object) -> Iterator[tuple[Any, ...]]:
        # A cursor with a name is the server's: the client holds one page, however large the store.
        with self._raw.cursor(f"rows_{next(self._cursors)}") as cursor:
            cursor.itersize = _PAGE
            cursor.execute(_NAMED.sub(r"%(\1)s", sql).encode(), values)
            yield from cursor

    def has(self, table: str) -> bool:
        query = "SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = :table"
        return any(self.rows(query, schema=self._name.schema, table=table))

    def size(self) -> int:
        query = (
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n "
            "ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relkind = 'r'"
        )
        return sum(int(each or 0) for (each,) in self.rows(query, schema=self._name.schema))


@contextmanager
def _in_file(name: StoreAddress, path: Path) -> Iterator[Snapshot | None]:
    if not path.exists():
        yield None
        return
    try:
        raw = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None
        )
    except sqlite3.Error as error:
        raise _unreadable(name, error) from error
    try:
        # A WAL reader's snapshot is taken by the first read of a transaction and kept to its end.
        raw.execute("BEGIN")
        yield _File(path, raw)
    except sqlite3.Error as error:
        raise _unreadable(name, error) from error
    finally:
        raw.close()


@contextmanager
def _in_schema(name: StoreAddress) -> Iterator[Snapshot]:
    import psycopg  # noqa: PLC0415 - a driver that SQLite does without

    from databases.connect import connect_postgres, quoted_schema  # noqa: PLC0415 - it loads SQLAlchemy

    settings: dict[str, Any] = {} if "connect_timeout" in name.asked else {"connect_timeout": _LOCK_WAIT_S}
    try:
        raw = connect_postgres(name, application_name="cev", **settings)
    except psycopg.Error as error:
        raise _unreadable(name, error) from error
    try:
        raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        raw.read_only = True
        raw.execute(
            "SELECT set_config('search_path', %s, true), set_config('lock_timeout', %s, true)",
            (quoted_schema(name, raw), f"{_LOCK_WAIT_S}s"),
        )
        yield _Schema(name, raw)
    except psycopg.Error as error:
        raise _unreadable(name, error) from error
    finally:
        raw.close()


def _unreadable(name: StoreAddress, error: Exception) -> DependencyUnavailable:
    return DependencyUnavailable(f"the store {name} cannot be read: {name.masked(error)}")
