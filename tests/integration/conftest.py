"""What integration tests share besides the broker: a clean shop on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.datadir import claim
from tests.embedded import World
from tests.running import Shop, Town, prepared


@pytest.fixture(scope="module")
def town(cluster: World) -> Town:
    """The session's broker with every topic."""
    return prepared(cluster.bootstrap)


@pytest.fixture
def shop(town: Town, tmp_path: Path) -> Iterator[Shop]:
    """A shop without records, groups or stores; whatever a test leaves running in it is ended."""
    data_dir = tmp_path / "data"
    claim(data_dir)
    (data_dir / "stores").mkdir()
    made = Shop(town, data_dir)
    made.empty()
    yield made
    made.close()
