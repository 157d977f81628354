"""Stores as tests use them: opened for a block, in children, asked with plain SQL.

I/O: stores, child processes.
"""

import atexit
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from unittest import mock

from alembic import command

from consumers.runtime.stores import migrate
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from tests.support.stores.postgres import rows as in_postgres

_HEAD = """
import json, sys
from consumers.runtime.stores.store import Store, StoreWrite
from consumers.runtime.records import EffectRow
from databases.address import StoreAddress
store = Store(StoreAddress(*json.loads(sys.argv[1])))
"""
CLAIM = _HEAD + "print(store.claim_slot(), flush=True); sys.stdin.read()"
IDENTITY = _HEAD + 'print(store.identity("c", 0).id, flush=True)'
INSIDE_A_WRITE = _HEAD + (
    'row = EffectRow(2, "dispatch", "dispatched", "half", None, "fact", "id", "orders", 0, 1, 1)\n'
    "with store._writing() as connection:\n"
    '    positions = {("orders", 0): 2, ("orders", 1): 2}\n'
    "    store._write(connection, StoreWrite(at=1, effects=[row], positions=positions))\n"
    '    print("inside", flush=True); sys.stdin.read()\n'
)
"""Has written order 2 and the progress of two partitions, and waits for a word before it commits."""


@contextmanager
def opened(name: StoreAddress) -> Iterator[Store]:
    store = Store(name)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def child(code: str, name: StoreAddress) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process that has printed its first line, and that line; ended with the block."""
    process = begun(code, name)
    assert process.stdout is not None
    with process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def begun(code: str, name: StoreAddress) -> "subprocess.Popen[str]":
    """A process with a store; the address is on its command line, which only a test may do."""
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps([name.url, name.group])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


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
