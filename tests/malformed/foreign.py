"""Records whose schema somebody else registered: under our names, under ksqlDB's, or under any. Pure.

Schemas are bombs, lies and oddities; the bodies fit them, so that a reader which trusts a schema goes off.
"""

import json
import struct
from typing import Any

from schemas.errors import MalformedBody, TruncatedBody, UnknownSchemaId, UnknownType
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.malformed.case import (
    BLANK,
    COUNTED,
    DISPATCHED,
    EXPIRED,
    HOME,
    NOTHING,
    NULL,
    Maker,
    dead,
    maybe,
    placed,
    text,
)
from tests.support.kafka.wire import KSQL_SCHEMA, framed, long_of, record_schema

_ADDRESS = {"name": "address", "type": ["null", "string"]}
_NAN = struct.pack("<d", float("nan"))
KSQL = json.loads(KSQL_SCHEMA)


def unknown_ids(make: Maker) -> None:
    """Schema ids that no registry gave out."""
    for number in (2**31 - 1, 2**32 - 1):
        value = framed(number, maybe(HOME))
        make.raw(f"schema id {number}", DISPATCH_PRODUCTS, value, dead(UnknownSchemaId))


def ksql(make: Maker) -> None:
    """Rows of ksqlDB, and what only looks like one."""

    def row(name: str, schema: dict[str, Any], body: bytes, end: str, topic: str = DISPATCH_PRODUCTS) -> None:
        make.raw(f"ksqlDB's record {name}", topic, body, end, schema=json.dumps(schema))

    def more(*fields: dict[str, Any]) -> dict[str, Any]:
        return {**KSQL, "fields": KSQL["fields"] + list(fields)}

    row("as it is", KSQL, maybe(HOME), DISPATCHED)
    row("without an address", KSQL, maybe(None), NULL)
    row("with a blank address", KSQL, maybe(" "), BLANK)
    row("cut", KSQL, maybe(HOME)[:-1], dead(TruncatedBody))
    price = {"name": "PRICE", "type": ["null", "double"], "default": None}
    row("with a price that is no number", more(price), maybe(HOME) + b"\x02" + _NAN, DISPATCHED)
    odd = {"name": "ROWS", "type": ["null", {"type": "array", "items": ["null", "string"]}], "default": None}
    row("with nulls in an array", more(odd), maybe(HOME) + b"\x02" + long_of(2) + b"\0\0\0", DISPATCHED)
    row("without the column", {**KSQL, "fields": [price]}, b"\x00", dead(UnknownType))
    row("on the fact topic", KSQL, maybe(HOME), dead(UnknownType), ORDERS)


def under_our_names(make: Maker) -> None:
    """Schemas that say they are ours."""

    def theirs(name: str, schema: Any, body: bytes, end: str, topic: str = DISPATCH_PRODUCTS) -> None:
        make.raw(f"our name, and {name}", topic, body, end, schema=json.dumps(schema))

    theirs("another field", record_schema({"name": "house", "type": "string"}), text("x"), dead(UnknownType))
    theirs(
        "an address of floats", record_schema({"name": "address", "type": "double"}), _NAN, dead(UnknownType)
    )
    raw = record_schema({"name": "address", "type": "bytes"})
    theirs("an address in bytes", raw, text(HOME), DISPATCHED)
    theirs("an address in bytes that are no text", raw, text(b"\xff\xfe"), dead(MalformedBody))
    epoch = record_schema(_ADDRESS, {"name": "mode_epoch", "type": "double"})
    theirs("an epoch that is no number", epoch, maybe(HOME) + _NAN, dead(UnknownType))
    widened = record_schema(_ADDRESS, {"name": "mode_epoch", "type": "int"})
    theirs("a smaller epoch", widened, maybe(HOME) + long_of(7), DISPATCHED)
    nothing = {**record_schema(name="OrderPlaced")}
    theirs("no fields at all", nothing, b"", dead(UnknownType), ORDERS)
    few = record_schema(
        *({"name": name, "type": kind} for name, kind in
          (("order_id", "long"), ("address", "string"), ("placed_at", "long"), ("mode_epoch", "long"))),
        name="OrderPlaced",
    )  # fmt: skip
    body = long_of(make.next_order) + text(HOME) + long_of(make.at) + long_of(1)
    make.raw("our name, and only what must be", ORDERS, body, DISPATCHED, schema=json.dumps(few))
    make.cases[-1] = make.cases[-1]._replace(
        ends={"warehouse": DISPATCHED, "notification": "nothing", "sales": "counted", "loyalty": "nothing"}
    )
    stranger = record_schema(_ADDRESS, name="CancelOrder")
    theirs("no: a type that nobody knows", stranger, maybe(HOME), dead(UnknownType))
    theirs("no: a list", {"type": "array", "items": "string"}, b"\x00", dead(UnknownType))
    whole = placed(make.next_order, make.at)
    theirs(
        "no: our fact, as somebody else's", record_schema(_ADDRESS, name="Order"), whole, dead(UnknownType)
    )


def units(make: Maker) -> None:
    """Facts whose times are in another unit than ours, as their schema says."""
    micros, days = ({"type": base, "logicalType": name} for base, name in
                    (("long", "timestamp-micros"), ("int", "date")))  # fmt: skip
    second = {"type": "long", "logicalType": "local-timestamp-millis"}
    past, late = make.at - 3_600_000, make.at + 3_600_000
    for name, placed_at, raw, before, raw_before, end in (
        ("microseconds, to come", micros, make.at * 1_000, micros, late * 1_000, DISPATCHED),
        ("microseconds, an hour too late", micros, make.at * 1_000, micros, past * 1_000, EXPIRED),
        ("days", days, make.at // 86_400_000, "long", late, DISPATCHED),
        ("days, one of them a deadline", "long", make.at, days, make.at // 86_400_000, dead(UnknownType)),
        ("an unknown zone", second, make.at, "long", late, dead(UnknownType)),
        ("an int", "int", make.at // 1_000, "long", late, dead(UnknownType)),
    ):
        kinds = {"order_id": "long", "address": "string", "placed_at": placed_at, "mode_epoch": "long",
                 "dispatch_before": before}  # fmt: skip
        schema = record_schema(
            *({"name": each, "type": kind} for each, kind in kinds.items()), name="OrderPlaced"
        )
        body = long_of(make.next_order) + text(HOME) + long_of(raw) + long_of(1) + long_of(raw_before)
        make.raw(f"times in {name}", ORDERS, body, end, schema=json.dumps(schema))
        if end in (DISPATCHED, EXPIRED):
            ends = {"warehouse": end, "notification": NOTHING, "sales": COUNTED, "loyalty": NOTHING}
            make.cases[-1] = make.cases[-1]._replace(ends=ends)


def bombs(make: Maker) -> None:
    """Schemas that would cost a reader its process, its memory or its time."""

    def bomb(name: str, avro: Any, tail: bytes, end: str = dead(UnknownType)) -> None:
        schema = record_schema(_ADDRESS, {"name": "more", "type": avro})
        make.raw(
            f"a schema with {name}", DISPATCH_PRODUCTS, maybe(HOME) + tail, end, schema=json.dumps(schema)
        )

    bomb("itself inside", ["null", "DispatchProduct"], b"\x02" * 200_000)
    bomb("an array of 2^62 nulls", _array("null"), long_of(2**62) + b"\x00")
    bomb("an array of 2^62 records of nothing", _array(_record("E")), long_of(2**62) + b"\x00")
    bomb("65 levels", _nested(65), b"\x02" * 65)
    bomb("records that double 40 times", _doubling(40), b"")
    bomb("a fixed type of 2^30 bytes", _fixed(2**30), b"x", dead(TruncatedBody))
    bomb(
        "a map of 2^40", {"type": "map", "values": "int"}, long_of(2**40) + b"\x02a\x00", dead(TruncatedBody)
    )
    bomb("40 levels", _nested(40), b"\x02" * 40 + b"\x00" * 41, DISPATCHED)
    bomb("a million small numbers", _array("int"), long_of(10**6) + b"\x00" * 1_000_001, DISPATCHED)
    wide = [{"name": f"c{number}", "type": ["null", "int"]} for number in range(2_000)]
    schema = json.dumps(record_schema(_ADDRESS, *wide))
    make.raw(
        "a row of 2,000 columns", DISPATCH_PRODUCTS, maybe(HOME) + b"\0" * 2_000, DISPATCHED, schema=schema
    )
    default = {"name": "more", "type": "string", "default": "\x1b[2J" + "x" * 200_000}
    schema = json.dumps(record_schema(_ADDRESS, default))
    make.raw(
        "a default of 200,000 letters", DISPATCH_PRODUCTS, maybe(HOME) + text("x"), DISPATCHED, schema=schema
    )


def no_schemas(make: Maker) -> None:
    """What a registry of another make, or a broken one, may hand out as a schema."""
    for name, schema in {
        "protobuf": 'syntax = "proto3"; message M { string a = 1; }',
        "JSON schema": '{"type": "object", "title": "DispatchProduct"}',
        "an endless bracket": "[" * 100_000,
        "nothing": "null",
        "a name of escapes and half a pair": json.dumps(record_schema(_ADDRESS, name="\x1b[2J\n\ud800")),
        "a type that is missing": json.dumps(record_schema({"name": "address", "type": "\x1b[2J\n"})),
        "two million letters": json.dumps(record_schema(_ADDRESS, {"name": "x" * 2_000_000, "type": "int"})),
    }.items():
        body = maybe(HOME)
        make.raw(f"a schema of {name}", DISPATCH_PRODUCTS, body, dead(UnknownType), schema=schema, avro=False)


def _array(avro: Any) -> dict[str, Any]:
    return {"type": "array", "items": avro}


def _record(name: str, *types: Any) -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": each} for number, each in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


def _fixed(size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": "F", "size": size}


def _nested(levels: int) -> Any:
    avro: Any = "int"
    for _ in range(levels):
        avro = _array(avro)
    return avro


def _doubling(levels: int) -> Any:
    avro: Any = _record("L0", "null")
    for level in range(1, levels):
        avro = _record(f"L{level}", avro, f"L{level - 1}")
    return avro
