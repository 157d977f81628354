"""The headers of dead letters: what is written is read back, and anybody's are read without failing."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.dead_letters import dead_letter as written
from consumers.runtime.plan import DeadRecord
from consumers.runtime.records import ConsumerRecord
from schemas import dead_letters
from schemas.dead_letters import Reason
from schemas.errors import Position, TruncatedBody
from schemas.framing import encode_key

NO_REASON = dead_letters.parse([])

names = st.text(max_size=20) | st.sampled_from(
    [*dead_letters._NUMBERS, "attempts", "kafka_dlt-original-topic"]
)
reasons = st.builds(
    Reason,
    origin=st.none()
    | st.builds(Position, st.text(), st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)),
    timestamp=st.none() | st.integers(-(2**63), 2**63 - 1),
    group=st.none() | st.text(),
    error=st.none() | st.text(),
    message=st.none() | st.text(),
    attempts=st.none() | st.integers(0, 10**9 - 1),
)
hostile = st.lists(st.tuples(names, st.none() | st.binary(max_size=40)), max_size=10)


@given(hostile, reasons)
def test_whatever_reason_is_written_is_read_back(
    headers: list[tuple[str, bytes | None]], reason: Reason
) -> None:
    assert dead_letters.parse(dead_letters.to_headers(reason)) == reason
    written_headers = dead_letters.with_reason(headers, reason, redriven=False)
    assert written_headers[: len(headers)] == headers
    kept = dead_letters.parse(headers)
    read = dead_letters.parse(written_headers)
    for field, value in reason._asdict().items():
        if value is not None:
            assert getattr(read, field) == value
        elif field != "origin":
            assert getattr(read, field) == getattr(kept, field)


@given(reasons, reasons)
def test_a_redriven_record_keeps_its_origin_and_says_the_newest_error(first: Reason, second: Reason) -> None:
    headers = dead_letters.with_reason(dead_letters.to_headers(first), second, redriven=True)
    assert len({name for name, _ in headers}) == len(headers), "no name is doubled"
    read = dead_letters.parse(headers)
    for field in ("origin", "timestamp", "group"):
        original = getattr(first, field)
        assert getattr(read, field) == (getattr(second, field) if original is None else original)
    assert (read.error, read.message) == (second.error, second.message)
    total = (first.attempts or 0) + (second.attempts or 0)
    assert read.attempts == (total if total < 10**9 else None)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**62), st.text(max_size=30))
def test_what_a_group_writes_about_a_record_is_read_back(
    partition: int, offset: int, timestamp: int, what: str
) -> None:
    where = Position("orders", partition, offset)
    error = TruncatedBody(what, where)
    record = ConsumerRecord(where, "orders", timestamp, encode_key(7), b"x", [("mine", b"1")])
    out = written(DeadRecord(record, error, 3), "sales")
    reason = dead_letters.parse(out.headers)
    assert reason.origin == where
    assert reason.timestamp == timestamp
    assert reason.group == "sales"
    assert reason.error == "schemas.errors.TruncatedBody"
    assert reason.message == str(error).encode("utf-8", "replace").decode()
    assert reason.attempts == 3


@given(hostile)
def test_no_headers_make_reading_fail(headers: list[tuple[str, bytes | None]]) -> None:
    reason = dead_letters.parse(headers)
    assert reason.attempts is None or reason.attempts >= 0
    assert [name for name, _ in dead_letters.readable(headers, limit=10)] == [name for name, _ in headers]


@given(hostile)
def test_a_shown_header_is_printable(headers: list[tuple[str, bytes | None]]) -> None:
    assert all(text.isprintable() for _, text in dead_letters.readable(headers))


def test_numbers_of_the_wrong_length_count_as_absent() -> None:
    headers = [
        ("kafka_dlt-original-topic", b"orders"),
        ("kafka_dlt-original-partition", b"1"),
        ("kafka_dlt-original-offset", struct.pack(">q", 5)),
    ]
    assert dead_letters.parse(headers).origin is None


def test_of_a_doubled_header_the_last_counts() -> None:
    assert dead_letters.parse([("attempts", b"1"), ("attempts", b"2")]).attempts == 2


def test_numbers_are_shown_as_numbers_and_other_bytes_as_hexadecimal() -> None:
    headers = [("kafka_dlt-original-offset", struct.pack(">q", -2)), ("raw", b"\x1b[2J"), ("none", None)]
    assert dead_letters.readable(headers) == [
        ("kafka_dlt-original-offset", "-2"),
        ("raw", "0x1b5b324a"),
        ("none", "null"),
    ]


def test_a_long_header_is_cut_where_a_limit_is_given() -> None:
    assert dead_letters.readable([("big", b"a" * 30)], limit=10) == [
        ("big", "aaaaaaaaaa... and 20 characters more")
    ]


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_long_key_names_an_order(number: int) -> None:
    assert dead_letters.order_id(encode_key(number), NO_REASON) == number


def test_any_other_key_names_none() -> None:
    assert [dead_letters.order_id(key, NO_REASON) for key in (None, b"", b"1234567", b"123456789")] == [
        None
    ] * 4


@pytest.mark.parametrize("error", ["TextKey", "FramedKey"])
def test_a_key_that_was_found_to_be_no_long_names_none(error: str) -> None:
    reason = NO_REASON._replace(error=f"schemas.errors.{error}")
    assert dead_letters.order_id(b"ORDER-12", reason) is None


def test_a_hexdump_shows_offset_bytes_and_text_and_says_what_it_leaves_out() -> None:
    assert dead_letters.hexdump(b"ABC\x00") == ["00000000  41 42 43 00" + " " * 38 + "ABC."]
    assert dead_letters.hexdump(bytes(40), limit=32)[-1] == "... 8 more bytes"
