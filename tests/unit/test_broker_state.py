"""What a data directory remembers of its world."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.process import Process
from broker.properties import Ports
from broker.running import running
from broker.state import (
    ClusterIdentity,
    State,
    load_identity,
    load_state,
    new_identity,
    save_identity,
    save_state,
)

numbers = st.integers(1, 65535)
ports = st.builds(
    Ports, st.lists(numbers, min_size=1).map(tuple), st.lists(numbers, min_size=1).map(tuple), numbers
)
processes = st.dictionaries(
    st.text(max_size=9), st.builds(Process, st.integers(1, 2**22), st.text(max_size=9))
)
states = st.builds(State, ports, processes, st.booleans())

# No process has this pid: Linux allows 2**22 at most.
DEAD = Process(2**22 + 1, "1")


@given(states)
def test_a_state_is_read_as_it_was_written(state: State) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_state(Path(folder), state)
        assert load_state(Path(folder)) == state
        save_state(Path(folder), None)
        assert load_state(Path(folder)) is None


def test_a_world_is_read_as_it_was_written(tmp_path: Path) -> None:
    world = ClusterIdentity("lkaBBdhsRcWmE_0MDeOvbg", 3, registry=True)
    save_identity(tmp_path, world)
    assert load_identity(tmp_path) == world


def test_a_directory_without_a_world_has_none(tmp_path: Path) -> None:
    assert load_identity(tmp_path) is None
    assert load_state(tmp_path / "missing") is None
    assert running(tmp_path) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "{}", '{"ports": 1}', '{"ports": {}, "processes": {}, "ready": true}']
)
def test_a_file_that_cannot_be_read_counts_as_absent(tmp_path: Path, text: str) -> None:
    (tmp_path / "broker").mkdir()
    for name in ("world.json", "state.json"):
        (tmp_path / "broker" / name).write_text(text)
    assert load_identity(tmp_path) is None
    assert load_state(tmp_path) is None


def test_a_stale_pid_file_is_no_running_world(tmp_path: Path) -> None:
    save_state(tmp_path, State(Ports((1,), (2,), 3), {"broker-1": DEAD}, ready=True))
    assert running(tmp_path) is None


def test_a_cluster_id_is_one_that_kafka_takes() -> None:
    ids = {new_identity(1, registry=False).cluster_id for _ in range(200)}
    assert len(ids) == 200
    assert all(len(each) == 22 and not each.startswith("-") for each in ids)


def test_a_state_says_in_plain_json_what_runs(tmp_path: Path) -> None:
    save_state(tmp_path, State(Ports((1,), (2,), 3), {"broker-1": DEAD}, ready=True))
    document = json.loads((tmp_path / "broker" / "state.json").read_text())
    assert document["processes"]["broker-1"]["pid"] == DEAD.pid
