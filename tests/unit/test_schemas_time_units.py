"""Times of others in another unit: converted by what their schema says, or one bad record."""

from typing import Any

import pytest

from schemas import time_units
from schemas.avro_schemas import TYPES, newest
from schemas.codec import Codec
from schemas.errors import MalformedBody, UnknownType
from schemas.facts import DispatchExpired, OrderPlaced
from schemas.topics import DISPATCH_RESULTS, ORDERS
from tests.support.kafka.wire import WHERE, FakeRegistry, framed, key_of, long_of, record_schema, text_of

AT = 1_795_249_800_123
DAYS = 20_778
DAY_MS = 86_400_000


def logical(base: str, name: str) -> dict[str, str]:
    return {"type": base, "logicalType": name}


def connect(base: str, name: str) -> dict[str, str]:
    return {"type": base, "connect.name": name}


CONNECTS = connect("long", "org.apache.kafka.connect.data.Timestamp") | {"logicalType": "timestamp-millis"}


def read(placed_at: Any, value: int, **more: Any) -> OrderPlaced:
    """A fact whose `placed_at` has this type and value; more fields are behind it, as type and bytes."""
    fields = [("order_id", "long"), ("address", "string"), ("placed_at", placed_at)]
    schema = record_schema(
        *({"name": name, "type": kind} for name, kind in fields),
        *({"name": name, "type": kind} for name, (kind, _) in more.items()),
        name="OrderPlaced",
    )
    registry = FakeRegistry()
    body = long_of(7) + text_of("x") + long_of(value) + b"".join(raw for _, raw in more.values())
    message = Codec(registry).decode(ORDERS, key_of(7), framed(registry.add(schema), body), WHERE)
    assert isinstance(message, OrderPlaced)
    return message


@pytest.mark.parametrize(
    ("kind", "value", "ms"),
    [
        ("long", AT, AT),
        (logical("long", "timestamp-millis"), AT, AT),
        (logical("long", "timestamp-micros"), AT * 1_000 + 999, AT),
        (logical("long", "timestamp-micros"), -1, -1),
        (logical("long", "timestamp-nanos"), AT * 1_000_000 + 999_999, AT),
        (logical("int", "date"), DAYS, DAYS * DAY_MS),
        (logical("int", "date"), -1, -DAY_MS),
        (connect("long", "io.debezium.time.Timestamp"), AT, AT),
        (connect("long", "io.debezium.time.MicroTimestamp"), AT * 1_000, AT),
        (connect("long", "io.debezium.time.NanoTimestamp"), AT * 1_000_000, AT),
        (connect("int", "io.debezium.time.Date"), DAYS, DAYS * DAY_MS),
        (CONNECTS, AT, AT),
    ],
    ids=str,
)  # fmt: skip
def test_a_time_in_another_unit_is_converted(kind: Any, value: int, ms: int) -> None:
    assert read(kind, value).placed_at == ms


def test_a_deadline_that_may_be_missing_is_converted_too() -> None:
    kind = ["null", logical("long", "timestamp-micros")]
    assert read("long", AT, dispatch_before=(kind, b"\x02" + long_of(AT * 1_000))).dispatch_before == AT
    assert read("long", AT, dispatch_before=(kind, b"\x00")).dispatch_before is None


@pytest.mark.parametrize(
    "kind",
    [
        "int",
        logical("int", "time-millis"),
        logical("long", "time-micros"),
        logical("long", "local-timestamp-millis"),
        logical("long", "local-timestamp-micros"),
        logical("long", "seconds-since-1970"),
        logical("long", "date"),
        logical("int", "timestamp-millis"),
        connect("long", "io.debezium.time.MicroTime"),
        connect("int", "io.debezium.time.Time"),
        [logical("long", "timestamp-micros"), logical("int", "date")],
    ],
    ids=str,
)
def test_a_time_whose_unit_nobody_knows_is_one_bad_record_that_names_the_field(kind: Any) -> None:
    with pytest.raises(UnknownType, match="placed_at"):
        read(kind, 7)


def test_a_day_is_no_deadline() -> None:
    """Of which zone, and whether the day counts, its writer alone knows."""
    kind = ["null", logical("int", "date")]
    with pytest.raises(UnknownType, match=r"dispatch_before: .*day"):
        read("long", AT, dispatch_before=(kind, b"\x02" + long_of(DAYS)))


def test_a_day_beyond_an_avro_int_is_one_bad_record() -> None:
    with pytest.raises(MalformedBody, match="placed_at"):
        read(logical("int", "date"), 2**31)


def test_results_of_others_are_converted_as_well() -> None:
    micros = logical("long", "timestamp-micros")
    schema = record_schema(
        {"name": "order_id", "type": "long"},
        {"name": "deadline", "type": micros},
        {"name": "expired_at", "type": micros},
        name="DispatchExpired",
    )
    registry = FakeRegistry()
    value = framed(registry.add(schema), long_of(7) + long_of(AT * 1_000) + long_of(AT * 1_000 + 5_000))
    message = Codec(registry).decode(DISPATCH_RESULTS, key_of(7), value, WHERE)
    assert message == DispatchExpired(7, AT, AT + 5)


def test_every_time_of_our_schemas_is_known_and_none_of_ours_is_converted() -> None:
    fields = {record.__name__: time_units.time_fields(newest(record).text) for record in TYPES}
    assert fields == {
        "DispatchProduct": (),
        "CapturePayment": (),
        "RefundPayment": (),
        "SendNotification": (),
        "OrderPlaced": ("placed_at", "dispatch_before"),
        "ProductDispatched": ("dispatched_at",),
        "DispatchRejected": ("rejected_at",),
        "DispatchExpired": ("deadline", "expired_at"),
        "PaymentCaptured": ("captured_at",),
        "PaymentFailed": ("failed_at",),
        "PaymentRefunded": ("refunded_at",),
        "RefundFailed": ("failed_at",),
        "ModeChanged": ("changed_at",),
        "TimerDue": ("due_at",),
    }
