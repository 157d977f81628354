"""Dead letters on a real broker: found by what is asked for, fetched by position."""

from uuid import uuid4

import pytest
from confluent_kafka import Producer

from clients.config import Cluster
from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.plan import DeadRecord
from consumers.runtime.records import ConsumerRecord
from operations.dead_letters import listing
from operations.dead_letters.listing import DeadLetter, Filter
from operations.topics import provision
from schemas.errors import (
    ConflictingOrder,
    NullKey,
    OperationFailed,
    Position,
    RecordError,
    TopicMissing,
    UsageError,
)
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, ORDERS, Topic, derived
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.log import until


class Letters:
    """Two dead-letter topics of one group of our own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.group = f"g-{uuid4().hex}"
        self.catalogue: tuple[Topic, ...] = derived([(self.group, [ORDERS, DISPATCH_PRODUCTS])])
        provision.create(cluster, self.catalogue)

    def put(self, source: str, order_id: int | None, error: type[RecordError]) -> None:
        where = Position(source, 3, 41)
        key = None if order_id is None else encode_key(order_id)
        dead = DeadRecord(
            ConsumerRecord(where, source, 1000, key, b"v", [("h", b"1")]), error("it broke", where)
        )
        out = dead_letter(dead, self.group)
        producer = Producer(self.cluster.transactional_producer(uuid4().hex))
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce(out.topic, out.value, out.key, headers=out.headers, partition=0)
        producer.commit_transaction(20)

    def listed(self, **wanted: str | int) -> list[DeadLetter]:
        return list(listing.find_dead_letters(self.cluster, self.catalogue, Filter(**wanted)))  # type: ignore[arg-type]  # a test's shorthand


@pytest.fixture(scope="module")
def letters(cluster: BrokerFixture) -> Letters:
    made = Letters(Cluster(bootstrap=cluster.bootstrap))
    made.put(ORDERS, 7, ConflictingOrder)
    made.put(ORDERS, 8, ConflictingOrder)
    made.put(DISPATCH_PRODUCTS, None, NullKey)
    # A marker is written a moment after its commit is confirmed.
    until(lambda: len(made.listed()) == 3, "all are committed")
    return made


def test_all_dead_letters_are_listed_with_their_origin(letters: Letters) -> None:
    found = letters.listed()
    assert sorted((each.order_id or 0, each.topic.source) for each in found) == [
        (0, DISPATCH_PRODUCTS),
        (7, ORDERS),
        (8, ORDERS),
    ]
    assert {each.reason.origin for each in found} == {
        Position(ORDERS, 3, 41),
        Position(DISPATCH_PRODUCTS, 3, 41),
    }


def test_each_filter_leaves_only_what_matches(letters: Letters) -> None:
    assert [each.order_id for each in letters.listed(order_id=8)] == [8]
    assert [each.order_id for each in letters.listed(topic=DISPATCH_PRODUCTS)] == [None]
    assert [each.order_id for each in letters.listed(topic=f"{letters.group}.{ORDERS}.dlq")] == [7, 8]
    assert [each.order_id for each in letters.listed(error="nullkey")] == [None]
    assert len(letters.listed(error="IT BROKE", group=letters.group)) == 3
    at = letters.listed(order_id=7)[0].record.timestamp
    assert letters.listed(order_id=7, until=at) == []
    assert len(letters.listed(order_id=7, since=at, until=at + 1)) == 1


def test_a_group_without_dead_letter_topics_is_a_usage_error(letters: Letters) -> None:
    with pytest.raises(UsageError, match=letters.group):
        letters.listed(group="nobody")


def test_a_missing_dead_letter_topic_says_what_creates_it(letters: Letters) -> None:
    absent = derived([(f"g-{uuid4().hex}", [ORDERS])])
    with pytest.raises(TopicMissing, match="cev topics create"):
        list(listing.find_dead_letters(letters.cluster, absent, Filter()))


def test_a_position_brings_exactly_its_record(letters: Letters) -> None:
    found = listing.fetch(letters.cluster, letters.catalogue, f"{letters.group}.{ORDERS}.dlq:0:2")
    assert (found.order_id, found.record.value) == (8, b"v")
    assert found.record.headers[0] == ("h", b"1")


@pytest.mark.parametrize(
    ("rest", "error", "words"),
    [
        ("0:1", OperationFailed, "marker"),
        ("0:99", OperationFailed, "it holds 0 to 3"),
        ("1:0", OperationFailed, "it is empty"),
        ("6:0", UsageError, "partitions 0 to 5"),
        ("0:x", UsageError, "is no position"),
        ("0", UsageError, "is no position"),
    ],
)
def test_a_position_without_a_record_says_why(
    letters: Letters, rest: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        listing.fetch(letters.cluster, letters.catalogue, f"{letters.group}.{ORDERS}.dlq:{rest}")


def test_a_topic_outside_the_catalogue_cannot_be_shown(letters: Letters) -> None:
    with pytest.raises(UsageError, match="no topic 'x'"):
        listing.fetch(letters.cluster, letters.catalogue, "x:0:0")
