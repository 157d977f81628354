"""Records of schemas that nobody here knows yet: a stray, a registration that comes late, a rollout."""

from typing import Any

import pytest

from consumers.runtime.retry_policy import RetryPolicy
from schemas.avro_schemas import newest
from schemas.codec import Codec
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.times import now_ms
from schemas.topics import ORDERS
from tests.support.consumers.harness import ConsumerHarness, Running
from tests.support.kafka.log import HOME, until
from tests.support.kafka.wire import FakeRegistry, framed

QUICK = RetryPolicy(initial_backoff_ms=20, max_backoff_ms=100)
PATIENT = RetryPolicy(initial_backoff_ms=1_000, max_backoff_ms=1_000, attempts=60)
SCHEMA = 4_711
STRANGE = b"\xc3\x01strange!" + bytes(20)


def body(order_id: int) -> bytes:
    message = OrderPlaced(order_id, HOME, placed_at=now_ms(), mode_epoch=1)
    return Codec().encode(ORDERS, message)[10:]


def write(shop: ConsumerHarness, order_id: int, schema: int = SCHEMA, partition: int = -1) -> None:
    shop.raw(ORDERS, encode_key(order_id), framed(schema, body(order_id)), partition=partition)


def register(registry: FakeRegistry, schema: int = SCHEMA) -> None:
    registry.add(newest(OrderPlaced).text, schema)


def alarms(shop: ConsumerHarness) -> list[tuple[Any, ...]]:
    return shop.rows("sales", "SELECT name, subject, text FROM alarms ORDER BY subject")


def letters(shop: ConsumerHarness) -> list[bytes | None]:
    return [seen.header("kafka_dlt-exception-fqcn") for seen in shop.read("sales.orders.dlq")]


def ends(running: Running, shop: ConsumerHarness) -> None:
    until(lambda: shop.lag("sales", [ORDERS]) == 0, "everything is passed")
    running.stop()


def test_a_schema_that_is_registered_late_is_handled_and_its_order_keeps_its_order(
    shop: ConsumerHarness,
) -> None:
    registry = FakeRegistry()
    write(shop, 7)
    shop.fact(7)
    for order_id in range(10, 20):
        shop.fact(order_id)
    running = shop.member("sales", codec=Codec(registry), retry_policy=PATIENT)
    until(lambda: len(shop.outcomes("sales")) == 10, "the others")
    until(lambda: shop.rows("sales", "SELECT * FROM attempts"), "it waits")
    assert 7 not in shop.outcomes("sales")
    register(registry)
    ends(running, shop)
    assert letters(shop) == []
    [(first, _), *_] = shop.rows("sales", "SELECT source_offset, order_id FROM effects WHERE order_id = 7")
    low = {number: edges[0] for (_, number), edges in shop.edges(ORDERS).items()}
    assert first in low.values(), "the record that came first made the effect"


def test_a_schema_that_is_never_registered_ends_in_a_dead_letter_after_bounded_attempts(
    shop: ConsumerHarness,
) -> None:
    registry = FakeRegistry()
    for order_id in range(6):
        write(shop, order_id, partition=order_id)
    shop.fact(99)
    assert shop.handled("sales", codec=Codec(registry), retry_policy=QUICK).dead == 6
    assert letters(shop) == [b"schemas.errors.UnknownSchemaId"] * 6
    assert {seen.header("attempts") for seen in shop.read("sales.orders.dlq")} == {b"5"}
    assert registry.asked < 60
    assert (shop.outcomes("sales"), alarms(shop)) == ({99: "counted"}, [])


def test_ten_in_a_row_stop_the_partition_alone_raise_an_alarm_and_go_on_once_registered(
    shop: ConsumerHarness,
) -> None:
    registry = FakeRegistry()
    good = Codec().encode(ORDERS, OrderPlaced(1, HOME, placed_at=now_ms(), mode_epoch=1))
    shop.raw(ORDERS, encode_key(1), good, partition=0)
    for order_id in range(100, 130):
        write(shop, order_id, partition=0)
    for order_id in range(2, 20):
        value = Codec().encode(ORDERS, OrderPlaced(order_id, HOME, placed_at=now_ms(), mode_epoch=1))
        shop.raw(ORDERS, encode_key(order_id), value, partition=1 + order_id % 5)
    running = shop.member("sales", codec=Codec(registry), retry_policy=QUICK, schema_retry_s=0.2)
    until(lambda: len(shop.outcomes("sales")) == 19, "everything that can be read")
    until(lambda: shop.lag("sales", [ORDERS]) == 30, "the partition stands still at the first of them")
    [(name, subject, text)] = alarms(shop)
    assert (name, subject) == ("unknown-schema", "orders:0")
    assert str(SCHEMA) in text
    until(lambda: running.status.paused == ((ORDERS, 0),), "the status says so")
    assert not running.status.ready
    asked = registry.asked
    until(lambda: registry.asked > asked + 2, "it is looked at now and then")
    assert letters(shop) == []
    assert shop.lag("sales", [ORDERS]) == 30
    register(registry)
    until(lambda: shop.lag("sales", [ORDERS]) == 0, "it goes on by itself")
    until(lambda: running.status.ready, "ready again")
    running.stop()
    assert len(shop.outcomes("sales")) == 49
    assert (alarms(shop), letters(shop)) == ([], [])


def test_a_run_is_counted_over_batches_and_what_is_committed_by_then_stays_dead(
    shop: ConsumerHarness,
) -> None:
    for order_id in range(25):
        shop.raw(ORDERS, encode_key(order_id), STRANGE, partition=0)
    running = shop.member("sales", max_batch=3, schema_retry_s=600)
    until(lambda: running.status.paused, "it stands still")
    dead = len(letters(shop))
    assert dead <= 9
    assert shop.lag("sales", [ORDERS]) == 25 - dead
    running.stop()


def test_a_fingerprint_of_a_later_release_waits_for_the_upgrade_through_restarts(
    shop: ConsumerHarness,
) -> None:
    for order_id in range(12):
        shop.raw(ORDERS, encode_key(order_id), STRANGE, partition=0)
    for _ in range(2):
        running = shop.member("sales", schema_retry_s=600)
        until(lambda running=running: running.status.paused, "it stands still")  # type: ignore[misc]  # bound in this turn
        running.stop()
        assert (letters(shop), len(alarms(shop))) == ([], 1)
    [low] = [edge[0] for (_, number), edge in shop.edges(ORDERS).items() if number == 0]
    assert shop.committed("sales", [ORDERS])[ORDERS, 0] == low


def test_a_single_unknown_fingerprint_is_poison_at_once(shop: ConsumerHarness) -> None:
    shop.raw(ORDERS, encode_key(7), STRANGE)
    shop.fact(7)
    assert shop.handled("sales").dead == 1
    assert letters(shop) == [b"schemas.errors.UnknownFingerprint"]
    assert shop.outcomes("sales") == {7: "counted"}


@pytest.mark.parametrize("lines", [2_000])
def test_a_flood_of_one_unknown_schema_asks_the_registry_once_a_look(
    shop: ConsumerHarness, lines: int
) -> None:
    registry = FakeRegistry()
    for order_id in range(lines):
        write(shop, order_id, partition=0)
    running = shop.member("sales", codec=Codec(registry), retry_policy=QUICK, schema_retry_s=600)
    until(lambda: running.status.paused, "it stands still")
    running.stop()
    assert registry.asked < 30
    assert letters(shop) == []


def test_a_topic_that_is_all_in_no_known_frame_is_paused_until_something_else_is_read_on_it(
    shop: ConsumerHarness,
) -> None:
    # Up to nine may be read before it shows that all are of one kind: each partition has more than that.
    for order_id in range(60):
        shop.raw(ORDERS, encode_key(order_id), body(order_id), partition=order_id % 5)
    running = shop.member("sales", schema_retry_s=0.2)
    until(lambda: len(running.status.paused) == 5, "every partition of them is paused")
    until(lambda: {name for name, *_ in alarms(shop)} == {"unknown-schema"}, "the alarm says so")
    dead = len(letters(shop))
    assert dead <= 9
    shop.raw(ORDERS, encode_key(99), Codec().encode(ORDERS, OrderPlaced(99, HOME, now_ms())), partition=5)
    ends(running, shop)
    # The fact of order 0 begins with a zero, as a registry's frame does.
    names = [b"schemas.errors.NoRegistry"] + [b"schemas.errors.UnknownFraming"] * 59
    assert sorted(letters(shop), key=str) == names
    assert (shop.outcomes("sales"), alarms(shop)) == ({99: "counted"}, [])
