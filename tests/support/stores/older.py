"""An older state of a store, kept and put back under whoever has it open.

    SQLite        the file's content is overwritten through SQLite's own backup; the file stays the same
    PostgreSQL    the database is replaced by a copy of itself, as by a restore: every connection is ended

I/O: SQLite files, a PostgreSQL server.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from databases.address import StoreAddress
from tests.support.stores.postgres import Server


class OlderState(Protocol):
    """What a store was like at a moment."""

    def keep(self) -> None:
        """Keep what it is like now."""

    def put_back(self) -> None:
        """Put that back."""


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._copy = path.with_name("older.sqlite3")

    def keep(self) -> None:
        _copy(self._path, self._copy)

    def put_back(self) -> None:
        _copy(self._copy, self._path)


class _Database:
    def __init__(self, url: str, server: Server) -> None:
        self._name = url.rpartition("/")[2]
        self._server = server

    def keep(self) -> None:
        self._end_sessions()
        self._server.run(f"CREATE DATABASE {self._name}_older TEMPLATE {self._name}")

    def put_back(self) -> None:
        self._end_sessions()
        self._server.run(f"DROP DATABASE {self._name} WITH (FORCE)")
        self._server.run(f"ALTER DATABASE {self._name}_older RENAME TO {self._name}")

    def _end_sessions(self) -> None:
        self._server.run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", self._name
        )


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


@contextmanager
def older_state(name: StoreAddress, server: Server | None) -> Iterator[OlderState]:
    """The store's older state; what is left of it is removed with the block."""
    if name.path is not None:
        yield _File(name.path)
        return
    assert server is not None
    yield _Database(name.url, server)
    server.drop(f"{name.url}_older")
