"""A rollout in slow traffic: records of a schema that comes late, one a poll, and nothing of it dies.

The real loop on a real store (SQLite) with a registry in memory; Kafka is a list.
"""

from pathlib import Path

from consumers.registry import named
from consumers.runtime.failures.unknown_schemas import IN_A_ROW
from consumers.runtime.retry_policy import RetryPolicy
from schemas.avro_schemas import newest
from schemas.codec import Codec
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.topics import ORDERS
from tests.support.consumers.list_kafka import ListKafka
from tests.support.consumers.list_member import ListMember, WatchedStore
from tests.support.kafka.log import until
from tests.support.kafka.wire import FakeRegistry, framed

FACTS = (ORDERS, 0)
SCHEMA = 4_711
PATIENT = RetryPolicy(attempts=1_000, jitter=lambda: 0.0)


def put(kafka: ListKafka, order_id: int) -> None:
    body = Codec().encode(ORDERS, OrderPlaced(order_id, "1 Road", placed_at=1, mode_epoch=1))[10:]
    kafka.put(FACTS, ORDERS, encode_key(order_id), framed(SCHEMA, body), [])


def test_ten_records_of_one_unknown_schema_that_come_one_a_poll_wait_for_it_together(tmp_path: Path) -> None:
    kafka, registry = ListKafka({FACTS: []}), FakeRegistry()
    store = WatchedStore(tmp_path / "store.sqlite3", "sales", kafka)
    member = ListMember(kafka, store, named("sales"), PATIENT, codec=Codec(registry))
    assert kafka.consumer is not None
    assigned, paused = member._loop._assigned, kafka.consumer.until
    for order_id in range(IN_A_ROW):
        assert not paused
        put(kafka, order_id)
        member.take(1, 2)
    assert ([*paused], len(assigned.waiting)) == ([FACTS], 0)
    put(kafka, IN_A_ROW)
    registry.add(newest(OrderPlaced).text, SCHEMA)
    paused.clear()

    def turned() -> bool:
        member.take(3, 1)
        return kafka.at_the_end()

    until(turned, "it goes on by itself")
    assert store.made == [(order_id, "sale") for order_id in range(IN_A_ROW + 1)]
    assert kafka.sent == []
    assert store.failures.alarms() == []
    member.close()
    store.close()
