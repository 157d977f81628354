"""Reading to the end: committed records only, markers passed over, an end although others keep writing."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from clients.admin import Admin, Partition, Watermarks
from clients.config import Cluster
from clients.log_reader import first_records, scan
from operations import groups
from operations.topics import provision
from schemas.errors import BrokerUnreachable
from schemas.topics import Kind, Topic
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.log import until


@pytest.fixture
def here(cluster: BrokerFixture) -> Cluster:
    return Cluster(bootstrap=cluster.bootstrap)


@pytest.fixture
def topic(here: Cluster) -> str:
    fresh = Topic(name=f"t-{uuid4().hex}", kind=Kind.FACT, records=(), owner="o", partitions=2)
    provision.create(here, [fresh])
    return fresh.name


def write(here: Cluster, topic: str, *values: bytes, partition: int = 0) -> None:
    producer = Producer(here.producer())
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(20) == 0


@contextmanager
def transaction(here: Cluster, topic: str, *values: bytes) -> Iterator[Producer]:
    producer = Producer(here.transactional_producer(uuid4().hex))
    producer.init_transactions(20)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=0)
    producer.flush(20)
    yield producer


def edges_of(here: Cluster, topic: str) -> dict[Partition, Watermarks]:
    return Admin(here).watermarks([(topic, 0), (topic, 1)])


def values(here: Cluster, edges: dict[Partition, Watermarks]) -> list[bytes | None]:
    return [entry.value for entry in scan(here, edges, stall_s=20)]


def test_every_record_of_every_partition_is_read(here: Cluster, topic: str) -> None:
    write(here, topic, b"a", b"b")
    write(here, topic, b"c", partition=1)
    assert sorted(values(here, edges_of(here, topic)), key=str) == [b"a", b"b", b"c"]


def test_an_empty_topic_is_read_without_waiting(here: Cluster, topic: str) -> None:
    assert values(here, edges_of(here, topic)) == []


def test_markers_and_aborted_records_are_passed_over(here: Cluster, topic: str) -> None:
    with transaction(here, topic, b"kept") as producer:
        producer.commit_transaction(20)
    with transaction(here, topic, b"taken back") as producer:
        producer.abort_transaction(20)
    # Markers are written a moment after a transaction's end is confirmed.
    until(lambda: edges_of(here, topic)[topic, 0][1:] == (4, 4), "both markers are there")
    assert values(here, edges_of(here, topic)) == [b"kept"]


def test_an_open_transaction_holds_the_end_back(here: Cluster, topic: str) -> None:
    write(here, topic, b"before")
    with transaction(here, topic, b"open") as producer:
        edges = edges_of(here, topic)
        assert (edges[topic, 0].stable, edges[topic, 0].high) == (1, 2)
        assert values(here, edges) == [b"before"]
        producer.abort_transaction(20)


def test_what_is_written_after_the_start_is_not_read(here: Cluster, topic: str) -> None:
    write(here, topic, b"1", b"2")
    edges = edges_of(here, topic)
    write(here, topic, b"3")
    assert values(here, edges) == [b"1", b"2"]


def test_reading_can_begin_and_stop_anywhere(here: Cluster, topic: str) -> None:
    write(here, topic, *(str(number).encode() for number in range(50)))
    edges = edges_of(here, topic)
    with closing(scan(here, edges, starts={(topic, 0): 40})) as entries:
        assert [entry.position.offset for entry in islice(entries, 3)] == [40, 41, 42]


def test_the_first_waiting_record_is_found_behind_markers(here: Cluster, topic: str) -> None:
    with transaction(here, topic, b"a") as producer:
        producer.commit_transaction(20)
    assert first_records(here, {(topic, 0): 1}, stall_s=20) == {(topic, 0): None}
    write(here, topic, b"b")
    found = first_records(here, {(topic, 0): 1}, stall_s=20)[topic, 0]
    assert found is not None
    assert (found.value, found.position.offset) == (b"b", 2)


def test_reading_joins_no_group(here: Cluster, topic: str) -> None:
    write(here, topic, b"a")
    values(here, edges_of(here, topic))
    assert "cev-reader" not in groups.names(Admin(here))


def test_a_reading_without_progress_ends() -> None:
    nowhere = Cluster(bootstrap="127.0.0.1:1")
    with pytest.raises(BrokerUnreachable):
        list(scan(nowhere, {("t", 0): Watermarks(0, 1, 1)}, stall_s=0.5))
