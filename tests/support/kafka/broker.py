"""A real broker for tests: one world a session, started when the first test asks for it.

I/O: starts and ends brokers in a temporary directory.

`from tests.support.kafka.broker import World` where a test wants the type of the fixture `cluster`.
Promise: whatever happened, `close` ends every process and removes the directory.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from broker import embedded, properties
from broker.running import Running

# A member asks for its assignment with each heartbeat, and in tests members come and go all the time.
properties._FAST_FAILOVER |= {"group.consumer.min.heartbeat.interval.ms": "100"}


class BrokerFixture:
    """A world on free ports in a directory of its own; `bootstrap` is where its clients connect."""

    def __init__(self, data_dir: Path, brokers: int = 1) -> None:
        self.data_dir = data_dir
        self._running = embedded.up(data_dir, brokers=brokers, port=0)

    @property
    def running(self) -> Running:
        return self._running

    @property
    def bootstrap(self) -> str:
        return self._running.bootstrap

    def add_registry(self) -> str:
        """Add a schema registry to the running world; its URL."""
        self._running = embedded.up(self.data_dir, port=0, registry=True)
        if self._running.registry is None:
            raise AssertionError("asked for a registry and got none")
        return self._running.registry


@contextlib.contextmanager
def world(brokers: int = 1) -> Iterator[BrokerFixture]:
    """A world that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="cev-"))
    data_dir = folder / "data"
    try:
        yield BrokerFixture(data_dir, brokers)
    finally:
        embedded.down(data_dir, delete_data=True)
        shutil.rmtree(folder, ignore_errors=True)
