"""Schemas of others that would take the process, its memory or its time are refused before a body is read."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import avro_schemas, foreign
from schemas.avro_schemas import TYPES, newest, versions
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import RecordError, UnknownType
from schemas.topics import DISPATCH_PRODUCTS, Message
from tests.support.kafka.wire import (
    KSQL_SCHEMA,
    WHERE,
    FakeRegistry,
    framed,
    key_of,
    long_of,
    nullable_text_of,
    record_schema,
)

ADDRESS = {"name": "address", "type": ["null", "string"]}
BODY = nullable_text_of("x")


def with_field(avro: Any) -> dict[str, Any]:
    return record_schema(ADDRESS, {"name": "more", "type": avro})


def array_of(avro: Any) -> dict[str, Any]:
    return {"type": "array", "items": avro}


def record_of(name: str, *types: Any) -> dict[str, Any]:
    fields = [{"name": f"f{number}", "type": each} for number, each in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields}


def nested(levels: int) -> Any:
    avro: Any = "int"
    for _ in range(levels):
        avro = array_of(avro)
    return avro


def doubling(levels: int) -> Any:
    """Each level holds the one below twice: 2**levels nulls, and not one byte."""
    avro: Any = record_of("L0", "null")
    for level in range(1, levels):
        avro = record_of(f"L{level}", avro, f"L{level - 1}")
    return avro


BOMBS: dict[str, tuple[Any, str]] = {
    "itself": (record_schema(ADDRESS, {"name": "next", "type": "DispatchProduct"}), "contains itself"),
    "itself or null": (
        record_schema({"name": "next", "type": ["null", "DispatchProduct"]}, ADDRESS), "contains itself",
    ),
    "another that holds itself": (with_field(record_of("T", ["null", "T"])), "event.T contains itself"),
    "two that hold each other": (with_field(record_of("A", record_of("B", ["null", "A"]))), "A contains"),
    "an array of nulls": (with_field(array_of("null")), "pay for"),
    "an array of empty records": (with_field(array_of(record_of("E"))), "pay for"),
    "an array of records of nulls": (with_field(array_of(record_of("E", "null", "null"))), "pay for"),
    "an array of fixed nothing": (
        with_field(array_of({"type": "fixed", "name": "F", "size": 0})), "pay for",
    ),
    "an array whose elements are many for a byte": (
        with_field(array_of(record_of("E", "boolean", *["null"] * 50))), "pay for",
    ),
    "a map of many for a byte": (
        with_field({"type": "map", "values": record_of("E", *["null"] * 50)}), "pay for",
    ),
    "doubling": (with_field(doubling(40)), "steps"),
    "a fixed of less than nothing": (with_field({"type": "fixed", "name": "F", "size": -3}), "-3 bytes"),
    "a fixed of words": (with_field({"type": "fixed", "name": "F", "size": "many"}), "many bytes"),
    "65 levels": (with_field(nested(65)), "levels deep"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "words"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_by_its_schema_and_the_error_says_why(schema: Any, words: str) -> None:
    with pytest.raises(foreign.UnsafeSchema, match=words):
        foreign.check(avro_schemas.parse(schema))


@pytest.mark.parametrize("schema", [schema for schema, _ in BOMBS.values()], ids=BOMBS)
@pytest.mark.parametrize(
    "tail",
    [b"", long_of(2**62) + long_of(0), b"\x02" * 200_000],
    ids=["empty", "2**62 times", "1 deeper each"],
)
def test_a_record_with_a_bomb_is_one_bad_record_and_costs_no_time(schema: Any, tail: bytes) -> None:
    registry = FakeRegistry()
    value = framed(registry.add(schema), BODY + tail)
    begun = time.process_time()
    with pytest.raises(UnknownType, match="cannot be used"):
        Codec(registry).decode(DISPATCH_PRODUCTS, key_of(1), value, WHERE)
    assert time.process_time() - begun < 1


HARMLESS: dict[str, Any] = {
    "a wide row of nullable columns": record_schema(
        ADDRESS, *[{"name": f"c{number}", "type": ["null", "string"]} for number in range(500)]
    ),
    "an array of rows": with_field(array_of(record_of("Row", *[["null", "double"]] * 50))),
    "an array of nullable structs": with_field(array_of(["null", record_of("S", *["long"] * 20)])),
    "a map of nulls": with_field({"type": "map", "values": "null"}),
    "a struct used twice": with_field(record_of("P", record_of("Q", "int"), "Q", array_of("Q"))),
    "an enum used twice": with_field(
        record_of(
            "P",
            {"type": "enum", "name": "E", "symbols": ["A"]},
            "E",
            {"type": "fixed", "name": "F", "size": 4},
        )
    ),
    "a few nulls": with_field(record_of("N", *["null"] * 100)),
    "a primitive written long": with_field({"type": "string"}),
    "20 levels": with_field(nested(20)),
    "ksqlDB's": json.loads(KSQL_SCHEMA),
}


@pytest.mark.parametrize("schema", HARMLESS.values(), ids=HARMLESS)
def test_an_ordinary_schema_of_others_is_let_in(schema: Any) -> None:
    foreign.check(avro_schemas.parse(schema))


@pytest.mark.parametrize("record", TYPES)
def test_all_of_ours_are_let_in(record: type[Message]) -> None:
    for version in versions(record):
        foreign.check(version.parsed)


NONSENSE: dict[str, str] = {
    "no JSON": "message M { string a = 1; }",
    "a hundred thousand brackets": "[" * 100_000,
    "brackets inside a record": '{"type":"record","name":"command_event.DispatchProduct","fields":'
    + "[" * 900 + "]" * 900 + "}",
    "a name of brackets": '{"type":"record","name":' + "[" * 900 + "]" * 900 + "}",
    "nothing": "null",
    "a number": "7",
    "a union": json.dumps([newest(DispatchProduct).text, "null"]),
    "no fields": '{"type":"record","name":"command_event.DispatchProduct"}',
    "fields of another kind": '{"type":"record","name":"command_event.DispatchProduct","fields":["a"]}',
    "a name that is missing": json.dumps(with_field("Missing")),
    "an array with our name": '{"type":"array","name":"command_event.DispatchProduct","items":"string"}',
    "our name without a type": '{"name":"command_event.DispatchProduct"}',
    "already parsed, it says": json.dumps({**with_field("Missing"), "__fastavro_parsed": True}),
    "names that it brings along": json.dumps(
        {**with_field("command_event.T"), "__named_schemas": {"command_event.T": record_of("T", "null")}}
    ),
    "another field": json.dumps(record_schema({"name": "house", "type": ["null", "string"]})),
    "an address of another type": json.dumps(
        record_schema({"name": "address", "type": ["null", "int", "double"]})
    ),
    "JSON schema": '{"title":"DispatchProduct","type":"object","properties":{}}',
}  # fmt: skip


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("body", [b"", BODY, long_of(2) + long_of(7)], ids=["empty", "text", "branch 2"])
def test_a_schema_that_makes_no_sense_is_one_bad_record(text: str, body: bytes) -> None:
    registry = FakeRegistry()
    value = framed(registry.add(text), body)
    with pytest.raises(RecordError) as caught:
        Codec(registry).decode(DISPATCH_PRODUCTS, key_of(1), value, WHERE)
    assert len(str(caught.value)) < 400
    assert "\n" not in caught.value.what


def test_an_error_about_an_enormous_schema_stays_short() -> None:
    registry = FakeRegistry()
    value = framed(
        registry.add(record_schema({"name": "address", "type": "bytes"}, name="x" * 1_000_000)), b""
    )
    with pytest.raises(UnknownType) as caught:
        Codec(registry).decode(DISPATCH_PRODUCTS, key_of(1), value, WHERE)
    assert len(str(caught.value)) < 400


@given(st.integers(1, foreign.MAX_DEPTH), st.sampled_from(["null", "int"]))
def test_what_is_let_in_costs_at_most_its_bytes(levels: int, innermost: str) -> None:
    """A chain of records around one value: let in, whatever the depth; an array of nulls in it is not."""
    avro: Any = innermost
    for level in range(levels // 2):
        avro = record_of(f"R{level}", avro)
    foreign.check(avro_schemas.parse(with_field(avro)))
    refused = innermost == "null"
    try:
        foreign.check(avro_schemas.parse(with_field(array_of(avro))))
    except foreign.UnsafeSchema:
        assert refused or levels // 2 > foreign.STEPS_PER_BYTE - 2
    else:
        assert not refused
