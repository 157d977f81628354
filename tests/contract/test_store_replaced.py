"""A SQLite store whose files are removed or replaced under a member: no write is taken as durable."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consumers.runtime.failures.alarms import Alarms
from consumers.runtime.records import Alarm
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import ReplacedStore
from schemas.topics import ORDERS
from tests.contract.test_store_contract import effect
from tests.support.stores.stores import opened, template

P0 = (ORDERS, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "stores" / "warehouse.sqlite3"
    path.parent.mkdir()
    shutil.copyfile(template(), path)
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with opened(StoreAddress(f"sqlite:///{path}", "warehouse")) as made:
        made.identity("cluster", 1)
        made.register(made.claim_slot(), 1)
        made.write(StoreWrite(at=1, effects=[effect(1)], positions={P0: 1}))
        yield made


def remove(path: Path, end: str = "") -> None:
    path.with_name(f"{path.name}{end}").unlink()


def replace(path: Path, end: str = "") -> None:
    """With a copy of the same bytes."""
    old = path.with_name(f"{path.name}{end}")
    shutil.copy(old, old.with_name("copy"))
    old.with_name("copy").rename(old)


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


def replace_folder(path: Path) -> None:
    move_folder(path)
    shutil.copytree(path.parent.with_name("moved"), path.parent)


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "the file removed": (remove, "warehouse.sqlite3 cannot be found"),
    "the file replaced": (replace, "warehouse.sqlite3 is another file"),
    "the log removed": (lambda path: remove(path, "-wal"), "warehouse.sqlite3-wal cannot be found"),
    "the log replaced": (lambda path: replace(path, "-wal"), "warehouse.sqlite3-wal is another file"),
    "the index removed": (lambda path: remove(path, "-shm"), "warehouse.sqlite3-shm cannot be found"),
    "the slot's lock removed": (lambda path: remove(path, ".slot-0"), "slot-0 cannot be found"),
    "the folder moved": (move_folder, "warehouse.sqlite3 cannot be found"),
    "the folder replaced": (replace_folder, "warehouse.sqlite3 is another file"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_write_to_a_store_that_is_not_there_any_more_is_not_taken_as_one(
    store: Store, path: Path, change: str
) -> None:
    do, message = CHANGES[change]
    do(path)
    with pytest.raises(ReplacedStore, match=message) as refusal:
        store.write(StoreWrite(at=2, effects=[effect(2)], positions={P0: 2}))
    assert refusal.value.exit_code == 4
    assert "\n" not in str(refusal.value)
    with pytest.raises(ReplacedStore, match=message):
        store.failures.raise_alarm(Alarm("outage", "smtp", 3, "no answer"))
    with pytest.raises(ReplacedStore, match=message):
        store.announce_start({(ORDERS, 1): 0}, 3, started=False)
    Alarms(store.failures).stopped("warehouse", refusal.value)  # which cannot be written, and hides nothing


def test_a_file_that_others_read_write_vacuum_and_leave_stays_the_store(store: Store, path: Path) -> None:
    for statement in ("SELECT * FROM effects", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        with closing(sqlite3.connect(path)) as other:
            other.execute(statement).fetchall()
    with opened(store.name) as other_member:
        other_member.register(other_member.claim_slot(), 1)
        other_member.write(StoreWrite(at=2, effects=[effect(2)]))
    store.write(StoreWrite(at=3, effects=[effect(3)], positions={P0: 3}))
    assert len(store.find_effects([1, 2, 3])) == 3


def test_a_folder_that_moved_and_is_found_at_its_old_path_is_the_same(store: Store, path: Path) -> None:
    moved = path.parent.with_name("moved")
    path.parent.rename(moved)
    path.parent.symlink_to(moved)
    store.write(StoreWrite(at=2, effects=[effect(2)], positions={P0: 2}))
    assert store.find_effects([2])
