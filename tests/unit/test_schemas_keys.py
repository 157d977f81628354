"""Keys of others that are eight bytes long too: text and a registry's frame are no order ids."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas import keys
from schemas.avro_schemas import newest
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import FramedKey, KeyMismatch, RecordError, TextKey, WrongKeyLength
from schemas.facts import OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS
from tests.support.kafka.wire import WHERE, FakeRegistry, framed, key_of, long_of, record_schema

BUY = DispatchProduct(7, "1 Streetford Road", 1)
VALUE = Codec().encode(DISPATCH_PRODUCTS, BUY)
FRAMED = b"\x00\x00\x00\x00\x05\xc8\xbb\x01"
"""Order 12004 under schema id 5: as a Long, 97041153."""
LONG = '"long"'


def order(key: bytes, registry: FakeRegistry | None = None) -> int:
    return Codec(registry).decode(DISPATCH_PRODUCTS, key, VALUE, WHERE)[0]


def fault(key: bytes, registry: FakeRegistry | None = None) -> RecordError:
    with pytest.raises(RecordError) as caught:
        order(key, registry)
    return caught.value


def registry_with(schema: Any, schema_id: int = 5) -> FakeRegistry:
    registry = FakeRegistry()
    registry.add(schema, schema_id)
    return registry


# -- text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["20261121", "ORDER-12", "12004   ", "Übung-1", "訂單12"])
def test_a_key_of_eight_bytes_of_text_is_no_order_id(key: str) -> None:
    error = fault(key.encode())
    assert type(error) is TextKey
    assert repr(key) in error.what


def test_a_text_of_another_length_is_told_by_its_length() -> None:
    assert type(fault(b"12004")) is WrongKeyLength


@pytest.mark.parametrize(
    "number", [0, 1, -1, 12004, 2**24, 2**53, 2**61 - 1, 2**62, 2**63 - 1, -(2**63), 0x2020202020202020 - 1]
)
def test_an_id_that_spells_nothing_is_read_as_it_is(number: int) -> None:
    assert order(key_of(number)) == number


@given(st.integers(-(2**24), 2**61 - 1))
def test_no_small_id_is_text(number: int) -> None:
    assert keys.text_of(number) is None


@given(st.integers(-(2**63), 2**63 - 1) | st.text(min_size=1, max_size=8).map(str.encode).filter(
    lambda raw: len(raw) == 8
).map(lambda raw: int.from_bytes(raw, signed=True)))  # fmt: skip
def test_text_is_what_python_takes_for_printable_utf_8(number: int) -> None:
    spelled = key_of(number).decode(errors="replace")
    is_text = "\N{REPLACEMENT CHARACTER}" not in spelled and spelled.isprintable()
    assume("\N{REPLACEMENT CHARACTER}".encode() not in key_of(number))
    assert keys.text_of(number) == (spelled if is_text else None)


@pytest.mark.parametrize("spelled", [b"20261121", b"ORDER-12"])
def test_a_value_that_says_the_same_number_decides_that_it_is_one(spelled: bytes) -> None:
    """Facts are kept for ever, also those of ids that the door refuses today."""
    number = int.from_bytes(spelled)
    fact = OrderPlaced(number, "x", 1)
    assert Codec().decode(ORDERS, spelled, Codec().encode(ORDERS, fact), WHERE) == fact
    result = ProductDispatched(number, "x", 1)
    assert (
        Codec().decode(DISPATCH_RESULTS, spelled, Codec().encode(DISPATCH_RESULTS, result), WHERE) == result
    )


def test_a_fact_under_a_text_says_so_and_under_another_number_says_that() -> None:
    value = Codec().encode(ORDERS, OrderPlaced(20261121, "x", 1))
    with pytest.raises(TextKey, match="'20261121'"):
        Codec().decode(ORDERS, b"20261121", value, WHERE)
    with pytest.raises(KeyMismatch):
        Codec().decode(ORDERS, key_of(8), value, WHERE)


# -- frames ------------------------------------------------------------------------------------------------

DEBEZIUM = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]}
CONNECT = {"type": "record", "name": "Key", "fields": [{"name": "id", "type": ["null", "long"]}]}


@pytest.mark.parametrize("schema", [LONG, '"int"', {"type": "long", "connect.version": 1}, DEBEZIUM], ids=str)
def test_a_key_in_the_frame_of_a_numbers_schema_is_no_order_id(schema: Any) -> None:
    error = fault(FRAMED, registry_with(schema))
    assert type(error) is FramedKey
    assert "schema id 5" in error.what
    assert "order 12004" in error.what


def test_a_nullable_number_is_recognised_too() -> None:
    key = framed(5, b"\x02" + long_of(100))
    assert type(fault(key, registry_with(CONNECT))) is FramedKey
    assert order(key, registry_with(LONG)) == int.from_bytes(key)


TEXT_KEY = record_schema({"name": "a", "type": "string"})


@pytest.mark.parametrize(
    "schema", ['"string"', newest(DispatchProduct).text, TEXT_KEY, '["null"]', "[", "{}"]
)
def test_a_schema_of_something_else_leaves_the_id_as_it_is(schema: Any) -> None:
    assert order(FRAMED, registry_with(schema)) == 97_041_153


def test_an_id_of_our_own_that_looks_like_a_frame_stays_one() -> None:
    assert order(FRAMED, FakeRegistry()) == 97_041_153
    assert order(FRAMED) == 97_041_153


def test_the_registry_is_asked_once_for_many_keys_of_one_range_and_never_for_others() -> None:
    registry = FakeRegistry()
    codec = Codec(registry)
    for number in (0, -1, 12004, 2**24 - 1, 2**56, 2**62, 5 << 24):
        codec.decode(DISPATCH_PRODUCTS, key_of(number), VALUE, WHERE)
    assert registry.asked == 0
    for number in range(97_041_153 - 500, 97_041_153 + 500):
        codec.decode(DISPATCH_PRODUCTS, key_of(number), VALUE, WHERE)
    assert registry.asked == 1


def test_a_schema_that_is_registered_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("schemas.key_schemas.monotonic", lambda: now[0])
    registry = FakeRegistry()
    codec = Codec(registry)
    assert codec.decode(DISPATCH_PRODUCTS, FRAMED, VALUE, WHERE)[0] == 97_041_153
    registry.add(LONG, 5)
    now[0] += 60
    with pytest.raises(FramedKey):
        codec.decode(DISPATCH_PRODUCTS, FRAMED, VALUE, WHERE)


@pytest.mark.parametrize("number", [0, 7, -65, 2**20, -(2**40), 2**63 - 1, -(2**63)])
def test_a_frame_of_another_length_is_told_by_its_name(number: int) -> None:
    key = framed(5, long_of(number))
    if len(key) != 8:
        error = fault(key)
        assert type(error) is FramedKey
        assert f"order {number}" in error.what


def test_a_fact_whose_value_says_what_the_frame_says_is_told_by_its_name() -> None:
    value = Codec().encode(ORDERS, OrderPlaced(12004, "x", 1))
    with pytest.raises(FramedKey, match="order 12004"):
        Codec().decode(ORDERS, FRAMED, value, WHERE)
    own = OrderPlaced(97_041_153, "x", 1)
    codec = Codec(registry_with(LONG))
    assert codec.decode(ORDERS, FRAMED, Codec().encode(ORDERS, own), WHERE) == own


@given(st.integers(1, 2**31 - 1), st.integers(-(2**63), 2**63 - 1))
def test_what_a_serializer_frames_is_recognised(schema_id: int, number: int) -> None:
    found = keys.framed(framed(schema_id, long_of(number)))
    assert found == (schema_id, number, False) or long_of(number)[:1] == b"\x02"
    found = keys.framed(framed(schema_id, b"\x02" + long_of(number)))
    assert found == (schema_id, number, True)
    assert keys.is_of(found, json.loads(json.dumps(CONNECT)))


@given(st.binary(max_size=16))
def test_any_key_is_a_frame_or_none(key: bytes) -> None:
    found = keys.framed(key)
    if found is not None:
        body = long_of(found.number)
        assert key == framed(found.schema_id, b"\x02" + body if found.nullable else body)


def test_a_key_that_we_write_is_what_it_was() -> None:
    assert order(encode_key(12004), registry_with(LONG)) == 12004
