"""Both framings byte for byte, and the name of every fault."""

import json

import pytest

from schemas.avro_schemas import TYPES, newest, versions
from schemas.codec import Codec
from schemas.commands import CapturePayment, DispatchProduct, RefundPayment, SendNotification
from schemas.control import Flow, Mode, ModeChanged
from schemas.errors import (
    KeyMismatch,
    MalformedBody,
    NullKey,
    NullValue,
    Position,
    RegistryUnreachable,
    TopicMissing,
    TrailingBytes,
    TruncatedBody,
    UndecodableMessage,
    UnknownFingerprint,
    UnknownFraming,
    UnknownSchemaId,
    UnknownType,
    WrongKeyLength,
)
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Item,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from schemas.timers import TimerDue
from schemas.topics import (
    CAPTURE_PAYMENTS,
    CATALOGUE,
    DISPATCH_PRODUCTS,
    DISPATCH_RESULTS,
    FULFILMENT_TIMERS,
    ORDER_MODE,
    ORDERS,
    PAYMENTS,
    PAYMENTS_TIMERS,
    SEND_NOTIFICATIONS,
    Message,
)
from tests.support.kafka.wire import (
    WHERE,
    FakeRegistry,
    canonical_form,
    crc_64_avro,
    framed,
    key_of,
    long_of,
    nullable_text_of,
    record_schema,
    text_of,
)

ADDRESS = {"name": "address", "type": ["null", "string"]}
BUY = DispatchProduct(12001, "1 Streetford Road", 3)
BUY_BODY = nullable_text_of("1 Streetford Road") + long_of(3) + text_of("direct")
PLACED = OrderPlaced(
    order_id=-(2**63),
    address="Zażółć 1",
    placed_at=1_795_249_800_000,
    customer="c-1",
    email="a@example.org",
    items=(Item("tea", 2, 250), Item("cup", 1, 2**40)),
    dispatch_before=1_795_249_900_000,
    mode_epoch=2,
    shadow_of=(DISPATCH_PRODUCTS,),
    flow=Flow.PROCESS.value,
    payment_method="tok_ok",
)
PLACED_V1_BODY = (
    long_of(-(2**63))
    + text_of("Zażółć 1")
    + long_of(1_795_249_800_000)
    + nullable_text_of("c-1")
    + nullable_text_of("a@example.org")
    + nullable_text_of(None)
    + text_of("EUR")
    + long_of(2)
    + text_of("tea") + long_of(2) + long_of(250)
    + text_of("cup") + long_of(1) + long_of(2**40)
    + long_of(0)
    + long_of(1) + long_of(1_795_249_900_000)
    + long_of(2)
    + long_of(1) + text_of(DISPATCH_PRODUCTS) + long_of(0)
)  # fmt: skip
PLACED_BODY = PLACED_V1_BODY + text_of("process") + nullable_text_of("tok_ok")
CHANGED_V1_BODY = long_of(4) + text_of("event") + long_of(9) + text_of("ann@host") + text_of("why")

BY_HAND: list[tuple[str, Message, int, bytes]] = [
    (DISPATCH_PRODUCTS, BUY, 12001, BUY_BODY),
    (
        DISPATCH_PRODUCTS,
        DispatchProduct(-1, None),
        -1,
        nullable_text_of(None) + long_of(0) + text_of("direct"),
    ),
    (
        CAPTURE_PAYMENTS,
        CapturePayment(7, 2**40, "EUR", "tok_ok"),
        7,
        long_of(7) + long_of(2**40) + text_of("EUR") + nullable_text_of("tok_ok"),
    ),
    (
        CAPTURE_PAYMENTS,
        CapturePayment(7, 0, "JPY"),
        7,
        long_of(7) + long_of(0) + text_of("JPY") + nullable_text_of(None),
    ),
    (
        CAPTURE_PAYMENTS,
        RefundPayment(7, 500, "EUR", "cap_1"),
        7,
        long_of(7) + long_of(500) + text_of("EUR") + text_of("cap_1"),
    ),
    (
        SEND_NOTIFICATIONS,
        SendNotification(7, "email", "a@example.org", "payment-failed", "No payment", "Zażółć"),
        7,
        long_of(7) + text_of("email") + text_of("a@example.org") + text_of("payment-failed")
        + text_of("No payment") + text_of("Zażółć"),
    ),
    (ORDERS, PLACED, -(2**63), PLACED_BODY),
    (
        DISPATCH_RESULTS,
        ProductDispatched(7, "x", 9),
        7,
        long_of(7) + text_of("x") + long_of(9) + text_of("direct"),
    ),
    (
        DISPATCH_RESULTS,
        DispatchRejected(7, "blank", 9, "process"),
        7,
        long_of(7) + text_of("blank") + long_of(9) + text_of("process"),
    ),
    (
        DISPATCH_RESULTS,
        DispatchExpired(7, 8, 9, "collaboration"),
        7,
        long_of(7) + long_of(8) + long_of(9) + text_of("collaboration"),
    ),
    (
        PAYMENTS,
        PaymentCaptured(7, 500, "EUR", "cap_1", 9, "process"),
        7,
        long_of(7) + long_of(500) + text_of("EUR") + text_of("cap_1") + long_of(9) + text_of("process"),
    ),
    (
        PAYMENTS,
        PaymentFailed(7, "declined", 9, "process"),
        7,
        long_of(7) + text_of("declined") + long_of(9) + text_of("process"),
    ),
    (
        PAYMENTS,
        PaymentRefunded(7, 500, "EUR", "ref_1", 9, "collaboration"),
        7,
        long_of(7) + long_of(500) + text_of("EUR") + text_of("ref_1") + long_of(9) + text_of("collaboration"),
    ),
    (
        PAYMENTS,
        RefundFailed(7, "closed", 9, "process"),
        7,
        long_of(7) + text_of("closed") + long_of(9) + text_of("process"),
    ),
    (PAYMENTS_TIMERS, TimerDue(7, "payment", 9), 7, long_of(7) + text_of("payment") + long_of(9)),
    (FULFILMENT_TIMERS, TimerDue(7, "dispatch", 9), 7, long_of(7) + text_of("dispatch") + long_of(9)),
    (
        ORDER_MODE,
        ModeChanged(4, Mode.EVENT.value, 9, "ann@host", "why", Flow.COLLABORATION.value),
        4,
        CHANGED_V1_BODY + text_of("collaboration"),
    ),
]  # fmt: skip


def single_object(message: Message) -> bytes:
    return b"\xc3\x01" + crc_64_avro(canonical_form(json.loads(newest(type(message)).text)))


@pytest.fixture
def registry() -> FakeRegistry:
    filled = FakeRegistry()
    for topic in CATALOGUE:
        for record in topic.records:
            filled.register(topic.name, record)
    return filled


@pytest.mark.parametrize(("topic", "message", "key", "body"), BY_HAND)
def test_without_a_registry_a_value_is_the_specifications_single_object(
    topic: str, message: Message, key: int, body: bytes
) -> None:
    value = single_object(message) + body
    assert Codec().encode(topic, message) == value
    assert Codec().decode(topic, key_of(key), value, WHERE) == message


@pytest.mark.parametrize(("topic", "message", "key", "body"), BY_HAND)
def test_with_a_registry_a_value_has_its_frame(
    registry: FakeRegistry, topic: str, message: Message, key: int, body: bytes
) -> None:
    value = framed(registry.id_of(topic, type(message)), body)
    assert Codec(registry).encode(topic, message) == value
    assert Codec(registry).decode(topic, key_of(key), value, WHERE) == message


@pytest.mark.parametrize(("topic", "message", "key", "body"), BY_HAND)
def test_a_codec_with_a_registry_also_reads_the_single_object(
    registry: FakeRegistry, topic: str, message: Message, key: int, body: bytes
) -> None:
    assert Codec(registry).decode(topic, key_of(key), single_object(message) + body, WHERE) == message
    assert registry.asked == 0


def test_every_type_of_the_catalogue_was_written_by_hand_above() -> None:
    assert {type(message) for _, message, _, _ in BY_HAND} == set(TYPES)


def test_a_schema_id_is_asked_for_once(registry: FakeRegistry) -> None:
    codec = Codec(registry)
    value = codec.encode(DISPATCH_PRODUCTS, BUY)
    for _ in range(3):
        codec.decode(DISPATCH_PRODUCTS, key_of(12001), value, WHERE)
    assert registry.asked == 1


@pytest.mark.parametrize(
    ("topic", "key", "body", "message"),
    [
        (DISPATCH_PRODUCTS, 5, nullable_text_of("1 Road"), DispatchProduct(5, "1 Road", mode_epoch=0)),
        (ORDERS, -(2**63), PLACED_V1_BODY, PLACED._replace(flow="direct", payment_method=None)),
        (ORDER_MODE, 4, CHANGED_V1_BODY, ModeChanged(4, "event", 9, "ann@host", "why", flow="direct")),
    ],
)
def test_an_older_version_is_read_with_todays_defaults(
    topic: str, key: int, body: bytes, message: Message
) -> None:
    value = b"\xc3\x01" + versions(type(message))[0].fingerprint + body
    assert Codec().decode(topic, key_of(key), value, WHERE) == message


def test_a_later_version_with_a_field_that_we_do_not_know_is_read(registry: FakeRegistry) -> None:
    later = record_schema(
        ADDRESS,
        {"name": "mode_epoch", "type": "long", "default": 0},
        {"name": "flow", "type": "string", "default": "direct"},
        {"name": "gift", "type": {"type": "array", "items": "string"}, "default": []},
    )
    value = framed(registry.add(later), BUY_BODY + long_of(1) + text_of("ribbon") + long_of(0))
    assert Codec(registry).decode(DISPATCH_PRODUCTS, key_of(12001), value, WHERE) == BUY


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_truncation_in_a_field_that_we_do_not_know_is_still_seen(registry: FakeRegistry, cut: int) -> None:
    """The library skips fields of others without looking for their end."""
    later = record_schema(ADDRESS, {"name": "weight", "type": "double", "default": 0})
    body = nullable_text_of("x") + b"\0" * 8
    value = framed(registry.add(later), body)
    assert Codec(registry).decode(DISPATCH_PRODUCTS, key_of(1), value, WHERE) == DispatchProduct(1, "x")
    with pytest.raises(TruncatedBody):
        Codec(registry).decode(DISPATCH_PRODUCTS, key_of(1), value[:-cut], WHERE)


# -- what is wrong, and where ------------------------------------------------------------------------------

OURS = single_object(BUY)
FAULTS: dict[str, tuple[type[UndecodableMessage], str, bytes | None, bytes | None, str]] = {
    "no key": (NullKey, DISPATCH_PRODUCTS, None, OURS + BUY_BODY, "no key"),
    "no key and no value": (NullKey, DISPATCH_PRODUCTS, None, None, "no key"),
    "an empty key": (WrongKeyLength, DISPATCH_PRODUCTS, b"", OURS + BUY_BODY, "0 bytes, a Long key has 8"),
    "a short key": (WrongKeyLength, DISPATCH_PRODUCTS, b"12001", OURS + BUY_BODY, "5 bytes"),
    "a long key": (WrongKeyLength, DISPATCH_PRODUCTS, bytes(9), OURS + BUY_BODY, "9 bytes"),
    "no value": (NullValue, DISPATCH_PRODUCTS, key_of(1), None, "no value"),
    "an empty value": (UnknownFraming, DISPATCH_PRODUCTS, key_of(1), b"", "0 bytes that begin with nothing"),
    "JSON": (UnknownFraming, DISPATCH_PRODUCTS, key_of(1), b"{}", "2 bytes that begin with 7b 7d"),
    "half a fingerprint": (UnknownFraming, DISPATCH_PRODUCTS, key_of(1), OURS[:9], "begin with c3 01"),
    "half a schema id": (UnknownFraming, DISPATCH_PRODUCTS, key_of(1), bytes(4), "begin with 00 00"),
    "a strange fingerprint": (
        UnknownFingerprint, DISPATCH_PRODUCTS, key_of(1), b"\xc3\x01abcdefgh" + BUY_BODY, "6162636465666768",
    ),
    "a fact where a command belongs": (
        UnknownType, DISPATCH_PRODUCTS, key_of(1), single_object(PLACED) + PLACED_BODY,
        "OrderPlaced on dispatch_products, which carries DispatchProduct",
    ),
    "a command among results": (
        UnknownType, DISPATCH_RESULTS, key_of(1), OURS + BUY_BODY,
        "ProductDispatched or DispatchRejected or DispatchExpired",
    ),
    "no body": (TruncatedBody, DISPATCH_PRODUCTS, key_of(1), OURS, "ends after 0 bytes"),
    "half a body": (TruncatedBody, DISPATCH_PRODUCTS, key_of(1), OURS + BUY_BODY[:9], "after 9 bytes"),
    "a body and a half": (TrailingBytes, DISPATCH_PRODUCTS, key_of(1), OURS + BUY_BODY + b"xyz", "3 bytes"),
    "text that is not UTF-8": (
        MalformedBody, DISPATCH_PRODUCTS, key_of(1), OURS + long_of(1) + long_of(1) + b"\xff" + long_of(0),
        "UnicodeDecodeError",
    ),
    "a branch that is not there": (
        MalformedBody, DISPATCH_PRODUCTS, key_of(1), OURS + long_of(9) + long_of(0), "breaks its schema",
    ),
    "another order's key": (
        KeyMismatch, ORDERS, key_of(8), single_object(PLACED) + PLACED_BODY,
        "the key says 8, the value says -9223372036854775808",
    ),
    "another epoch's key": (
        KeyMismatch, ORDER_MODE, key_of(8), Codec().encode(ORDER_MODE, ModeChanged(9, "event", 1, "me")),
        "the key says 8, the value says 9",
    ),
    "another result's key": (
        KeyMismatch, DISPATCH_RESULTS, key_of(8), Codec().encode(DISPATCH_RESULTS, DispatchExpired(9, 1, 1)),
        "the key says 8, the value says 9",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "topic", "key", "value", "words"), FAULTS.values(), ids=FAULTS)
def test_each_fault_has_its_own_error_that_says_what_and_where(
    wanted: type[UndecodableMessage], topic: str, key: bytes | None, value: bytes | None, words: str
) -> None:
    where = Position(topic, 5, 77)
    with pytest.raises(UndecodableMessage) as caught:
        Codec().decode(topic, key, value, where)
    assert type(caught.value) is wanted
    assert caught.value.position == where
    assert not caught.value.retriable
    assert words in caught.value.what
    assert str(caught.value) == f"{topic}:5:77: {caught.value.what}"


def test_a_schema_id_without_a_registry_says_how_to_name_one() -> None:
    with pytest.raises(UnknownSchemaId, match=r"schema id 7, .*--schema-registry-url"):
        Codec().decode(DISPATCH_PRODUCTS, key_of(1), framed(7, BUY_BODY), WHERE)


def test_a_schema_id_that_the_registry_does_not_know_is_named(registry: FakeRegistry) -> None:
    with pytest.raises(UnknownSchemaId, match=r"dispatch_products:3:42: .* no schema with id 4294967295"):
        Codec(registry).decode(DISPATCH_PRODUCTS, key_of(1), framed(2**32 - 1, BUY_BODY), WHERE)


def test_a_schema_that_is_registered_later_is_found_then(registry: FakeRegistry) -> None:
    """A rollout: nothing remembers that an id was unknown."""
    codec, value = Codec(registry), framed(900, BUY_BODY)
    with pytest.raises(UnknownSchemaId):
        codec.decode(DISPATCH_PRODUCTS, key_of(12001), value, WHERE)
    registry.add(newest(DispatchProduct).text, 900)
    assert codec.decode(DISPATCH_PRODUCTS, key_of(12001), value, WHERE) == BUY


def test_a_registry_that_is_down_is_not_the_records_fault() -> None:
    class Down(FakeRegistry):
        def schema_of(self, schema_id: int) -> str | None:
            raise RegistryUnreachable(f"down when asked for {schema_id}")

    with pytest.raises(RegistryUnreachable) as caught:
        Codec(Down()).decode(DISPATCH_PRODUCTS, key_of(1), framed(1, BUY_BODY), WHERE)
    assert caught.value.retriable


def test_a_schema_that_is_not_registered_cannot_be_written() -> None:
    with pytest.raises(TopicMissing, match="cev topics create"):
        Codec(FakeRegistry()).encode(DISPATCH_PRODUCTS, BUY)


def test_a_readable_type_on_one_topic_is_still_unknown_on_another(registry: FakeRegistry) -> None:
    """What was learnt about a header is kept per topic."""
    codec = Codec(registry)
    value = codec.encode(DISPATCH_PRODUCTS, BUY)
    codec.decode(DISPATCH_PRODUCTS, key_of(12001), value, WHERE)
    with pytest.raises(UnknownType):
        codec.decode(ORDERS, key_of(12001), value, WHERE)
