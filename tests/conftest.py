"""What several test tiers share, one a session: a real broker, its registry, a real PostgreSQL."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # it ships no types

from broker import ports
from tests.support import workers
from tests.support.kafka.broker import BrokerFixture, world
from tests.support.stores import postgres as servers

# A shell that starts this in the background has it ignore SIGINT, and whatever it starts as well.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says something about the machine; what must be fast is measured in benchmarks/.
settings.register_profile("suite", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# Brokers come and go here. Without Java's second compiler one starts in 2.3 s of a processor, not in 4.0,
# and none lives long enough to miss it.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

# Two workers that look for free ports at one time look in different places.
ports._FREE_FROM, ports._FREE_TO = workers.ports(ports._FREE_FROM, ports._FREE_TO)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what tells soonest, end with small files: no worker is left with a long one."""
    items.sort(key=workers.rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """`pytest -n 2`: a worker takes whole files, and so shares what they share."""
    return workers.ByFile(config, log)


@pytest.fixture(scope="session")
def cluster() -> Iterator[BrokerFixture]:
    """One embedded broker for the whole session; tests keep apart by topic and group names."""
    with world() as started:
        yield started


@pytest.fixture(scope="session")
def registry(cluster: BrokerFixture) -> str:
    """The URL of a schema registry, added to the session's broker by the first test that asks."""
    return cluster.add_registry()


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Server]:
    """One PostgreSQL server for the whole session; tests keep apart by databases."""
    with servers.running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: servers.Server) -> Iterator[str]:
    """An empty database for one test, as `CEV_DATABASE_URL` would name it."""
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture
def migrated_url(postgres: servers.Server) -> Iterator[str]:
    """A database in which the stores of all registered groups are there, and empty."""
    url = postgres.migrated()
    yield url
    postgres.drop(url)
