"""What integration tests share besides the broker: a clean shop on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.datadir import claim
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.log import prepare


@pytest.fixture(scope="module")
def broker_with_topics(cluster: BrokerFixture) -> BrokerFixture:
    """The session's broker with every topic."""
    prepare(cluster.bootstrap)
    return cluster


@pytest.fixture
def store_kind() -> str:
    """Where stores are; a test that says `parametrize("store_kind", STORE_KINDS)` overrides it."""
    return "sqlite"


@pytest.fixture
def shop(
    broker_with_topics: BrokerFixture, tmp_path: Path, store_kind: str, request: pytest.FixtureRequest
) -> Iterator[ConsumerHarness]:
    """A shop without records, groups or stores; whatever a test leaves running in it is ended."""
    data_dir = tmp_path / "data"
    claim(data_dir)
    (data_dir / "stores").mkdir()
    database = request.getfixturevalue("migrated_url") if store_kind == "postgres" else None
    made = ConsumerHarness(broker_with_topics.bootstrap, data_dir, database)
    made.empty()
    yield made
    made.close()
