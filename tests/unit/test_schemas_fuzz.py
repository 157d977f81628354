"""Whatever bytes arrive: a message, or a RecordError that names the position; nothing else, and no wait."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import keys
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.control import ModeChanged
from schemas.errors import RecordError
from schemas.facts import DispatchExpired, DispatchRejected, Item, OrderPlaced, ProductDispatched
from schemas.framing import decode_key, encode_key
from schemas.topics import CATALOGUE, DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDER_MODE, ORDERS, Message
from tests.support.kafka.wire import KSQL_SCHEMA, WHERE, FakeRegistry, framed, key_of, long_of, record_schema

EDGES = [-(2**63), -(2**63) + 1, -(2**62), -(2**31), -1, 0, 1, 2**31, 2**53 + 1, 2**62, 2**63 - 1]
LONGS = st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1)
ORDER_IDS = LONGS.filter(lambda number: keys.text_of(number) is None)
TEXTS = st.text(st.characters(codec="utf-8"))
MAYBE = st.none() | TEXTS
ITEMS = st.builds(Item, TEXTS, st.integers(-(2**31), 2**31 - 1), LONGS)

MESSAGES: dict[type[Message], tuple[str, st.SearchStrategy[Any]]] = {
    DispatchProduct: (DISPATCH_PRODUCTS, st.builds(DispatchProduct, ORDER_IDS, MAYBE, LONGS)),
    OrderPlaced: (
        ORDERS,
        st.builds(
            OrderPlaced,
            order_id=LONGS,
            address=TEXTS,
            placed_at=LONGS,
            customer=MAYBE,
            email=MAYBE,
            phone=MAYBE,
            currency=TEXTS,
            items=st.lists(ITEMS, max_size=4).map(tuple),
            dispatch_before=st.none() | LONGS,
            mode_epoch=LONGS,
            shadow_of=st.lists(TEXTS, max_size=2).map(tuple),
        ),
    ),
    ProductDispatched: (DISPATCH_RESULTS, st.builds(ProductDispatched, LONGS, TEXTS, LONGS)),
    DispatchRejected: (DISPATCH_RESULTS, st.builds(DispatchRejected, LONGS, TEXTS, LONGS)),
    DispatchExpired: (DISPATCH_RESULTS, st.builds(DispatchExpired, LONGS, LONGS, LONGS)),
    ModeChanged: (ORDER_MODE, st.builds(ModeChanged, LONGS, TEXTS, LONGS, TEXTS, TEXTS)),
}
ANY_MESSAGE: st.SearchStrategy[tuple[str, Message]] = st.one_of(
    [st.tuples(st.just(topic), messages) for topic, messages in MESSAGES.values()]
)
TOPICS = st.sampled_from([topic.name for topic in CATALOGUE])
PATIENT = settings(deadline=timedelta(seconds=2), max_examples=300)


def filled_registry() -> FakeRegistry:
    registry = FakeRegistry()
    for topic in CATALOGUE:
        for record in topic.records:
            registry.register(topic.name, record)
    registry.add(KSQL_SCHEMA)
    return registry


REGISTRY = filled_registry()
CODECS = [Codec(), Codec(REGISTRY)]


def survives(codec: Codec, topic: str, key: bytes | None, value: bytes | None) -> None:
    """Decoding gives a message of the topic's, or an error that says where."""
    try:
        message = codec.decode(topic, key, value, WHERE)
    except RecordError as error:
        assert str(error) == f"{WHERE}: {error.what}"  # noqa: PT017 - a message is as good
    else:
        assert isinstance(message, tuple(MESSAGES))
        assert message[0] == decode_key(key, WHERE)
        # What was read has the types of our own schema, whatever the writer's said.
        assert CODECS[0].decode(topic, key, CODECS[0].encode(topic, message), WHERE) == message


@pytest.mark.parametrize("codec", CODECS, ids=["without a registry", "with one"])
@given(sent=ANY_MESSAGE)
@example((DISPATCH_PRODUCTS, DispatchProduct(2**63 - 1, "\N{NULL}\U0010ffff")))
def test_every_message_comes_back_as_it_was(codec: Codec, sent: tuple[str, Message]) -> None:
    topic, message = sent
    assert codec.decode(topic, encode_key(message[0]), codec.encode(topic, message), WHERE) == message


@given(LONGS)
def test_a_key_is_kafkas_own_long(number: int) -> None:
    assert encode_key(number) == key_of(number)
    assert decode_key(encode_key(number), WHERE) == number


@pytest.mark.parametrize("codec", CODECS, ids=["without a registry", "with one"])
@PATIENT
@given(topic=TOPICS, key=st.none() | st.binary(max_size=9), value=st.none() | st.binary(max_size=64))
def test_arbitrary_bytes_are_a_message_or_one_bad_record(
    codec: Codec, topic: str, key: bytes | None, value: bytes | None
) -> None:
    survives(codec, topic, key, value)


@PATIENT
@given(topic=TOPICS, schema_id=st.integers(0, 20), body=st.binary(max_size=64))
def test_arbitrary_bodies_in_a_known_frame_are_a_message_or_one_bad_record(
    topic: str, schema_id: int, body: bytes
) -> None:
    survives(CODECS[1], topic, key_of(1), framed(schema_id, body))


@pytest.mark.parametrize("codec", CODECS, ids=["without a registry", "with one"])
@PATIENT
@given(sent=ANY_MESSAGE, data=st.data())
def test_flipped_bits_are_a_message_or_one_bad_record(
    codec: Codec, sent: tuple[str, Message], data: st.DataObject
) -> None:
    topic, message = sent
    value = bytearray(codec.encode(topic, message))
    for bit in data.draw(st.lists(st.integers(0, len(value) * 8 - 1), min_size=1, max_size=4)):
        value[bit // 8] ^= 1 << bit % 8
    survives(codec, topic, key_of(message[0]), bytes(value))


@pytest.mark.parametrize("codec", CODECS, ids=["without a registry", "with one"])
@given(sent=ANY_MESSAGE, data=st.data())
def test_no_part_of_a_value_is_taken_for_the_whole(
    codec: Codec, sent: tuple[str, Message], data: st.DataObject
) -> None:
    topic, message = sent
    value = codec.encode(topic, message)
    cut = data.draw(st.integers(0, len(value) - 1))
    with pytest.raises(RecordError):
        codec.decode(topic, key_of(message[0]), value[:cut], WHERE)


@given(sent=ANY_MESSAGE, more=st.binary(min_size=1, max_size=20))
def test_no_value_with_more_behind_it_is_taken(sent: tuple[str, Message], more: bytes) -> None:
    topic, message = sent
    with pytest.raises(RecordError):
        CODECS[0].decode(topic, key_of(message[0]), CODECS[0].encode(topic, message) + more, WHERE)


# -- schemas of others -------------------------------------------------------------------------------------

PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes", "string"])


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.integers(0, 10**9).map(lambda number: f"T{number}")
    field = st.builds(lambda avro: {"type": avro}, inner)
    return st.one_of(
        st.builds(lambda avro: {"type": "array", "items": avro}, inner),
        st.builds(lambda avro: {"type": "map", "values": avro}, inner),
        st.lists(inner, max_size=3),
        st.builds(
            lambda name, size: {"type": "fixed", "name": name, "size": size}, names, st.integers(-2, 9)
        ),
        st.builds(lambda name: {"type": "enum", "name": name, "symbols": ["A", "B"]}, names),
        st.builds(
            lambda name, fields: {
                "type": "record",
                "name": name,
                "fields": [{"name": f"f{number}", **each} for number, each in enumerate(fields)],
            },
            names,
            st.lists(field, max_size=3),
        ),
    )


AVRO_TYPES = st.recursive(
    PRIMITIVES | st.sampled_from(["DispatchProduct", "T1", "nonsense"]), containers, max_leaves=8
)
FIELD_NAMES = st.sampled_from(
    ["address", "ADDRESS", "mode_epoch", "order_id", "items", "shadow_of", "extra", "more"]
)
SCHEMAS = st.builds(
    lambda name, fields: record_schema(
        *({"name": key, "type": avro} for key, avro in fields.items()), name=name
    ),
    st.sampled_from(["DispatchProduct", "OrderPlaced", "ModeChanged"]),
    st.dictionaries(FIELD_NAMES, AVRO_TYPES, max_size=4),
)
COUNTS = st.sampled_from([2**62, -(2**62), -(2**63), 2**31, 5, -1, 0]).map(long_of)
BODIES = st.lists(st.binary(max_size=12) | COUNTS, max_size=4).map(b"".join)


@settings(PATIENT, max_examples=1500)
@given(schema=SCHEMAS, body=BODIES, topic=TOPICS)
def test_any_schema_under_our_names_with_any_body_is_a_message_or_one_bad_record(
    schema: dict[str, Any], body: bytes, topic: str
) -> None:
    registry = FakeRegistry()
    survives(Codec(registry), topic, key_of(1), framed(registry.add(schema), body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "name", "namespace", "fields", "items", "values", "aliases", "size"]),
            inner,
        )
    ),
    max_leaves=10,
)


@settings(PATIENT, max_examples=1000)
@given(JSON, JSON, st.binary(max_size=10))
def test_any_json_as_a_schema_is_a_message_or_one_bad_record(schema: Any, fields: Any, body: bytes) -> None:
    registry = FakeRegistry()
    for each in (schema, {"type": "record", "name": "command_event.DispatchProduct", "fields": fields}):
        survives(Codec(registry), DISPATCH_PRODUCTS, key_of(1), framed(registry.add(each), body))
