"""The file of classes that brokers start from: when there is one, and what becomes of a recording."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from broker.aot_cache import cache_file, options, recording
from broker.errors import BusyError, StartError
from broker.waiting import TimeLimit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    jar = tmp_path / "kafka.jar"
    jar.touch()
    return cache_file(tmp_path / "cache", [jar])


def soon() -> TimeLimit:
    return TimeLimit.after(60)


def written_by_java(given: Sequence[str]) -> Path:
    option, _, name = given[0].partition("=")
    assert option == "-XX:AOTCacheOutput"
    return Path(name)


def test_what_was_recorded_is_used_and_takes_the_place_of_older_ones(file: Path) -> None:
    assert options(file) == ()
    file.parent.mkdir(parents=True)
    older = file.with_name("kafka-0.aot")
    older.write_text("classes of an older version")
    with recording(file, soon()) as given:
        written_by_java(given).write_text("classes")
        assert options(file) == ()
    assert options(file) == (f"-XX:AOTCache={file}",)
    assert not older.exists()


def test_a_jar_that_was_fetched_again_has_a_file_of_its_own(tmp_path: Path) -> None:
    jar = tmp_path / "kafka.jar"
    jar.touch()
    before = cache_file(tmp_path, [jar])
    assert cache_file(tmp_path, [jar]) == before
    os.utime(jar, (1, 1))
    assert cache_file(tmp_path, [jar]) != before


@pytest.mark.parametrize("seconds", [60, 0])
def test_a_java_that_writes_nothing_in_time_is_not_asked_again_and_nothing_is_used(
    file: Path, seconds: float
) -> None:
    with recording(file, TimeLimit.after(seconds)) as given:
        if seconds == 0:
            written_by_java(given).write_text("half of the clas")
    assert file.exists()
    assert options(file) == ()


def test_a_broker_that_does_not_start_leaves_no_recording(file: Path) -> None:
    def start() -> None:
        with recording(file, soon()) as given:
            written_by_java(given).write_text("half of the clas")
            raise StartError("it died")

    with pytest.raises(StartError):
        start()
    assert not file.exists()


def test_one_process_records_at_a_time(file: Path) -> None:
    with recording(file, soon()), pytest.raises(BusyError), recording(file, soon()):
        raise AssertionError("both record")
