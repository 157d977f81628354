"""Stores as tests use them: opened for a block, in children, asked with plain SQL.

I/O: stores, child processes.
"""

import atexit
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from unittest import mock

from alembic import command
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from consumers.runtime.stores import migrate
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from tests.support.crash.code import code_of
from tests.support.stores.postgres import rows as in_postgres


@contextmanager
def opened(name: StoreAddress) -> Iterator[Store]:
    store = Store(name)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def child(
    function: Callable[..., None], name: StoreAddress, *given: int
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process that has printed its first line, and that line; ended with the block."""
    process = begun(function, name, *given)
    assert process.stdout is not None
    with process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def begun(function: Callable[..., None], name: StoreAddress, *given: int) -> "subprocess.Popen[str]":
    """A process that does something of `children.py` with a store.

    The address is on its command line, which only a test may do.
    """
    return subprocess.Popen(
        [sys.executable, "-c", code_of(function, name.url, name.group, *given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def connected(name: StoreAddress) -> Iterator[Connection]:
    """A transaction in a store, past the program, in which names without a schema are the store's tables."""
    if name.path is not None:
        engine = create_engine(name.url, poolclass=NullPool)
    else:
        url = name.url.replace("postgresql:", "postgresql+psycopg:")
        options = {"options": f'-csearch_path="{name.schema}"'}
        engine = create_engine(url, poolclass=NullPool, connect_args=options)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def rows(name: StoreAddress, sql: str) -> list[tuple[object, ...]]:
    """Rows of a store, past everything that the program does with them."""
    if name.path is None:
        return in_postgres(name, sql)
    with closing(sqlite3.connect(name.path)) as raw:
        return raw.execute(sql).fetchall()


def upgrade_to(name: StoreAddress, revision: str) -> None:
    """Make a store as an earlier version of the program left it."""
    if name.path is not None:
        name.path.parent.mkdir(parents=True, exist_ok=True)
    upgrade = command.upgrade
    with mock.patch.object(command, "upgrade", lambda config, _head: upgrade(config, revision)):
        migrate.upgrade(name)


@cache
def template() -> Path:
    """An empty SQLite store to copy: Alembic costs more than most tests."""
    path = Path(tempfile.mkdtemp(prefix="cev-template-")) / "store.sqlite3"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    migrate.upgrade(StoreAddress(f"sqlite:///{path}", "template"))
    return path
