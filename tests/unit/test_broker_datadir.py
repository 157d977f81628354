"""Which directories are ours to fill and to erase."""

from pathlib import Path

import pytest

from broker.datadir import MARKER, claim, erase, is_ours, locked
from broker.embedded import down, up
from broker.errors import BusyError, DataDirError, ImpossibleRequestError
from broker.waiting import TimeLimit


def test_a_new_directory_becomes_ours_and_stays_so(tmp_path: Path) -> None:
    data_dir = tmp_path / "a, b; ü" / "data"
    claim(data_dir)
    (data_dir / "file").touch()
    claim(data_dir)
    assert is_ours(data_dir)


def test_a_directory_with_other_files_is_neither_filled_nor_erased(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(DataDirError, match="holds files that are not command-event's"):
        up(tmp_path, port=0)
    with pytest.raises(DataDirError, match="was not made by command-event"):
        down(tmp_path, delete_data=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_erasing_removes_all_of_it_and_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    data_dir = tmp_path / "data"
    claim(data_dir)
    (data_dir / "link").symlink_to(outside)
    (data_dir / "maildir" / "new").mkdir(parents=True)
    (data_dir / "warehouse.db").touch()
    erase(data_dir)
    assert not data_dir.exists()
    assert (outside / "kept").exists()


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirError, match="choose another directory") as caught:
        up(tmp_path / "file" / "data", port=0)
    assert "\n" not in str(caught.value)


def test_a_lock_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    path = tmp_path / "broker" / "lock"
    with (
        locked(path, TimeLimit.after(0)),
        pytest.raises(BusyError, match="another process still works on"),
        locked(path, TimeLimit.after(0.1)),
    ):
        pytest.fail("two hold the lock")
    with locked(path, TimeLimit.after(0)):
        pass


def test_a_lock_on_an_erased_file_locks_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, TimeLimit.after(0)):
        path.unlink()
        with locked(path, TimeLimit.after(0)):
            assert path.exists()


@pytest.mark.parametrize("brokers", [0, -1, 10])
def test_an_impossible_number_of_brokers_is_refused_before_anything_is_made(
    tmp_path: Path, brokers: int
) -> None:
    with pytest.raises(ImpossibleRequestError, match="choose 1 to 9"):
        up(tmp_path / "data", brokers=brokers)
    assert not (tmp_path / "data").exists()


def test_ending_what_never_ran_says_so(tmp_path: Path) -> None:
    assert down(tmp_path / "missing") is False
    claim(tmp_path / "data")
    assert down(tmp_path / "data", delete_data=True) is False
    assert not (tmp_path / "data").exists()
    assert MARKER not in {path.name for path in tmp_path.iterdir()}
