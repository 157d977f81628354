"""What becomes of an order, by either path, on a real broker (design §5, §6 and §7, points 2 and 6)."""

import re
import struct
from typing import Any

import pytest
from confluent_kafka import Producer

from operations.status.stores import Reader, read_stores
from schemas.errors import ConflictingOrder, ForeignFact
from schemas.framing import encode_key
from schemas.times import now_ms, rfc3339
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import HOME, until
from tests.support.kafka.wire import framed

AWAY = "2 Roadford Avenue"


def test_a_command_and_a_fact_are_each_dispatched_with_one_result(shop: ConsumerHarness) -> None:
    for order_id in (-(2**63), -1, 0, 12_004, 2**63 - 1):
        shop.command(order_id)
    shop.fact(12_005)
    status = shop.handled("warehouse")
    ids = [-(2**63), -1, 0, 12_004, 12_005, 2**63 - 1]
    assert shop.outcomes("warehouse") == dict.fromkeys(ids, "dispatched")
    assert sorted(shop.results()) == [(order_id, "ProductDispatched") for order_id in ids]
    assert dict(shop.rows("warehouse", "SELECT order_id, via FROM effects WHERE order_id > 12000")) == {
        12_004: "command",
        12_005: "fact",
        2**63 - 1: "command",
    }
    assert (status.effects, status.dead, status.duplicates) == (6, 0, 0)


def test_a_result_carries_the_effect_key_and_names_its_cause(shop: ConsumerHarness) -> None:
    shop.command(7, ce_id="buy-7", ce_correlationid="basket-1")
    shop.handled("warehouse")
    [seen] = shop.read(DISPATCH_RESULTS)
    assert seen.key == encode_key(7)
    assert seen.header("ce_id") == b"warehouse/7/ProductDispatched"
    assert seen.header("ce_causationid") == b"buy-7"
    assert seen.header("ce_correlationid") == b"basket-1"


@pytest.mark.parametrize("fact_first", [False, True])
def test_a_shadow_order_is_dispatched_on_its_command_alone(
    shop: ConsumerHarness, *, fact_first: bool
) -> None:
    if fact_first:
        shop.shadow(7)
        shop.handled("warehouse")
        assert shop.outcomes("warehouse") == {}
        assert shop.outcomes("warehouse", "shadow_decisions") == {7: "dispatched"}
        shop.command(7)
    else:
        shop.command(7)
        shop.shadow(7, AWAY)
    shop.handled("warehouse")
    assert shop.rows("warehouse", "SELECT order_id, via, input FROM effects") == [(7, "command", HOME)]
    assert shop.outcomes("warehouse", "shadow_decisions") == {7: "dispatched"}
    assert shop.results() == [(7, "ProductDispatched")]
    assert shop.read("warehouse.orders.dlq") == []


def test_the_same_order_by_both_paths_and_many_times_has_one_result(shop: ConsumerHarness) -> None:
    for _ in range(3):
        shop.command(7)
        shop.fact(7)
    assert shop.handled("warehouse").duplicates == 5
    shop.fact(7)
    assert shop.handled("warehouse").duplicates == 1
    assert shop.results() == [(7, "ProductDispatched")]


def test_the_same_order_with_another_address_is_a_dead_letter(shop: ConsumerHarness) -> None:
    shop.command(7)
    shop.handled("warehouse")
    shop.fact(7, AWAY)
    shop.handled("warehouse")
    [dead] = shop.read("warehouse.orders.dlq")
    assert dead.header("kafka_dlt-exception-fqcn") == f"schemas.errors.{ConflictingOrder.__name__}".encode()
    assert shop.rows("warehouse", "SELECT input FROM effects") == [(HOME,)]
    assert shop.results() == [(7, "ProductDispatched")]


def test_a_fact_of_no_mode_is_dead_at_the_warehouse_and_counted_by_sales(shop: ConsumerHarness) -> None:
    shop.fact(7, mode_epoch=0)
    shop.handled("warehouse")
    shop.handled("sales")
    [dead] = shop.read("warehouse.orders.dlq")
    assert dead.header("kafka_dlt-exception-fqcn") == f"schemas.errors.{ForeignFact.__name__}".encode()
    assert (shop.outcomes("warehouse"), shop.outcomes("sales")) == ({}, {7: "counted"})
    assert shop.results() == []


def test_the_operator_may_let_facts_of_no_mode_be_dispatched(shop: ConsumerHarness) -> None:
    shop.fact(7, mode_epoch=0)
    code, told = shop.ran("consume", "warehouse", "--until-idle", "0.3", CEV_FOREIGN_FACTS="act")
    assert code == 0, told
    assert shop.results() == [(7, "ProductDispatched")]


HEADERS = [("a", b"\x00\xff"), ("a", None), ("kafka_dlt-original-topic", b"forged"), ("x", b"y" * 100_000)]
BROKEN = [
    (encode_key(7), b"no avro at all", "UnknownFraming"),
    (encode_key(7), b"\xc3\x01" + bytes(8), "UnknownFingerprint"),
    (encode_key(7), framed(41, b""), "NoRegistry"),
    (encode_key(7), None, "NullValue"),
    (None, b"\xc3\x01" + bytes(8), "NullKey"),
    (b"short", b"", "WrongKeyLength"),
    (b"", bytes(range(256)) * 3_000, "WrongKeyLength"),
]


def test_bytes_that_are_no_order_are_put_aside_as_they_were_and_the_group_goes_on(
    shop: ConsumerHarness,
) -> None:
    for topic in (DISPATCH_PRODUCTS, ORDERS):
        for key, value, _ in BROKEN:
            shop.raw(topic, key, value, HEADERS, partition=0)
    shop.command(1)
    shop.fact(2)
    assert shop.handled("warehouse").dead == 2 * len(BROKEN)
    first = {topic: shop.edges(topic)[topic, 0][0] for topic in (DISPATCH_PRODUCTS, ORDERS)}
    for topic in (DISPATCH_PRODUCTS, ORDERS):
        letters = shop.read(f"warehouse.{topic}.dlq")
        for letter in letters:
            origin = struct.unpack(">q", letter.header("kafka_dlt-original-offset") or b"")[0]
            key, value, error = BROKEN[origin - first[topic]]
            assert (letter.key, letter.value, letter.headers[: len(HEADERS)]) == (key, value, HEADERS)
            assert letter.header("kafka_dlt-original-topic") == topic.encode()
            assert letter.header("kafka_dlt-original-partition") == struct.pack(">i", 0)
            assert letter.header("kafka_dlt-original-consumer-group") == b"warehouse"
            assert letter.header("kafka_dlt-exception-fqcn") == f"schemas.errors.{error}".encode()
            assert letter.header("attempts") == b"1"
        assert len(letters) == len(BROKEN)
    assert sorted(shop.results()) == [(1, "ProductDispatched"), (2, "ProductDispatched")]


def test_the_largest_record_that_a_topic_takes_fits_into_the_dead_letters(shop: ConsumerHarness) -> None:
    value = b"\x07" * 1_048_000
    shop.raw(ORDERS, encode_key(7), value)
    shop.handled("sales")
    [dead] = shop.read("sales.orders.dlq")
    assert dead.value == value


def test_a_bad_address_ends_in_a_rejection_that_the_sender_can_read(shop: ConsumerHarness) -> None:
    for order_id, address in enumerate([None, "", "  ", "x" * 501]):
        shop.command(order_id, address)
    shop.command(9, "x" * 500)
    shop.handled("warehouse")
    assert shop.outcomes("warehouse") == {**dict.fromkeys(range(4), "rejected"), 9: "dispatched"}
    assert sorted(shop.results()) == [*((n, "DispatchRejected") for n in range(4)), (9, "ProductDispatched")]


def test_an_order_expires_by_header_or_by_field_and_clocks_may_differ_a_little(shop: ConsumerHarness) -> None:
    def ago(seconds: float) -> dict[str, Any]:
        return {"ce_expirytime": rfc3339(now_ms() - int(seconds * 1000))}

    shop.command(1, **ago(60))
    shop.command(2, **ago(-60))
    shop.command(3, ce_expirytime="the day after tomorrow")
    shop.command(4, **ago(100))
    shop.fact(5, dispatch_before=now_ms() - 60_000)
    shop.fact(6, dispatch_before=now_ms() + 60_000)
    shop.handled("warehouse", clock_skew_ms=5_000)
    # Two topics have no common order: this one has to come behind its command.
    shop.fact(4)
    shop.handled("warehouse", clock_skew_ms=5_000)
    late, fine = "DispatchExpired", "ProductDispatched"
    assert sorted(shop.results()) == [(1, late), (2, fine), (3, fine), (4, late), (5, late), (6, fine)]
    assert shop.outcomes("warehouse")[1] == "expired"


def test_a_generous_clock_skew_lets_a_late_order_pass(shop: ConsumerHarness) -> None:
    shop.command(1, ce_expirytime=rfc3339(now_ms() - 60_000))
    shop.handled("warehouse", clock_skew_ms=600_000)
    assert shop.outcomes("warehouse") == {1: "dispatched"}


def test_old_facts_are_skipped_at_the_first_start_and_mailed_ever_after(shop: ConsumerHarness) -> None:
    old = now_ms() - 30 * 86_400_000
    shop.fact(1, email="old@customers.example", placed_at=old)
    shop.fact(2, email="new@customers.example", phone="+4930123")
    code, told = shop.ran("consume", "notification", "--until-idle", "0.3")
    assert code == 0, told
    assert shop.rows("notification", "SELECT order_id, effect, outcome FROM effects ORDER BY 1, 2") == [
        (1, "email", "skipped"),
        (2, "email", "done"),
        (2, "text", "done"),
    ]
    assert [each.name for each in (shop.data_dir / "maildir" / "new").iterdir()] == ["notification.2.email"]
    assert len((shop.data_dir / "texts.jsonl").read_text().splitlines()) == 1
    [state], _ = read_stores([Reader("notification", (ORDERS,), None, shop.name("notification"))])
    assert (state.effects, state.skipped) == (3, 1)


# A machine whose clock is 30 hours ahead; only what this program asks for the time is told so.
_AHEAD = """
import time, types, schemas.times
schemas.times.time = types.SimpleNamespace(time_ns=lambda: time.time_ns() + 30 * 3_600 * 10**9)
"""


def test_a_first_start_with_a_clock_that_is_ahead_skips_no_mail_and_is_an_alarm(
    shop: ConsumerHarness,
) -> None:
    shop.fact(1, email="ada@customers.example")
    member = shop.cev("consume", "notification", code=_AHEAD)
    until(lambda: shop.outcomes("notification") == {1: "done"}, "the mail is sent")
    [(text,)] = shop.rows("notification", "SELECT text FROM alarms WHERE name = 'clock'")
    assert re.search(r"10[78],\d{3} s ahead of the broker's", text)
    [(started,)] = shop.rows("notification", "SELECT created_at FROM store")
    assert abs(started - now_ms()) < 3_600_000
    member.terminate()
    assert member.wait(30) == 0
    assert shop.rows("notification", "SELECT text FROM alarms WHERE name = 'clock'") == []


def test_a_deadline_is_judged_by_the_brokers_clock_where_the_members_is_ahead(shop: ConsumerHarness) -> None:
    shop.command(1, ce_expirytime=rfc3339(now_ms() + 3_600_000))
    code, told = shop.ran("consume", "warehouse", "--until-idle", "0.3", code=_AHEAD)
    assert code == 0, told
    assert shop.outcomes("warehouse") == {1: "dispatched"}


def test_the_mails_of_a_placer_whose_clock_is_three_days_behind_are_sent(shop: ConsumerHarness) -> None:
    shop.fact(1, email="ada@customers.example", placed_at=now_ms() - 3 * 86_400_000)
    code, told = shop.ran("consume", "notification", "--until-idle", "0.3")
    assert code == 0, told
    assert shop.outcomes("notification") == {1: "done"}


def test_once_idle_the_committed_offsets_reach_the_end_behind_transaction_markers(
    shop: ConsumerHarness,
) -> None:
    for order_id in range(30):
        shop.command(order_id)
    shop.handled("warehouse")
    transactional = shop.cluster.transactional_producer("test-markers")
    writer = Producer(transactional)
    writer.init_transactions(10)
    for finish in (writer.commit_transaction, writer.abort_transaction):
        writer.begin_transaction()
        writer.produce(ORDERS, b"no order", encode_key(99), partition=3)
        writer.flush(10)
        finish(10)
    shop.handled("warehouse")
    assert shop.lag("warehouse", [DISPATCH_PRODUCTS, ORDERS]) == 0
    positions = shop.rows("warehouse", 'SELECT topic, "partition", position FROM progress')
    assert {(topic, n): at for topic, n, at in positions if topic == ORDERS} == {
        each: high for each, (_, high) in shop.edges(ORDERS).items()
    }
    assert len(shop.read("warehouse.orders.dlq")) == 1, "what was aborted is nobody's record"
