"""What a store in a SQLite file promises between processes: locks, slots, migrations, crashes."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, inspect

from consumers.runtime.stores import migrate, sql, tables
from consumers.runtime.stores.sql import Batch, Store
from schemas.errors import DependencyDown, Position
from schemas.topics import ORDERS
from tests.contract.test_store_contract import effect, result

_HEAD = "import sys, sqlite3\nfrom consumers.runtime.stores.sql import Batch, Store\n"
CLAIM = (
    _HEAD + 'store = Store(sys.argv[1], "warehouse")\nprint(store.claim_slot(), flush=True); sys.stdin.read()'
)
NAME = _HEAD + 'print(Store(sys.argv[1], "warehouse").identity("c", 0).id, flush=True)'
LOCK = _HEAD + (
    'raw = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///"), isolation_level=None)\n'
    'raw.execute("BEGIN IMMEDIATE")\n'
    "raw.execute(\"INSERT INTO store VALUES ('half', 'a', 'b', 1)\")\n"
    'print("locked", flush=True); sys.stdin.read()'
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'stores' / 'warehouse.sqlite3'}"


@contextmanager
def running(code: str, url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A child that has printed its first line, and that line; ended with the block."""
    child = subprocess.Popen(
        [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        try:
            yield child, child.stdout.readline().strip()
        finally:
            child.kill()


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = Store(url, "warehouse")
    try:
        yield store
    finally:
        store.close()


def test_the_migrated_tables_are_the_tables_of_the_code(url: str) -> None:
    migrate.ensure(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        found = inspect(connection)
        for table in tables.metadata.sorted_tables:
            columns = [each["name"] for each in found.get_columns(table.name)]
            assert columns == [column.name for column in table.columns]
            keys = found.get_pk_constraint(table.name)["constrained_columns"]
            assert keys == [column.name for column in table.primary_key.columns]
    engine.dispose()


def test_the_newest_migration_is_the_one_that_the_code_asks_for(url: str) -> None:
    migrate.ensure(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(migrate.HEAD,)]
    raw.close()


def test_a_store_that_is_up_to_date_is_not_migrated_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.ensure(url)
    monkeypatch.setattr(subprocess, "run", lambda *_a, **_k: pytest.fail("migrated again"))
    migrate.ensure(url)


@contextmanager
def watched(engine: Engine, url: str) -> Iterator[list[bool]]:
    """Whether somebody else could have written, asked after every statement of an engine."""
    could: list[bool] = []

    def ask(*_: object) -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                could.append(False)
            else:
                could.append(True)

    event.listen(engine, "after_cursor_execute", ask)
    yield could
    event.remove(engine, "after_cursor_execute", ask)


def test_who_looks_before_it_writes_keeps_others_out_from_the_start(url: str) -> None:
    with opened(url) as store, watched(store._engine, url) as could:
        store.identity("c", 0)
    assert could
    assert not any(could)


def test_a_migration_keeps_others_out_from_its_first_look(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    could: list[bool] = []

    def look(_config: object, _target: str) -> None:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0)) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            could.append(False)

    Path(url.removeprefix("sqlite:///")).parent.mkdir()
    monkeypatch.setattr("alembic.command.upgrade", look)
    migrate.upgrade(url)
    assert could == [False]


def test_members_that_start_together_migrate_once_and_find_one_identity(url: str) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", NAME, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    said = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0] * 4, said
    assert len({out for out, _ in said}) == 1


def test_a_slot_is_free_again_the_moment_its_process_is_killed(url: str) -> None:
    with running(CLAIM, url) as (first, slot), opened(url) as mine:
        assert slot == "0"
        assert mine.claim_slot() == 1
        first.send_signal(signal.SIGKILL)
        first.wait()
        with opened(url) as next_one:
            assert next_one.claim_slot() == 0


def test_members_of_one_process_have_slots_of_their_own(url: str) -> None:
    with opened(url) as one, opened(url) as two:
        assert [one.claim_slot(), two.claim_slot()] == [0, 1]


def test_a_full_house_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_SLOTS", 1)
    with opened(url) as one, opened(url) as two:
        one.claim_slot()
        with pytest.raises(DependencyDown, match="1 members use"):
            two.claim_slot()


@pytest.mark.parametrize("stopped", [False, True], ids=["held", "holder stopped"])
def test_a_lock_of_another_process_is_an_outage_and_nothing_is_lost(
    url: str, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    monkeypatch.setattr(sql, "LOCK_WAIT_S", 0.3)
    with opened(url) as store:
        store.write(Batch(at=1, effects=[effect(1)], positions={(ORDERS, 0): 1}))
        with running(LOCK, url) as (holder, said):
            assert said == "locked"
            if stopped:
                holder.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            for write in (
                lambda: store.write(Batch(at=2, effects=[effect(2, at=1)], positions={(ORDERS, 0): 2})),
                lambda: store.identity("c", 0),
                lambda: store.begin({(ORDERS, 1): 0}, 0, started=False),
            ):
                with pytest.raises(DependencyDown, match="does not answer: database is locked"):
                    write()
            assert time.monotonic() - began < 5
            assert store.known([1, 2]).keys() == {(1, "dispatch")}, "readers do not wait for a writer"
            holder.kill()
            holder.wait()
        store.write(Batch(at=3, effects=[effect(2, at=1)], results=[result(1)], positions={(ORDERS, 0): 2}))
        assert store.known([1, 2]).keys() == {(1, "dispatch"), (2, "dispatch")}
        assert store.results([Position(ORDERS, 0, 1)]) == [result(1)]
        assert store.identity("c", 0).id != "half", "a killed transaction left something behind"


def test_a_file_that_is_no_database_is_an_outage_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "store.sqlite3"
    broken.write_bytes(b"these bytes are no database, and there are enough of them to be sure" * 20)
    with pytest.raises(DependencyDown, match="file is not a database") as told:
        Store(f"sqlite:///{broken}", "warehouse")
    assert "\n" not in str(told.value)


def test_a_store_of_a_newer_program_is_left_alone(url: str) -> None:
    migrate.ensure(url)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(DependencyDown, match="9999"):
        Store(url, "warehouse")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_an_outage(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DependencyDown):
        Store(f"sqlite:///{tmp_path / 'stores' / 'a.sqlite3'}", "warehouse")


def test_a_folder_whose_name_is_taken_by_a_file_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "stores").write_text("a file")
    with pytest.raises(DependencyDown, match="stores"):
        Store(f"sqlite:///{tmp_path / 'stores' / 'a.sqlite3'}", "warehouse")
