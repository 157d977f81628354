"""What several test tiers share: one real broker a session, and its registry."""

from collections.abc import Iterator

import pytest

from tests.embedded import World, world


@pytest.fixture(scope="session")
def cluster() -> Iterator[World]:
    """One embedded broker for the whole session; tests keep apart by topic and group names."""
    with world() as started:
        yield started


@pytest.fixture(scope="session")
def registry(cluster: World) -> str:
    """The URL of a schema registry, added to the session's broker by the first test that asks."""
    return cluster.add_registry()
