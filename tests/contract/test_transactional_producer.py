"""The transactional producer on a real broker, as readers that see committed records alone find it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, its stub only lacks the re-export

from clients.config import Cluster
from clients.errors import StaleBatch
from clients.records import ProducerRecord
from clients.transactional import RecordsRefused, TransactionalProducer
from schemas.errors import BrokerUnreachable, Fenced, Position, TopicMissing
from tests.support.kafka.broker import BrokerFixture

TIMEOUT_S = 20.0
BROKER_LIMIT = 100_000
CLIENT_LIMIT = 8 * 1024 * 1024

Make = Callable[..., TransactionalProducer]


@pytest.fixture
def here(cluster: BrokerFixture) -> Cluster:
    # A broker holds an empty fetch for half a second by default.
    return Cluster(bootstrap=cluster.bootstrap, kafka={"fetch.wait.max.ms": "20"})


@pytest.fixture
def topic(here: Cluster) -> str:
    """A topic of the test's own: two partitions, and no record above `BROKER_LIMIT`."""
    name = f"transactions-{uuid4().hex}"
    config = {"max.message.bytes": str(BROKER_LIMIT)}
    admin = AdminClient(here.admin())
    admin.create_topics([NewTopic(name, 2, 1, config=config)])[name].result(30)
    return name


@pytest.fixture
def make(here: Cluster) -> Iterator[Make]:
    """Makes producers that share an id; claimed unless told otherwise."""
    own_id = f"transactions-{uuid4().hex}"
    with ExitStack() as stack:

        def made(
            *, claimed: bool = True, cluster: Cluster = here, **settings: object
        ) -> TransactionalProducer:
            producer = stack.enter_context(TransactionalProducer(cluster, own_id, **settings))
            if claimed:
                producer.claim(TIMEOUT_S)
            return producer

        yield made


def record(topic: str, value: bytes, partition: int = 0, key: bytes = b"k") -> ProducerRecord:
    return ProducerRecord(topic, key, value, [("name", value[:3])], partition)


def seen(here: Cluster, topic: str) -> list[bytes]:
    """Values of both partitions, in order, up to the end; fails where an open transaction hides some."""
    reader = Consumer(here.reader())
    try:
        reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in (0, 1)])
        values: dict[int, list[bytes]] = {0: [], 1: []}
        ended: set[int] = set()
        deadline = time.monotonic() + TIMEOUT_S
        while len(ended) < 2:
            assert time.monotonic() < deadline
            message = reader.poll(0.2)
            if message is None:
                continue
            number = message.partition()
            assert number is not None
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF
                ended.add(number)
            else:
                value = message.value()
                assert isinstance(value, bytes)
                values[number].append(value)
        return values[0] + values[1]
    finally:
        reader.close()


def nothing_is_open(here: Cluster, topic: str) -> None:
    """The last stable offset is the end: nobody waits for a transaction."""
    levels = ("read_committed", "read_uncommitted")
    readers = [Consumer({**here.reader(), "isolation.level": level}) for level in levels]
    try:
        for number in (0, 1):
            where = TopicPartition(topic, number)
            stable, end = [reader.get_watermark_offsets(where, timeout=10) for reader in readers]
            assert stable == end
    finally:
        for reader in readers:
            reader.close()


def test_all_records_are_seen_and_each_has_its_position(here: Cluster, topic: str, make: Make) -> None:
    producer = make()
    first = producer.transaction(
        [record(topic, b"a"), record(topic, b"b", 1), record(topic, b"c")], timeout_s=TIMEOUT_S
    )
    assert first == [Position(topic, 0, 0), Position(topic, 1, 0), Position(topic, 0, 1)]
    # A marker took an offset.
    assert producer.transaction([record(topic, b"d")], timeout_s=TIMEOUT_S) == [Position(topic, 0, 3)]
    assert seen(here, topic) == [b"a", b"c", b"d", b"b"]


def test_a_record_without_a_partition_lies_where_the_partitioner_puts_it(
    here: Cluster, topic: str, make: Make
) -> None:
    keys = [bytes([number]) for number in range(20)]
    positions = make().transaction([ProducerRecord(topic, key, key, []) for key in keys], timeout_s=TIMEOUT_S)
    assert {position.partition for position in positions} == {0, 1}
    assert sorted(seen(here, topic)) == keys


def test_offsets_travel_with_the_records(here: Cluster, topic: str, make: Make) -> None:
    group = f"group-{uuid4().hex}"
    reader = Consumer(here.reader(group_id=group))
    try:
        offsets = [TopicPartition(topic, 1, 7, "store")]
        metadata = reader.consumer_group_metadata()
        make().transaction([record(topic, b"a")], offsets, metadata, timeout_s=TIMEOUT_S)
        [committed] = reader.committed([TopicPartition(topic, 1)], timeout=TIMEOUT_S)
        assert (committed.offset, committed.metadata) == (7, "store")

        with pytest.raises(RecordsRefused):
            make().transaction(
                [record(topic, b"b"), record(topic, b"x" * (CLIENT_LIMIT + 1))],
                [TopicPartition(topic, 1, 8)],
                metadata,
                timeout_s=TIMEOUT_S,
            )
        [committed] = reader.committed([TopicPartition(topic, 1)], timeout=TIMEOUT_S)
        assert committed.offset == 7
    finally:
        reader.close()
    assert seen(here, topic) == [b"a"]


def test_the_second_claim_fences_the_first_which_writes_nothing(
    here: Cluster, topic: str, make: Make
) -> None:
    first = make()
    first.transaction([record(topic, b"before")], timeout_s=TIMEOUT_S)
    second = make()
    with pytest.raises(Fenced, match="took over"):
        first.transaction([record(topic, b"stale")], timeout_s=TIMEOUT_S)
    second.transaction([record(topic, b"after")], timeout_s=TIMEOUT_S)
    assert seen(here, topic) == [b"before", b"after"]


def test_a_producer_that_was_fenced_writes_again_once_it_has_claimed(
    here: Cluster, topic: str, make: Make
) -> None:
    first, second = make(), make()
    with pytest.raises(Fenced):
        first.transaction([record(topic, b"stale")], timeout_s=TIMEOUT_S)
    assert not first.claimed
    with pytest.raises(BrokerUnreachable, match="not claimed"):
        first.transaction([record(topic, b"too early")], timeout_s=TIMEOUT_S)
    first.claim(TIMEOUT_S)
    assert first.transaction([record(topic, b"again")], timeout_s=TIMEOUT_S)
    with pytest.raises(Fenced):
        second.transaction([record(topic, b"stale")], timeout_s=TIMEOUT_S)
    assert seen(here, topic) == [b"again"]


def test_who_claims_again_goes_on_writing(here: Cluster, topic: str, make: Make) -> None:
    producer = make()
    producer.claim(TIMEOUT_S)
    producer.transaction([record(topic, b"a")], timeout_s=TIMEOUT_S)
    assert seen(here, topic) == [b"a"]


@pytest.mark.parametrize(
    ("size", "only_errors"),
    [(BROKER_LIMIT + 1, False), (BROKER_LIMIT + 1, True), (CLIENT_LIMIT + 1, False)],
    ids=["by the broker", "by the broker, where only errors are reported", "by the client"],
)
def test_a_record_too_large_is_named_and_nothing_of_its_transaction_is_seen(
    here: Cluster, topic: str, make: Make, size: int, *, only_errors: bool
) -> None:
    producer = make(delivery_report_only_error=only_errors)
    # Random, so that compression does not make it small; on the other partition, so that it comes alone.
    large = random.Random(1).randbytes(size)
    with pytest.raises(RecordsRefused, match="1 of 3 records") as refused:
        producer.transaction(
            [record(topic, b"a"), record(topic, large, 1), record(topic, b"b")], timeout_s=TIMEOUT_S
        )
    assert refused.value.errors.keys() == {1}
    assert refused.value.errors[1].code() == KafkaError.MSG_SIZE_TOO_LARGE
    nothing_is_open(here, topic)
    assert seen(here, topic) == []
    assert producer.claimed
    producer.transaction([record(topic, b"c")], timeout_s=TIMEOUT_S)
    assert seen(here, topic) == [b"c"]


def test_all_records_that_the_client_refuses_are_named(here: Cluster, topic: str, make: Make) -> None:
    large = b"x" * (CLIENT_LIMIT + 1)
    with pytest.raises(RecordsRefused) as refused:
        make().transaction(
            [record(topic, large), record(topic, b"a"), record(topic, large)], timeout_s=TIMEOUT_S
        )
    assert refused.value.errors.keys() == {0, 2}
    assert seen(here, topic) == []


def test_a_queue_smaller_than_the_batch_gets_everything_out(here: Cluster, topic: str, make: Make) -> None:
    small = Cluster(bootstrap=here.bootstrap, kafka={"queue.buffering.max.messages": "5"})
    values = [b"%03d" % number for number in range(200)]
    positions = make(cluster=small).transaction(
        [record(topic, value) for value in values], timeout_s=TIMEOUT_S
    )
    assert positions == [Position(topic, 0, number) for number in range(200)]
    assert seen(here, topic) == values


def test_metadata_of_a_member_that_left_is_refused(here: Cluster, topic: str, make: Make) -> None:
    member = Consumer(here.consumer(f"group-{uuid4().hex}"))
    member.subscribe([topic])
    deadline = time.monotonic() + TIMEOUT_S
    while not member.assignment():
        assert time.monotonic() < deadline
        member.poll(0.1)
    metadata = member.consumer_group_metadata()
    member.close()
    producer = make()
    with pytest.raises(StaleBatch):
        producer.transaction(
            [record(topic, b"stale")], [TopicPartition(topic, 0, 1)], metadata, timeout_s=TIMEOUT_S
        )
    nothing_is_open(here, topic)
    producer.transaction([record(topic, b"a")], timeout_s=TIMEOUT_S)
    assert seen(here, topic) == [b"a"]


def test_who_is_interrupted_leaves_nothing_open(here: Cluster, topic: str, make: Make) -> None:
    class Interrupted(list[ProducerRecord]):
        def __iter__(self) -> Iterator[ProducerRecord]:
            yield from super().__iter__()
            raise KeyboardInterrupt

    producer = make()
    with pytest.raises(KeyboardInterrupt):
        producer.transaction(Interrupted([record(topic, b"a")]), timeout_s=TIMEOUT_S)
    nothing_is_open(here, topic)
    assert seen(here, topic) == []


def test_what_a_killed_producer_left_open_is_ended_by_the_next_claim(
    here: Cluster, topic: str, make: Make
) -> None:
    killed = make()
    client = killed._client
    assert client is not None
    client.begin_transaction()
    client.produce(topic, b"half", b"k", partition=0)
    assert client.flush(10) == 0
    make()
    nothing_is_open(here, topic)
    assert seen(here, topic) == []


def test_without_a_broker_a_claim_says_so_in_time(make: Make) -> None:
    nowhere = Cluster(bootstrap="127.0.0.1:1")
    producer = make(cluster=nowhere, claimed=False)
    start = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1"):
        producer.claim(1)
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1"):
        producer.partitions_of(("orders",), 1)
    assert time.monotonic() - start < TIMEOUT_S
    assert not producer.claimed


def test_a_topic_that_is_not_there_is_named_before_anything_is_claimed(make: Make) -> None:
    with pytest.raises(TopicMissing, match="no-such-topic"):
        make(claimed=False).partitions_of(("no-such-topic",), TIMEOUT_S)
