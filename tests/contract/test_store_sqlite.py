"""What is peculiar to a store in a SQLite file: its one writer, its folder, its bytes."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from consumers.runtime.stores import migrate
from consumers.runtime.stores.sqlite import Sqlite
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import DependencyUnavailable
from tests.support.stores.stores import opened


@pytest.fixture
def name(tmp_path: Path) -> StoreAddress:
    return StoreAddress.at("warehouse", data_dir=tmp_path)


@contextmanager
def other_writer(name: StoreAddress) -> Iterator[sqlite3.Connection]:
    assert name.path is not None
    with closing(sqlite3.connect(name.path, timeout=0)) as raw:
        yield raw


@contextmanager
def watched(engine: Engine, name: StoreAddress) -> Iterator[list[bool]]:
    """Whether somebody else could have written, asked after every statement of an engine."""
    could: list[bool] = []

    def ask(*_: object) -> None:
        with other_writer(name) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                could.append(False)
            else:
                could.append(True)

    event.listen(engine, "after_cursor_execute", ask)
    yield could
    event.remove(engine, "after_cursor_execute", ask)


def test_who_looks_before_it_writes_keeps_others_out_from_the_start(name: StoreAddress) -> None:
    with opened(name) as store:
        assert isinstance(store._database, Sqlite)
        with watched(store._database.engine, name) as could:
            store.identity("c", 0)
    assert could
    assert not any(could)


def test_a_migration_keeps_others_out_from_its_first_look(
    name: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    could: list[bool] = []

    def look(_config: object, _target: str) -> None:
        with other_writer(name) as other:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            could.append(False)

    assert name.path is not None
    name.path.parent.mkdir()
    monkeypatch.setattr("alembic.command.upgrade", look)
    migrate.upgrade(name)
    assert could == [False]


def test_a_migration_waits_for_who_writes_to_a_file_that_is_not_a_wal_file_yet(
    name: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name.path is not None
    name.path.parent.mkdir()
    with other_writer(name) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr("databases.connect.time.sleep", lambda _: other.commit())
        migrate.upgrade(name)
    with other_writer(name) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert other.execute("SELECT version_num FROM alembic_version").fetchone() == (migrate.HEAD,)


def test_a_migration_waits_no_longer_than_its_deadline(
    name: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert name.path is not None
    name.path.parent.mkdir()
    monkeypatch.setattr(migrate, "_LOCK_WAIT_S", 0.2)
    with other_writer(name) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"):
            migrate.upgrade(name)


def test_a_file_that_is_no_database_is_an_outage_in_one_line(name: StoreAddress) -> None:
    assert name.path is not None
    name.path.parent.mkdir()
    name.path.write_bytes(b"these bytes are no database, and there are enough of them to be sure" * 20)
    with pytest.raises(DependencyUnavailable, match="file is not a database") as told:
        Store(name)
    assert "\n" not in str(told.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_an_outage(tmp_path: Path, name: StoreAddress) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DependencyUnavailable):
        Store(name)


def test_a_folder_whose_name_is_taken_by_a_file_is_an_outage(tmp_path: Path, name: StoreAddress) -> None:
    (tmp_path / "stores").write_text("a file")
    with pytest.raises(DependencyUnavailable, match="stores"):
        Store(name)
