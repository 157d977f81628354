"""Reactions on a real broker: a shop whose log a test writes by hand, and members that read it.

I/O: Kafka, SQLite files, child processes, threads.

Group ids and topic names are fixed, so tests cannot keep apart by name. Each test gets a clean shop instead:
the groups are deleted, the topics emptied and the stores new. Tests take the fixture
`shop` (see `tests/integration/conftest.py`) and nothing else.
"""

import atexit
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, its stub only lacks the re-exports
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from broker.client import Cluster
from consumers.registry import REACTIONS, all_topics, named
from consumers.runtime.lanes import Channel
from consumers.runtime.member import Member
from consumers.runtime.options import Options
from consumers.runtime.pulse import Pulse
from consumers.runtime.reaction import Reaction
from consumers.runtime.service import Service
from consumers.runtime.stores import migrate
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import Position
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.times import now_ms
from schemas.topics import BY_NAME, DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS, Message

PATIENCE_S = 40.0
HOME = "1 Streetford Road"
CEV = (sys.executable, "-c", "from cli.main import main; main()")


def until(happened: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Wait until something is truthy, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := happened():
            return found
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds:g} s: {what}")


_NOT_YET = (
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


class Seen(NamedTuple):
    """One record of a topic, as a read_committed reader sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def message(self) -> Message:
        return Codec().decode(self.topic, self.key, self.value, Position(*self[:3]))

    def header(self, name: str) -> bytes | None:
        return dict(self.headers).get(name)


@dataclass
class Running:
    """A member on threads of this process."""

    service: Service
    pulse: Pulse
    stopping: Event
    thread: Thread

    def stop(self) -> None:
        """Drain and leave; a member that failed or does not end fails the test."""
        self.end()
        if self.pulse.failure is not None:
            raise AssertionError("the member had failed") from self.pulse.failure

    def end(self) -> BaseException | None:
        """Drain and leave; why it had failed, if it had."""
        self.stopping.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()
        return self.pulse.failure

    def failed(self) -> BaseException:
        """Wait until it fails by itself."""
        failure: BaseException = until(lambda: self.pulse.failure, "the member fails")
        self.end()
        return failure


class Town(NamedTuple):
    """What the tests of a module share: a broker with every topic, and a store that is migrated and empty."""

    bootstrap: str
    template: Path


class Shop:
    """A private broker with every topic, and a data directory for one test."""

    def __init__(self, home: Town, data_dir: Path) -> None:
        self.bootstrap = home.bootstrap
        # A broker holds an empty fetch for half a second by default; tests ask about empty topics a lot.
        self.cluster = Cluster(bootstrap=self.bootstrap, kafka={"fetch.wait.max.ms": "20"})
        self.admin = AdminClient(self.cluster.admin())
        self.producer = Producer(self.cluster.producer(linger_ms=0))
        self.data_dir = data_dir
        self._template = home.template
        self._children: list[subprocess.Popen[str]] = []
        self._members: list[Running] = []

    # What happened before -----------------------------------------------------------------------------

    def command(self, order_id: int, address: str | None = HOME, **headers: str) -> None:
        """Write a `DispatchProduct`."""
        self.write(DISPATCH_PRODUCTS, DispatchProduct(order_id, address, 1), **headers)

    def fact(self, order_id: int, address: str = HOME, **more: Any) -> None:
        """Write an `OrderPlaced`, of epoch 1 unless it says otherwise."""
        fields = {"placed_at": now_ms(), "mode_epoch": 1, **more}
        self.write(ORDERS, OrderPlaced(order_id, address, **fields))

    def shadow(self, order_id: int, address: str = HOME) -> None:
        """Write the fact of an order that its command decides."""
        self.fact(order_id, address, shadow_of=(DISPATCH_PRODUCTS,))

    def write(self, topic: str, message: Message, **headers: str) -> None:
        self.raw(topic, encode_key(message[0]), Codec().encode(topic, message), [*headers.items()])

    def raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, str | bytes | None]] = (),
        partition: int = -1,
    ) -> None:
        """Write bytes as they are; `flush` waits for them."""
        self.producer.produce(topic, value, key, partition=partition, headers=list(headers))
        self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(PATIENCE_S) == 0

    # Members ------------------------------------------------------------------------------------------

    def store(self, group: str) -> Path:
        return self.data_dir / "stores" / f"{group}.sqlite3"

    def _migrated(self, group: str) -> None:
        """A group's store, migrated before: Alembic costs more than most tests."""
        path = self.store(group)
        if not path.exists() and path.parent.is_dir():
            shutil.copyfile(self._template, path)

    def member(
        self,
        reaction: Reaction | str,
        *,
        channels: Mapping[str, Channel] | None = None,
        cluster: Cluster | None = None,
        **options: Any,
    ) -> Running:
        """Start a member in this process."""
        self.flush()
        chosen = named(reaction) if isinstance(reaction, str) else reaction
        self._migrated(chosen.name)
        pulse, stopping = Pulse(chosen.name), Event()
        member = Member(
            chosen,
            cluster=cluster or self.cluster,
            codec=Codec(),
            store_url=f"sqlite:///{self.store(chosen.name)}",
            channels=channels or {},
            options=Options(**options),
            pulse=pulse,
            stopping=stopping,
        )
        service = Service([(member, pulse)], stopping)
        arguments = {"until_idle_s": None, "drain_s": PATIENCE_S, "watch": lambda: None}
        thread = Thread(target=service.run, kwargs=arguments, daemon=True)
        thread.start()
        running = Running(service, pulse, stopping, thread)
        self._members.append(running)
        return running

    def handled(self, reaction: Reaction | str, **more: Any) -> Pulse:
        """Run a member until it has read everything and committed the ends; what it says about itself."""
        running = self.member(reaction, **more)
        name = running.pulse.group
        topics = (named(reaction) if isinstance(reaction, str) else reaction).reads
        until(
            lambda: running.pulse.failure or (running.pulse.ended and self.lag(name, topics) == 0),
            f"{name} reaches the end",
        )
        running.stop()
        return running.pulse

    def cev(self, *words: str, code: str | None = None, **environment: str) -> "subprocess.Popen[str]":
        """Start the command line in a process of its own; `code` runs in it first."""
        self.flush()
        for group in (each.name for each in REACTIONS if each.name in words):
            self._migrated(group)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CEV_")}
        child = subprocess.Popen(
            [sys.executable, "-c", f"{code or ''}\n{CEV[2]}", *words],
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

    # What came of it ----------------------------------------------------------------------------------

    def rows(self, group: str, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a group's store; none where it is not there yet."""
        path = self.store(group)
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

    def results(self) -> list[tuple[int, str]]:
        """Order id and type of every result, read_committed, as often as it is there."""
        return [(seen.message[0], type(seen.message).__name__) for seen in self.read(DISPATCH_RESULTS)]

    def read(self, topic: str) -> list[Seen]:
        """Every record of a topic that is committed."""
        consumer = Consumer(self.cluster.reader())
        partitions = BY_NAME[topic].partitions if topic in BY_NAME else 6
        consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(partitions)])
        found: list[Seen] = []
        left, deadline = partitions, time.monotonic() + PATIENCE_S
        while left:
            assert time.monotonic() < deadline, f"{topic} does not end"
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                where = message.topic() or "", message.partition() or 0, message.offset() or 0
                headers: Any = message.headers() or []
                found.append(Seen(*where, message.key(), message.value(), headers))
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left -= 1
        consumer.close()
        return sorted(found, key=lambda seen: seen[:3])

    def committed(self, group: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """A group's committed offsets."""
        found = self._committed(group, topics)
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    def metadata(self, group: str, topic: str) -> set[str | None]:
        """What travels with a group's committed offsets."""
        return {each.metadata for each in self._committed(group, [topic])}

    def _committed(self, group: str, topics: Sequence[str]) -> list[TopicPartition]:
        consumer = Consumer(self.cluster.reader(group_id=group))
        wanted = [TopicPartition(topic, n) for topic in topics for n in range(6)]
        try:
            return consumer.committed(wanted, timeout=10)
        finally:
            consumer.close()

    def lag(self, group: str, topics: Sequence[str]) -> int:
        """Offsets, markers included, between what a group committed and the topics' ends."""
        done = self.committed(group, topics)
        return sum(high - done.get(each, low) for each, (low, high) in self.edges(*topics).items())

    def edges(self, *topics: str) -> dict[tuple[str, int], tuple[int, int]]:
        """The lowest and the next offset of every partition."""
        consumer = Consumer(self.cluster.reader())
        found = {}
        try:
            for each in [TopicPartition(topic, n) for topic in topics for n in range(6)]:
                found[each.topic, each.partition] = consumer.get_watermark_offsets(each, timeout=10)
        finally:
            consumer.close()
        return found

    def members(self, group: str) -> int:
        """How many members a group has now."""
        try:
            found = self.admin.describe_consumer_groups([group])[group].result(PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise
        return len(found.members)

    # Between tests ------------------------------------------------------------------------------------

    def close(self) -> None:
        """End what the test left running."""
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.communicate(timeout=PATIENCE_S)
        for running in self._members:
            running.end()

    def empty(self) -> None:
        """Forget every group of ours and every record of its topics."""
        # Asking about a group that never was can take long: its coordinator may not be there yet.
        there = {each.group_id for each in self.admin.list_consumer_groups().result(PATIENCE_S).valid}
        for reaction in REACTIONS:
            if reaction.name in there:
                self.forget_offsets(reaction.name)
        every = [
            TopicPartition(each.name, n, OFFSET_END) for each in all_topics() for n in range(each.partitions)
        ]
        until(lambda: self._emptied(every), "the topics are empty")

    def _emptied(self, ends: list[TopicPartition]) -> bool:
        try:
            for future in self.admin.delete_records(ends).values():
                future.result(PATIENCE_S)
        except KafkaException as error:
            # Topics that were made a moment ago may have no leader yet.
            if not error.args[0].retriable() and error.args[0].code() not in _NOT_YET:
                raise
            return False
        return True

    def forget_offsets(self, group: str) -> None:
        """Delete a group, and with it its committed offsets."""
        until(lambda: self._deleted(group), f"group {group} is deleted")

    def _deleted(self, group: str) -> bool:
        try:
            self.admin.delete_consumer_groups([group])[group].result(PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() in _NOT_YET:
                return False
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise
        return True


def renamed(reaction: str, name: str) -> Reaction:
    """A reaction of the registry under another group's name, for groups that own no command."""
    return replace(named(reaction), name=name)


@cache
def _template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="cev-template-")) / "store.sqlite3"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    migrate.upgrade(f"sqlite:///{path}")
    return path


def prepared(bootstrap: str) -> Town:
    """A broker with every topic of ours, whoever used it before."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = [NewTopic(each.name, each.partitions, 1, config=each.config) for each in all_topics()]
    for future in admin.create_topics(new).values():
        try:
            future.result(PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    for reaction in REACTIONS:
        _forget_members_soon(admin, reaction.name)
    return Town(bootstrap, _template())


def _forget_members_soon(admin: AdminClient, group: str) -> None:
    """A killed member is out of its group after three seconds, the least that the broker allows."""
    settings = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in (
            ("consumer.session.timeout.ms", "3000"),
            ("consumer.heartbeat.interval.ms", "1000"),
        )
    ]
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=settings)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(PATIENCE_S)
