"""A broker that goes away, and topics that do: orders are accepted all the same, and the relay waits.

The broker is this file's own: it is stopped, and loses a topic.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, its stub only lacks the re-export

from broker import embedded
from clients.records import ProducerRecord
from clients.transactional import TransactionalProducer
from producers.outbox import Outbox
from producers.outbox.batch_publisher import BatchPublisher
from producers.outbox.relay import Relay, RelayStatus
from schemas.errors import BrokerUnreachable
from schemas.framing import encode_key
from schemas.topics import BY_NAME, DISPATCH_PRODUCTS, ORDERS
from tests.support.kafka.broker import BrokerFixture, world
from tests.support.kafka.log import PATIENCE_S, Log, prepare, until
from tests.support.stores.outboxes import Service


@pytest.fixture(scope="module")
def own() -> Iterator[BrokerFixture]:
    with world() as started:
        prepare(started.bootstrap)
        yield started


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(f"sqlite:///{tmp_path / 'shop.sqlite3'}")
    yield made
    made.close()


@pytest.fixture
def pulse(own: BrokerFixture, service: Service) -> Iterator[RelayStatus]:
    """A relay that runs while the test does."""
    made, stop = RelayStatus(), threading.Event()
    queue = service.queue()
    log = BatchPublisher(Log(own.bootstrap).cluster, queue.identity(), answer_s=3)
    queue.close()
    relay = Relay(queue, log, made, stopping=stop.is_set, clean_after_ms=10**9)
    thread = threading.Thread(target=relay.run)
    thread.start()
    yield made
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def on_topic(own: BrokerFixture) -> Counter[int]:
    seen = Log(own.bootstrap).read(DISPATCH_PRODUCTS)
    return Counter(int.from_bytes(each.key or b"", "big") for each in seen)


def test_orders_are_accepted_without_a_broker_and_published_when_it_is_back(
    own: BrokerFixture, service: Service, pulse: RelayStatus
) -> None:
    with Outbox.connect(own.bootstrap) as outbox:
        service.accept(outbox, 1)
        until(lambda: pulse.published == 1, "it works")
        port = int(own.bootstrap.rpartition(":")[2])
        embedded.down(own.data_dir)
        service.accept(outbox, 2, 3)
        until(lambda: pulse.outage, "it sees that no broker answers")
        assert not pulse.ready
        service.accept(outbox, 4)
        embedded.up(own.data_dir, port=port)
        until(lambda: pulse.published == 4, "it goes on by itself", 3 * PATIENCE_S)
        until(lambda: pulse.ready, "it is ready again")
        assert pulse.backlog.refused == 0
    assert on_topic(own) == Counter([1, 2, 3, 4])


def test_a_producer_that_stood_idle_while_its_broker_was_restarted_writes_soon(own: BrokerFixture) -> None:
    log = Log(own.bootstrap)
    reader = Consumer(log.cluster.reader(group_id="idle"))
    metadata = reader.consumer_group_metadata()
    with TransactionalProducer(log.cluster, "idle") as producer:

        def written(offset: int) -> bool:
            record = ProducerRecord(ORDERS, encode_key(offset), b"", [], 0)
            try:
                if not producer.claimed:
                    producer.claim(PATIENCE_S)
                producer.transaction(
                    [record], [TopicPartition(ORDERS, 0, offset)], metadata, timeout_s=PATIENCE_S
                )
            except BrokerUnreachable:
                return False
            return True

        until(lambda: written(1), "it works, and knows the group's coordinator")
        port = int(own.bootstrap.rpartition(":")[2])
        embedded.down(own.data_dir)
        embedded.up(own.data_dir, port=port)
        gone_on = threading.Event()

        def go_on() -> None:
            until(lambda: written(2), "it writes again")
            gone_on.set()

        # In a thread, because a call that hangs would hold up the test for minutes.
        threading.Thread(target=go_on, daemon=True).start()
        assert gone_on.wait(PATIENCE_S), "it goes on by itself"
    reader.close()


def test_a_missing_topic_is_waited_for_and_puts_no_row_aside(
    own: BrokerFixture, service: Service, pulse: RelayStatus
) -> None:
    admin = AdminClient({"bootstrap.servers": own.bootstrap})
    with Outbox.connect(own.bootstrap) as outbox:
        service.accept(outbox, 11)
        until(lambda: pulse.published == 1, "it works")
        admin.delete_topics([DISPATCH_PRODUCTS])[DISPATCH_PRODUCTS].result(PATIENCE_S)
        service.accept(outbox, 12)
        until(lambda: pulse.outage and DISPATCH_PRODUCTS in pulse.outage, "it names the topic")
        assert "cev topics create" in (pulse.outage or "")
        topic = BY_NAME[DISPATCH_PRODUCTS]
        admin.create_topics([NewTopic(topic.name, topic.partitions, 1, config=topic.config)])[
            topic.name
        ].result(PATIENCE_S)
        until(lambda: pulse.published == 2, "it goes on by itself", 2 * PATIENCE_S)
    assert on_topic(own) == Counter([12])
    assert service.rows("SELECT count(error) FROM cev_outbox") == [(0,)]
