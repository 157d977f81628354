"""Reactions on a real broker: a shop whose log a test writes by hand, and members that read it.

I/O: Kafka, SQLite files, PostgreSQL, child processes, threads.

Tests take the fixture `shop` (see `tests/integration/conftest.py`): an empty log, new stores, no members. Its
stores are SQLite files; a test marked with `STORE_KINDS` (`tests/support/stores/postgres.py`) runs on each
database.
"""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

from clients.config import Cluster
from consumers.registry import REACTIONS, named
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.member import Member
from consumers.runtime.reaction import AnyReaction
from consumers.runtime.runner import Runner
from consumers.runtime.status import MemberStatus
from databases.address import StoreAddress
from schemas.codec import Codec
from tests.support.kafka.log import PATIENCE_S, Log, until
from tests.support.stores import postgres, stores

_MAIN = "from cli.main import main; main()"


@dataclass
class Running:
    """A member on threads of this process."""

    runner: Runner
    status: MemberStatus
    stopping: Event
    thread: Thread

    def stop(self) -> None:
        """Drain and leave; a member that failed or does not end fails the test."""
        self.end()
        if self.status.failure is not None:
            raise AssertionError("the member had failed") from self.status.failure

    def end(self) -> BaseException | None:
        """Drain and leave; why it had failed, if it had."""
        self.stopping.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        return self.status.failure

    def failed(self) -> BaseException:
        """Wait until it fails by itself."""
        failure: BaseException = until(lambda: self.status.failure, "the member fails")
        self.end()
        return failure


class ConsumerHarness(Log):
    """An empty log, a data directory for one test, and stores in it or in a database."""

    def __init__(self, bootstrap: str, data_dir: Path, database_url: str | None = None) -> None:
        super().__init__(bootstrap)
        self.data_dir = data_dir
        self.database_url = database_url
        self._children: list[subprocess.Popen[str]] = []
        self._members: list[Running] = []

    def name(self, group: str) -> StoreAddress:
        """A group's store, on either database."""
        return StoreAddress.at(group, data_dir=self.data_dir, database_url=self.database_url)

    def store(self, group: str) -> Path:
        """A group's store that is a file."""
        path = self.name(group).path
        assert path is not None
        return path

    def _migrated(self, group: str) -> None:
        """A group's store, migrated before: Alembic costs more than most tests."""
        path = self.name(group).path
        if path is not None and not path.exists() and path.parent.is_dir():
            shutil.copyfile(stores.template(), path)

    def member(
        self,
        reaction: AnyReaction | str,
        *,
        channels: Mapping[str, Channel] | None = None,
        cluster: Cluster | None = None,
        codec: Codec | None = None,
        **config: Any,
    ) -> Running:
        """Start a member in this process."""
        self.flush()
        chosen = named(reaction) if isinstance(reaction, str) else reaction
        self._migrated(chosen.name)
        status, stopping = MemberStatus(chosen.name), Event()
        member = Member(
            chosen,
            cluster=cluster or self.cluster,
            codec=codec or Codec(),
            store=self.name(chosen.name),
            channels=channels or {},
            config=MemberConfig(**config),
            status=status,
            stopping=stopping,
        )
        runner = Runner([(member, status)], stopping)
        arguments = {"until_idle_s": None, "drain_s": PATIENCE_S, "watch": lambda: None}
        thread = Thread(target=runner.run, kwargs=arguments, daemon=True)
        thread.start()
        running = Running(runner, status, stopping, thread)
        self._members.append(running)
        return running

    def handled(self, reaction: AnyReaction | str, **more: Any) -> MemberStatus:
        """Run a member until it has read everything and committed the ends; what it says about itself."""
        running = self.member(reaction, **more)
        name = running.status.group
        topics = (named(reaction) if isinstance(reaction, str) else reaction).reads
        until(
            lambda: running.status.failure or (running.status.at_end and self.lag(name, topics) == 0),
            f"{name} reaches the end",
        )
        running.stop()
        return running.status

    def cev(self, *words: str, code: str | None = None, **environment: str) -> "subprocess.Popen[str]":
        """Start the command line in a process of its own; `code` runs in it first."""
        self.flush()
        for group in (each.name for each in REACTIONS if each.name in words):
            self._migrated(group)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CEV_")}
        if self.database_url is not None:
            kept["CEV_DATABASE_URL"] = self.database_url
        child = subprocess.Popen(
            [sys.executable, "-c", f"{code or ''}\n{_MAIN}", *words],
            env={
                **kept,
                "CEV_DATA_DIR": str(self.data_dir),
                "CEV_BOOTSTRAP_SERVERS": self.bootstrap,
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._children.append(child)
        return child

    def ran(self, *words: str, code: str | None = None, **environment: str) -> tuple[int, str]:
        """Run the command line to its end: exit code and stderr."""
        child = self.cev(*words, code=code, **environment)
        _, told = child.communicate(timeout=2 * PATIENCE_S)
        return child.returncode, told

    def rows(self, group: str, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a group's store, on either database; none where it is not there yet."""
        name = self.name(group)
        path = name.path
        if path is None:
            return postgres.rows(name, sql.replace("?", "%s"), *arguments)
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as raw:
            try:
                return raw.execute(sql, arguments).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error):
                    return []
                raise

    def outcomes(self, group: str, table: str = "effects") -> dict[int, str]:
        """Outcome by order id; for groups with one effect an order."""
        return dict(self.rows(group, f"SELECT order_id, outcome FROM {table}"))

    def until_outcomes(self, group: str, count: int) -> None:
        """Wait until so many orders have their effect."""
        until(lambda: len(self.outcomes(group)) >= count, f"{count} effects of {group}")

    def close(self) -> None:
        """End what the test left running."""
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.communicate(timeout=PATIENCE_S)
        for running in self._members:
            running.end()


def renamed(reaction: str, name: str) -> AnyReaction:
    """A reaction of the registry under another group's name, for groups that own no command."""
    return replace(named(reaction), name=name)
