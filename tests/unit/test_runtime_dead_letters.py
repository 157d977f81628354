"""Dead letters: the original record, with headers that Spring's and other tools read (design §5)."""

import struct
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.plan import DeadRecord
from schemas.errors import Position, TruncatedBody
from schemas.topics import MAX_DEAD_LETTER_BYTES
from tests.support.consumers.records import NOW, header, record

if TYPE_CHECKING:
    from schemas.envelope import Headers

HERE = Position("orders", 5, 2**40 + 1)
RETRY = Position("warehouse.orders.retry", 2, 9)


def test_the_headers_are_springs_byte_for_byte() -> None:
    out = dead_letter(DeadRecord(record(HERE), TruncatedBody("it ends", HERE), 3), "warehouse")
    assert out.topic == "warehouse.orders.dlq"
    assert out.headers == [
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", b"\x00\x00\x00\x05"),
        ("kafka_dlt-original-offset", (2**40 + 1).to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", NOW.to_bytes(8, "big")),
        ("kafka_dlt-original-consumer-group", b"warehouse"),
        ("kafka_dlt-exception-fqcn", b"schemas.errors.TruncatedBody"),
        ("kafka_dlt-exception-message", b"orders:5:1099511627777: it ends"),
        ("attempts", b"3"),
    ]


@given(st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(st.text(), st.binary())))
def test_key_value_and_headers_stay_as_they_were(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    origin = record(HERE, key=key, value=value, headers=headers)
    out = dead_letter(DeadRecord(origin, TruncatedBody("it ends", HERE)), "warehouse")
    assert (out.key, out.value) == (key, value)
    assert out.headers[: len(headers)] == headers


def test_a_record_without_anything_still_says_where_it_lies() -> None:
    out = dead_letter(
        DeadRecord(record(HERE, key=None, value=None), TruncatedBody("it ends", HERE)), "notification"
    )
    assert (out.topic, out.key, out.value) == ("notification.orders.dlq", None, None)
    assert header(out, "kafka_dlt-original-offset") == [struct.pack(">q", HERE.offset)]


def test_a_second_death_keeps_the_first_origin_and_tells_the_newest_reason() -> None:
    first = dead_letter(DeadRecord(record(HERE), TruncatedBody("it ends", HERE), 3), "warehouse")
    redriven: Headers = [*first.headers, ("redrive-id", b"r1")]
    again = record(RETRY, headers=redriven, source="orders")
    out = dead_letter(DeadRecord(again, TruncatedBody("it still ends", RETRY), 2), "warehouse")
    assert out.topic == "warehouse.orders.dlq"
    assert header(out, "kafka_dlt-original-topic") == [b"orders"]
    assert header(out, "kafka_dlt-original-partition") == [struct.pack(">i", 5)]
    assert header(out, "kafka_dlt-original-offset") == [struct.pack(">q", HERE.offset)]
    assert header(out, "kafka_dlt-exception-message") == [b"warehouse.orders.retry:2:9: it still ends"]
    assert header(out, "attempts") == [b"5"], "attempts of all rounds add up"
    assert header(out, "redrive-id") == [b"r1"]


def test_a_record_of_a_source_topic_cannot_name_another_origin_than_its_own() -> None:
    forged: Headers = [
        ("kafka_dlt-original-topic", b"dispatch_products"),
        ("kafka_dlt-original-offset", struct.pack(">q", 1)),
        ("attempts", b"99"),
    ]
    out = dead_letter(DeadRecord(record(HERE, headers=forged), TruncatedBody("it ends", HERE)), "warehouse")
    assert out.headers[:3] == forged
    last = dict(out.headers)
    assert last["kafka_dlt-original-topic"] == b"orders"
    assert last["kafka_dlt-original-offset"] == struct.pack(">q", HERE.offset)
    assert last["attempts"] == b"1"


def test_a_message_of_any_length_and_any_letters_fits_into_its_header() -> None:
    out = dead_letter(DeadRecord(record(HERE), TruncatedBody("\ud800ä" * 5_000, HERE)), "warehouse")
    [message] = header(out, "kafka_dlt-exception-message")
    assert isinstance(message, bytes)
    assert len(message) <= 8_000
    assert "ä" in message.decode()


def test_a_record_that_is_too_large_unpacked_leaves_key_and_position() -> None:
    huge = record(HERE, key=b"\x00" * 8, value=b"x" * MAX_DEAD_LETTER_BYTES, headers=[("a", b"b")])
    out = dead_letter(DeadRecord(huge, TruncatedBody("it ends", HERE)), "warehouse")
    assert (out.key, out.value) == (b"\x00" * 8, None)
    assert header(out, "a") == []
    assert header(out, "kafka_dlt-original-offset") == [struct.pack(">q", HERE.offset)]
    assert "it ends; unpacked it has 8388618 bytes" in str(header(out, "kafka_dlt-exception-message"))


def test_a_redriven_record_that_is_too_large_keeps_its_first_origin() -> None:
    first = dead_letter(DeadRecord(record(HERE), TruncatedBody("it ends", HERE)), "warehouse")
    huge = record(RETRY, value=b"x" * MAX_DEAD_LETTER_BYTES, headers=[*first.headers], source="orders")
    out = dead_letter(DeadRecord(huge, TruncatedBody("it still ends", RETRY)), "warehouse")
    assert out.value is None
    assert header(out, "kafka_dlt-original-topic") == [b"orders"]
