"""Which cluster a command talks to, and what it says when there is none."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.discovery import ClusterAddress, choose, find
from broker.errors import NoClusterError
from broker.running import Running

DATA = Path("/data")
OURS = "http://127.0.0.1:9094/apis/ccompat/v7"
WORLD = Running(bootstrap="127.0.0.1:9092", registry=OURS, log=DATA / "log", data_dir=DATA, brokers=1)


@given(st.sampled_from([WORLD, None]))
def test_explicit_settings_win(world: Running | None) -> None:
    found = choose(world, DATA, bootstrap_servers="kafka:9092", registry_url="http://registry")
    assert found == ClusterAddress("kafka:9092", "http://registry", "settings")


def test_a_running_world_is_found_with_its_registry() -> None:
    found = choose(WORLD, DATA, bootstrap_servers=None, registry_url=None)
    assert found == ClusterAddress("127.0.0.1:9092", OURS, "cev up")


def test_another_registry_can_be_named_for_a_running_world() -> None:
    assert choose(WORLD, DATA, bootstrap_servers=None, registry_url="http://r").registry == "http://r"


def test_the_registry_of_a_running_world_is_never_used_with_another_cluster() -> None:
    assert choose(WORLD, DATA, bootstrap_servers="kafka:9092", registry_url=None).registry is None


@pytest.mark.parametrize("bootstrap", ["127.0.0.1:9092", "localhost:9092", " LOCALHOST:9092 ,"])
def test_naming_the_running_world_itself_finds_its_registry(bootstrap: str) -> None:
    found = choose(WORLD, DATA, bootstrap_servers=bootstrap, registry_url=None)
    assert found == ClusterAddress(bootstrap.strip(), OURS, "settings")


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_without_any_cluster_one_line_says_how_to_start_one(tmp_path: Path, blank: str | None) -> None:
    with pytest.raises(NoClusterError) as caught:
        find(tmp_path, bootstrap_servers=blank, registry_url="http://registry")
    assert caught.value.exit_code == 3
    assert "cev up" in str(caught.value)
    assert "--bootstrap-servers" in str(caught.value)
    assert "\n" not in str(caught.value)
