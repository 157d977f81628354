"""A schema id in a record's header around a bare body: the header first, then the value's own frame."""

import json
import uuid

import pytest

from consumers.runtime.decoding import decode
from consumers.runtime.records import Decoded, FailedRecord
from schemas.avro_schemas import newest
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.envelope import HeaderValues, by_name
from schemas.errors import (
    FramedKey,
    NoRegistry,
    Position,
    RegistryUnreachable,
    TruncatedBody,
    UnknownFraming,
    UnknownSchemaId,
)
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.registry import Registry
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.records import record
from tests.support.kafka.wire import WHERE, FakeRegistry, key_of, long_of

GUID = uuid.UUID("89791762-2336-4186-9674-299b90a802e2")
BUY = DispatchProduct(7, "1 Streetford Road", 3)
BODY = Codec().encode(DISPATCH_PRODUCTS, BUY)[10:]
ZERO = OrderPlaced(0, "1 Streetford Road", 9)
ZERO_BODY = Codec().encode(ORDERS, ZERO)[10:]
BY_ID = b"\x00\x00\x00\x00\x05"
BY_GUID = b"\x01" + GUID.bytes


def named(value: bytes | None, name: str = "__value_schema_id") -> HeaderValues:
    return {"ce_id": b"x", name: value}


@pytest.fixture
def registry() -> FakeRegistry:
    filled = FakeRegistry()
    filled.add(newest(DispatchProduct).text, 5)
    filled.add(newest(OrderPlaced).text, 6)
    filled.add_guid(newest(DispatchProduct).text, str(GUID))
    return filled


@pytest.mark.parametrize("header", [BY_ID, BY_GUID], ids=["an id", "a GUID"])
def test_a_bare_body_is_read_with_the_schema_that_the_header_names(
    registry: FakeRegistry, header: bytes
) -> None:
    codec = Codec(registry)
    for _ in range(3):
        assert codec.decode(DISPATCH_PRODUCTS, key_of(7), BODY, WHERE, named(header)) == BUY
    assert registry.asked == 1


def test_a_body_that_begins_like_a_frame_is_still_a_body(registry: FakeRegistry) -> None:
    """Order 0: its first byte is the registry's magic one."""
    assert ZERO_BODY[:1] == b"\x00"
    header = named(b"\x00\x00\x00\x00\x06")
    assert Codec(registry).decode(ORDERS, key_of(0), ZERO_BODY, WHERE, header) == ZERO


def test_of_a_doubled_header_the_last_counts(registry: FakeRegistry) -> None:
    headers = by_name([("__value_schema_id", b"\x00\x00\x00\x00\x06"), ("__value_schema_id", BY_ID)])
    assert Codec(registry).decode(DISPATCH_PRODUCTS, key_of(7), BODY, WHERE, headers) == BUY


@pytest.mark.parametrize(
    "junk", [None, b"", b"5", BY_ID + b"x", b"\x02" + BY_ID[1:], BY_GUID[:-1], b"\x00" * 17]
)
def test_a_header_that_is_no_schema_id_leaves_the_values_own_frame(
    registry: FakeRegistry, junk: bytes | None
) -> None:
    codec = Codec(registry)
    assert (
        codec.decode(DISPATCH_PRODUCTS, key_of(7), Codec().encode(DISPATCH_PRODUCTS, BUY), WHERE, named(junk))
        == BUY
    )
    with pytest.raises(UnknownFraming):
        codec.decode(DISPATCH_PRODUCTS, key_of(7), BODY, WHERE, named(junk))


def test_another_header_is_none(registry: FakeRegistry) -> None:
    for name in ("__key_schema_id", "value_schema_id", "__VALUE_SCHEMA_ID"):
        with pytest.raises(UnknownFraming):
            Codec(registry).decode(DISPATCH_PRODUCTS, key_of(7), BODY, WHERE, named(BY_ID, name))


def test_a_schema_that_the_registry_has_not_is_one_that_may_come(registry: FakeRegistry) -> None:
    other = uuid.uuid4()
    with pytest.raises(UnknownSchemaId, match=str(other)):
        Codec(registry).decode(DISPATCH_PRODUCTS, key_of(7), BODY, WHERE, named(b"\x01" + other.bytes))
    with pytest.raises(NoRegistry, match=str(GUID)):
        Codec().decode(DISPATCH_PRODUCTS, key_of(7), BODY, WHERE, named(BY_GUID))


def test_a_bare_body_that_is_cut_is_told_as_one(registry: FakeRegistry) -> None:
    for cut in (BODY[:-1], b""):
        with pytest.raises(TruncatedBody):
            Codec(registry).decode(DISPATCH_PRODUCTS, key_of(7), cut, WHERE, named(BY_ID))


def test_a_member_reads_them_and_asks_once_for_many_of_an_unknown_schema(registry: FakeRegistry) -> None:
    good = record(WHERE, key=key_of(7), value=BODY, headers=[*named(BY_GUID).items()])
    other = [*named(b"\x01" + uuid.uuid4().bytes).items()]
    lost = [
        record(Position(DISPATCH_PRODUCTS, 0, n), key=key_of(n), value=BODY, headers=other) for n in range(50)
    ]
    items = decode(Codec(registry), [good, *lost])
    assert isinstance(items[0], Decoded)
    assert {type(item) for item in items[1:]} == {FailedRecord}
    assert registry.asked == 2


def test_a_key_whose_schema_is_named_in_a_header_is_no_long(registry: FakeRegistry) -> None:
    """A bare Avro long of eight bytes; without the header nobody could tell."""
    key = long_of(2**50)
    assert len(key) == 8
    value = Codec().encode(DISPATCH_PRODUCTS, BUY)
    with pytest.raises(FramedKey, match=str(2**50)):
        Codec(registry).decode(DISPATCH_PRODUCTS, key, value, WHERE, named(BY_GUID, "__key_schema_id"))
    assert Codec(registry).decode(DISPATCH_PRODUCTS, key, value, WHERE)[0] == int.from_bytes(key, signed=True)
    headers = named(BY_GUID, "__key_schema_id")
    assert Codec(registry).decode(DISPATCH_PRODUCTS, encode_key(-7), value, WHERE, headers)[0] == -7


# -- a registry's answers ----------------------------------------------------------------------------------


class Answers:
    """confluent-kafka's REST client, with one answer."""

    def __init__(self, answer: object) -> None:
        self.answer, self.asked = answer, list[str]()

    def get(self, path: str, _query: object = None) -> object:
        self.asked.append(path)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def asking(answer: object) -> tuple[Registry, Answers]:
    registry, answers = Registry("http://127.0.0.1:1"), Answers(answer)
    registry._client._rest_client = answers  # type: ignore[assignment]  # memory stands in for the network
    return registry, answers


def test_a_guid_is_asked_for_by_its_text() -> None:
    text = newest(DispatchProduct).text
    registry, answers = asking({"subject": "s", "version": 1, "id": 5, "guid": str(GUID), "schema": text})
    found = registry.schema_of_guid(str(GUID))
    assert found is not None
    assert json.loads(found) == json.loads(text)
    assert answers.asked == [f"schemas/guids/{GUID}"]


@pytest.mark.parametrize("code", [404, 40403, -1])
def test_a_registry_that_has_no_such_guid_or_knows_of_none_says_that_it_is_unknown(code: int) -> None:
    from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415 - only here

    registry, _ = asking(SchemaRegistryError(404, code, "HTTP 404 Not Found"))
    assert registry.schema_of_guid(str(GUID)) is None


def test_a_registry_that_does_not_answer_is_an_outage() -> None:
    registry, _ = asking(OSError("no answer"))
    with pytest.raises(RegistryUnreachable):
        registry.schema_of_guid(str(GUID))
