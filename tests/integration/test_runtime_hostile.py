"""Records that no client of ours could write, on a real broker."""

import ctypes
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import Producer

from clients.admin import Admin
from clients.config import Cluster
from clients.log_reader import scan
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, MAX_DEAD_LETTER_BYTES, ORDERS, PARTITIONS
from tests.support.consumers.harness import ConsumerHarness

_TOPIC, _PARTITION, _VALUE, _KEY, _FLAGS, _HEADERS, _END = 1, 3, 4, 5, 7, 10, 0
_COPY = 2


def produce_raw(bootstrap: str, topic: str, header_name: bytes, key: bytes, value: bytes) -> None:
    """Write a record whose header has any bytes as its name, by librdkafka's C interface."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    kafka = ctypes.CDLL(str(next(folder.glob("librdkafka-*.so*"))))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(kafka, name).restype = ctypes.c_void_p
    words = ctypes.create_string_buffer(512)
    conf = ctypes.c_void_p(kafka.rd_kafka_conf_new())
    kafka.rd_kafka_conf_set(conf, b"bootstrap.servers", bootstrap.encode(), words, ctypes.c_size_t(512))
    client = ctypes.c_void_p(kafka.rd_kafka_new(0, conf, words, ctypes.c_size_t(512)))
    headers = ctypes.c_void_p(kafka.rd_kafka_headers_new(ctypes.c_size_t(1)))
    length = ctypes.c_ssize_t(len(header_name))
    assert kafka.rd_kafka_header_add(headers, header_name, length, b"v", ctypes.c_ssize_t(1)) == 0
    sent = kafka.rd_kafka_producev(
        *(client, _TOPIC, topic.encode(), _PARTITION, ctypes.c_int32(0), _FLAGS, _COPY),
        *(_KEY, key, ctypes.c_size_t(len(key)), _VALUE, value, ctypes.c_size_t(len(value))),
        *(_HEADERS, headers, _END),
    )
    assert sent == 0
    assert kafka.rd_kafka_flush(client, 20_000) == 0
    kafka.rd_kafka_destroy(client)


def test_a_header_whose_name_is_not_text_is_put_aside_by_its_position_and_the_group_goes_on(
    shop: ConsumerHarness,
) -> None:
    produce_raw(shop.bootstrap, DISPATCH_PRODUCTS, b"\xff\xfe", encode_key(5), b"value")
    produce_raw(shop.bootstrap, ORDERS, b"\x80", encode_key(6), b"value")
    shop.command(1)
    shop.fact(2)
    assert shop.handled("warehouse").dead == 2
    for topic in (DISPATCH_PRODUCTS, ORDERS):
        [letter] = shop.read(f"warehouse.{topic}.dlq")
        assert letter.header("kafka_dlt-exception-fqcn") == b"schemas.errors.Undeliverable"
        assert letter.header("kafka_dlt-original-topic") == topic.encode()
        assert (letter.key, letter.value) == (None, None)
    assert sorted(shop.results()) == [(1, "ProductDispatched"), (2, "ProductDispatched")]


def test_a_reader_of_the_log_goes_on_behind_a_header_whose_name_is_not_text(shop: ConsumerHarness) -> None:
    produce_raw(shop.bootstrap, DISPATCH_PRODUCTS, b"\xff\xfe", encode_key(5), b"value")
    shop.command(1)
    shop.flush()
    cluster = Cluster(bootstrap=shop.bootstrap)
    edges = Admin(cluster).watermarks([(DISPATCH_PRODUCTS, number) for number in range(PARTITIONS)])
    found = {entry.key: (entry.value, entry.headers) for entry in scan(cluster, edges)}
    assert found[encode_key(5)] == (b"value", ())
    assert encode_key(1) in found


@pytest.mark.parametrize("codec", ["lz4", "gzip"])
def test_a_record_larger_than_any_dead_letter_is_put_aside_by_its_position(
    shop: ConsumerHarness, codec: str
) -> None:
    client = Producer(
        {"bootstrap.servers": shop.bootstrap, "compression.type": codec, "message.max.bytes": 10**9}
    )
    client.produce(DISPATCH_PRODUCTS, b"\x7f" + b"x" * 2 * MAX_DEAD_LETTER_BYTES, encode_key(1))
    assert client.flush(30) == 0
    shop.command(2)
    assert shop.handled("warehouse").dead == 1
    [letter] = shop.read(f"warehouse.{DISPATCH_PRODUCTS}.dlq")
    assert letter.key in (encode_key(1), None)
    assert letter.header("kafka_dlt-original-topic") == DISPATCH_PRODUCTS.encode()
    assert shop.outcomes("warehouse") == {2: "dispatched"}
