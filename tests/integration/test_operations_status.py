"""Status on a real broker: lag and age per group, and each alarm as its cause comes and goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from clients.config import Cluster
from databases.address import StoreAddress
from operations.status import collect
from operations.status.collect import Reader, Status
from operations.topics import provision
from schemas.codec import Codec
from schemas.times import now_ms
from schemas.topics import CATALOGUE, ORDER_MODE, Kind, Topic, derived
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.log import until

DEADLINE_S = 30


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

    def commit(self, group: str, topic: Topic, offset: int) -> None:
        # A classic consumer may commit for a group that it has not joined.
        classic = replace(self.cluster, group_protocol="classic")
        consumer = Consumer(classic.consumer(group))
        consumer.commit(offsets=[TopicPartition(topic.name, 0, offset)], asynchronous=False)
        consumer.close()

    @contextmanager
    def member(self, group: str, topic: Topic) -> Iterator[None]:
        consumer = Consumer(self.cluster.consumer(group, **{"auto.offset.reset": "earliest"}))
        consumer.subscribe([topic.name])
        deadline = time.monotonic() + DEADLINE_S
        while not consumer.assignment():
            assert time.monotonic() < deadline
            consumer.poll(0.1)
        yield
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
