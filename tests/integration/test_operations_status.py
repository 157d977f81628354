"""Status on a real broker: lag and age per group, and each alarm as its cause comes and goes."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Timer
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from clients.config import Cluster
from databases.address import StoreAddress
from operations.status import collect, progress
from operations.status.collect import Status
from operations.status.stores import Reader
from operations.topics import provision
from schemas.codec import Codec
from schemas.times import now_ms
from schemas.topics import CATALOGUE, ORDER_MODE, Kind, Topic, derived
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.log import until
from tests.support.stores import stores

DEADLINE_S = 30
STORE_ID = "store-1"


class Scene:
    """A command topic and a fact topic of our own, with the owner's dead letters."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.owner = f"owner-{uuid4().hex}"
        self.command = self._topic(Kind.COMMAND)
        self.fact = self._topic(Kind.FACT)
        self.dlq, self.retry = derived([(self.owner, [self.command.name])])
        mode = next(topic for topic in CATALOGUE if topic.name == ORDER_MODE)
        self.catalogue = [self.command, self.fact, self.dlq, self.retry, mode]
        self.reader = Reader(
            self.owner,
            (self.command.name, self.fact.name),
            self.command.name,
            StoreAddress.at(self.owner, data_dir=folder),
        )

    def _topic(self, kind: Kind) -> Topic:
        return Topic(name=f"t-{uuid4().hex}", kind=kind, records=(), owner=self.owner, partitions=1)

    def look(self) -> Status:
        return collect.collect_status(self.cluster, Codec(), self.catalogue, [self.reader])

    def alarms(self) -> set[tuple[str, str]]:
        return {(each.name, each.subject) for each in self.look().alarms}

    def write(self, topic: Topic, count: int = 1) -> None:
        producer = Producer(self.cluster.producer())
        for _ in range(count):
            producer.produce(topic.name, b"x", partition=0)
        assert producer.flush(20) == 0

    def store(self) -> None:
        """The owner's store, opened once, and as far as any test commits."""
        path = self.reader.store.path
        assert path is not None
        if path.exists():
            return
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(stores.template(), path)
        with closing(sqlite3.connect(path)) as raw, raw:
            raw.execute("INSERT INTO store VALUES (?, ?, 'cluster', 1)", (STORE_ID, self.owner))
            for topic in (self.command, self.fact):
                raw.execute("INSERT INTO progress VALUES (?, 0, 99, 0, 0, 1)", (topic.name,))

    def commit(self, group: str, topic: Topic, offset: int) -> None:
        metadata = ""
        if group == self.owner:
            self.store()
            metadata = STORE_ID
        # A classic consumer may commit for a group that it has not joined.
        classic = replace(self.cluster, group_protocol="classic")
        consumer = Consumer(classic.consumer(group))
        consumer.commit(offsets=[TopicPartition(topic.name, 0, offset, metadata)], asynchronous=False)
        consumer.close()

    def remove(self, topic: Topic, upto: int) -> None:
        admin = AdminClient(self.cluster.admin())
        [future] = admin.delete_records([TopicPartition(topic.name, 0, upto)]).values()
        future.result(DEADLINE_S)

    @contextmanager
    def member(self, group: str, topic: Topic) -> Iterator[Consumer]:
        consumer = Consumer(self.cluster.consumer(group, **{"auto.offset.reset": "earliest"}))
        consumer.subscribe([topic.name])
        deadline = time.monotonic() + DEADLINE_S
        while not consumer.assignment():
            assert time.monotonic() < deadline
            consumer.poll(0.1)
        yield consumer
        consumer.close()


@pytest.fixture
def scene(cluster: BrokerFixture, tmp_path: Path) -> Scene:
    here = Scene(Cluster(bootstrap=cluster.bootstrap), tmp_path)
    provision.create(here.cluster, here.catalogue)
    return here


def test_a_quiet_cluster_has_no_alarm_and_says_its_mode(scene: Scene) -> None:
    found = scene.look()
    assert found.alarms == ()
    assert found.mode is not None
    assert found.brokers == 1
    assert found.stores == ()


def test_lag_and_age_count_from_the_committed_offset(scene: Scene) -> None:
    scene.write(scene.fact, 5)
    scene.commit(scene.owner, scene.fact, 2)
    [lag] = [each for each in scene.look().lags if each.topic == scene.fact.name]
    assert (lag.group, lag.lag, lag.members) == (scene.owner, 3, 0)
    assert lag.oldest_at is not None
    assert abs(now_ms() - lag.oldest_at) < DEADLINE_S * 1000


def test_a_group_that_waits_for_markers_only_has_no_lag(scene: Scene) -> None:
    producer = Producer(scene.cluster.transactional_producer(uuid4().hex))
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(scene.fact.name, b"x", partition=0)
    producer.commit_transaction(20)
    scene.commit(scene.owner, scene.fact, 1)
    [lag] = [each for each in scene.look().lags if each.topic == scene.fact.name]
    assert (lag.lag, lag.oldest_at) == (0, None)


def test_commands_without_a_live_owner_are_an_alarm_until_one_comes(scene: Scene) -> None:
    scene.write(scene.command)
    subject = ("no-consumer", f"{scene.owner}@{scene.command.name}")
    assert scene.alarms() == {subject}
    with scene.member(scene.owner, scene.command):
        assert scene.alarms() == set()


def test_facts_that_wait_for_a_reaction_which_replaces_a_command_are_an_alarm(scene: Scene) -> None:
    scene.write(scene.fact)
    scene.commit(scene.owner, scene.fact, 0)
    assert scene.alarms() == {("no-consumer", f"{scene.owner}@{scene.fact.name}")}


def test_a_foreign_group_at_a_command_topic_is_an_alarm_also_after_it_left(scene: Scene) -> None:
    group = f"audit-{uuid4().hex}"
    expected = {("foreign-group", f"{group}@{scene.command.name}")}
    with scene.member(group, scene.command):
        assert scene.alarms() == expected
    scene.commit(group, scene.command, 0)
    assert scene.alarms() == expected


def test_a_foreign_group_at_a_fact_topic_is_shown_and_no_alarm(scene: Scene) -> None:
    group = f"audit-{uuid4().hex}"
    scene.write(scene.fact, 3)
    scene.commit(group, scene.fact, 1)
    found = scene.look()
    assert found.alarms == ()
    assert [(each.group, each.lag) for each in found.lags if each.topic == scene.fact.name] == [(group, 2)]


def test_dead_letters_are_counted_without_markers(scene: Scene) -> None:
    producer = Producer(scene.cluster.transactional_producer(uuid4().hex))
    producer.init_transactions(20)
    for _ in range(2):
        producer.begin_transaction()
        producer.produce(scene.dlq.name, b"x", partition=0)
        producer.commit_transaction(20)
    # A marker is written a moment after its commit is confirmed.
    until(lambda: any("2 to decide" in each.text for each in scene.look().alarms), "both are committed")
    [alarm] = scene.look().alarms
    assert (alarm.name, alarm.subject) == ("dead-letters", scene.dlq.name)
    assert alarm.text.startswith("2 to decide")
    assert alarm.since is not None


def test_a_missing_topic_is_an_alarm_and_no_failure(scene: Scene) -> None:
    extra = Topic(name=f"t-{uuid4().hex}", kind=Kind.FACT, records=(), owner="o", partitions=1)
    scene.catalogue.append(extra)
    assert scene.alarms() == {("topic-missing", extra.name)}


def test_records_that_were_removed_before_the_group_read_them_are_an_alarm(scene: Scene) -> None:
    scene.write(scene.fact, 5)
    scene.commit(scene.owner, scene.fact, 2)
    scene.remove(scene.fact, upto=4)
    assert ("records-removed", f"{scene.owner}@{scene.fact.name}") in scene.alarms()
    [text] = [each.text for each in scene.look().alarms if each.name == "records-removed"]
    assert "0:2-3" in text
    scene.commit(scene.owner, scene.fact, 4)
    assert "records-removed" not in {name for name, _ in scene.alarms()}


def test_offsets_beyond_the_end_of_a_log_are_an_alarm(scene: Scene) -> None:
    scene.write(scene.fact)
    scene.commit(scene.owner, scene.fact, 1)
    assert scene.alarms() == set()
    scene.commit(scene.owner, scene.fact, 7)
    assert scene.alarms() == {("cannot-start", f"{scene.owner}@{scene.fact.name}:0")}


def test_a_store_that_is_not_there_is_an_alarm(scene: Scene) -> None:
    scene.write(scene.fact)
    scene.commit(scene.owner, scene.fact, 1)
    path = scene.reader.store.path
    assert path is not None
    path.unlink()
    [alarm] = scene.look().alarms
    assert (alarm.name, alarm.subject) == ("store", scene.owner)
    assert STORE_ID in alarm.text
    assert str(path) in alarm.text


def test_offsets_of_another_store_and_offsets_that_are_gone_are_an_alarm(scene: Scene) -> None:
    scene.write(scene.fact)
    scene.commit(scene.owner, scene.fact, 1)
    path = scene.reader.store.path
    assert path is not None
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE store SET id = 'another'")
    assert scene.alarms() == {("cannot-start", scene.owner)}
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE store SET id = ?", (STORE_ID,))
        raw.execute("UPDATE progress SET started = 1 WHERE topic = ?", (scene.command.name,))
    [alarm] = scene.look().alarms
    assert (alarm.name, alarm.subject) == ("cannot-start", scene.owner)
    assert "committed offset is gone" in alarm.text


def test_a_live_group_that_commits_nothing_is_an_alarm_and_one_that_does_is_none(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STUCK_MS", 0)
    monkeypatch.setattr(progress, "WATCH_S", 2.0)
    scene.write(scene.command, 3)
    stuck = {("no-progress", f"{scene.owner}@{scene.command.name}")}
    with scene.member(scene.owner, scene.command) as consumer:
        assert scene.alarms() == stuck
        scene.store()
        at_work = Timer(
            0.5, consumer.commit, kwargs={"offsets": [TopicPartition(scene.command.name, 0, 1, STORE_ID)]}
        )
        at_work.start()
        assert scene.alarms() == set()
        at_work.join()


def test_a_topic_that_no_live_member_of_the_group_reads_is_an_alarm(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STUCK_MS", 0)
    monkeypatch.setattr(progress, "WATCH_S", 0.0)
    scene.write(scene.command)
    with scene.member(scene.owner, scene.fact):
        assert scene.alarms() == {("no-progress", f"{scene.owner}@{scene.command.name}")}
        [alarm] = scene.look().alarms
    assert "no live member" in alarm.text
