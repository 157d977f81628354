"""Schemas with references: every named type is defined where it is first used, and each is fetched once."""

import json
from typing import Any

import pytest
from confluent_kafka.schema_registry import RegisteredSchema, Schema, SchemaReference
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas import avro_schemas
from schemas.codec import Codec
from schemas.errors import RegistryUnreachable, UnknownType
from schemas.facts import Item, OrderPlaced
from schemas.references import MAX_REFERENCES, inline
from schemas.registry import Registry
from schemas.topics import ORDERS
from tests.support.kafka.wire import WHERE, framed, key_of, long_of, record_schema, text_of

ITEM = record_schema(
    {"name": "product", "type": "string"},
    {"name": "quantity", "type": "int"},
    {"name": "unit_price_cents", "type": "org.money.Cents"},
    name="Item",
)
CENTS = {"type": "record", "name": "Cents", "namespace": "org.money", "fields": []}


def order_schema(**types: Any) -> dict[str, Any]:
    own = [("order_id", "long"), ("address", "string"), ("placed_at", "long")]
    fields = [{"name": name, "type": kind} for name, kind in [*own, *types.items()]]
    return record_schema(*fields, name="OrderPlaced")


ORDER = order_schema(items={"type": "array", "items": "Item"})
PLAIN_ITEM = {**ITEM, "fields": [*ITEM["fields"][:2], {"name": "unit_price_cents", "type": "long"}]}


def names(schema: Any) -> list[str]:
    """Every named type that a parsed schema defines, in order; parsing refuses a second definition."""
    parsed = avro_schemas.parse(schema)
    found: list[str] = []

    def look(node: Any) -> None:
        if isinstance(node, list):
            for each in node:
                look(each)
        elif isinstance(node, dict):
            if node.get("type") in ("record", "enum", "fixed"):
                found.append(node["name"])
            for key in ("type", "items", "values", "fields"):
                look(node.get(key))

    look(parsed)
    return found


# -- in place ----------------------------------------------------------------------------------------------


def test_a_referenced_type_is_defined_where_it_is_first_used_and_named_from_then_on() -> None:
    schema = order_schema(
        one="org.money.Cents",
        items={"type": "array", "items": "Item"},
        many={"type": "map", "values": "Item"},
    )
    assert names(inline(schema, [ITEM, CENTS])) == [
        "command_event.OrderPlaced",
        "org.money.Cents",
        "command_event.Item",
    ]


def test_a_diamond_is_defined_once_whatever_the_order_of_its_sides() -> None:
    left = {**CENTS, "name": "Left", "fields": [{"name": "c", "type": "Cents"}]}
    right = {**CENTS, "name": "Right", "fields": [{"name": "c", "type": ["null", "Cents"]}]}
    schema = order_schema(left="org.money.Left", right="org.money.Right")
    for definitions in ([left, right, CENTS], [CENTS, right, left]):
        assert sorted(names(inline(schema, definitions))) == [
            "command_event.OrderPlaced", "org.money.Cents", "org.money.Left", "org.money.Right",
        ]  # fmt: skip


def test_a_type_inside_a_referenced_schema_may_be_named_before_it_and_beside_it() -> None:
    outer = {**CENTS, "name": "Outer", "fields": [{"name": "inner", "type": {**CENTS, "name": "Inner"}}]}
    first = order_schema(inner="org.money.Inner", outer="org.money.Outer")
    then = order_schema(outer="org.money.Outer", inner="org.money.Inner")
    for schema in (first, then):
        assert sorted(names(inline(schema, [outer]))) == [
            "command_event.OrderPlaced", "org.money.Inner", "org.money.Outer",
        ]  # fmt: skip


def test_a_type_that_contains_itself_is_still_refused_later_as_such() -> None:
    circle = {**CENTS, "fields": [{"name": "again", "type": ["null", "Cents"]}]}
    schema = inline(order_schema(cents="org.money.Cents"), [circle])
    assert names(schema) == ["command_event.OrderPlaced", "org.money.Cents"]


def test_a_type_without_a_namespace_keeps_none() -> None:
    bare = {"type": "enum", "name": "Colour", "symbols": ["RED"]}
    schema = {"type": "record", "name": "Top", "fields": [{"name": "c", "type": "Colour"}]}
    assert names(inline(schema, [bare])) == ["Top", "Colour"]


@pytest.mark.parametrize(
    "schema", ["string", ["null", "string"], {"type": "array", "items": "nobody.Knows"}, 7, {}]
)
def test_what_has_no_reference_stays_as_it_is(schema: Any) -> None:
    assert inline(schema, [CENTS]) == schema


def test_a_schema_that_is_only_a_name_becomes_its_definition() -> None:
    assert names(inline("org.money.Cents", [CENTS])) == ["org.money.Cents"]


# -- from a registry ---------------------------------------------------------------------------------------


class Client:
    """What Registry asks of confluent-kafka's client, in memory."""

    def __init__(self, schemas: dict[str, Schema], main: str = "order") -> None:
        self.schemas, self.main, self.asked = schemas, main, list[str]()

    def get_schema(self, schema_id: int) -> Schema:
        self.asked.append(str(schema_id))
        return self.schemas[self.main]

    def get_version(self, subject: str, version: int, deleted: bool) -> RegisteredSchema:  # noqa: FBT001 - theirs
        assert deleted, "a type that was deleted softly is still in use"
        self.asked.append(f"{subject}:{version}")
        if subject not in self.schemas:
            raise SchemaRegistryError(404, 40401, f"no {subject}")
        return RegisteredSchema(
            subject=subject, version=version, schema_id=1, guid=None, schema=self.schemas[subject]
        )


def reference(name: str, subject: str) -> SchemaReference:
    return SchemaReference(name, subject, 1)


def registry(client: Client) -> Registry:
    opened = Registry("http://127.0.0.1:1")
    opened.close()
    opened._client = client  # type: ignore[assignment]  # memory stands in for the client
    return opened


def schema_of(node: Any, *references: SchemaReference) -> Schema:
    return Schema(node if isinstance(node, str) else json.dumps(node), "AVRO", list(references))


def test_an_order_whose_schema_refers_to_others_is_read_and_each_is_fetched_once() -> None:
    money = {**CENTS, "name": "Note"}
    item = {
        **PLAIN_ITEM,
        "fields": [*PLAIN_ITEM["fields"], {"name": "note", "type": ["null", "org.money.Note"]}],
    }
    order = order_schema(items={"type": "array", "items": "Item"}, note=["null", "org.money.Note"])
    client = Client(
        {
            "order": schema_of(
                order, reference("command_event.Item", "item"), reference("org.money.Note", "note")
            ),
            "item": schema_of(item, reference("org.money.Note", "note")),
            "note": schema_of(money),
        }
    )
    line = text_of("tea") + long_of(2) + long_of(250) + b"\x02"
    body = long_of(7) + text_of("x") + long_of(9) + long_of(1) + line + b"\x00" + b"\x00"
    codec, wanted = Codec(registry(client)), OrderPlaced(7, "x", 9, items=(Item("tea", 2, 250),))
    assert [codec.decode(ORDERS, key_of(7), framed(5, body), WHERE) for _ in range(2)] == [wanted] * 2
    assert sorted(client.asked) == ["5", "item:1", "note:1"]


def test_a_reference_that_is_gone_is_one_bad_schema() -> None:
    client = Client({"order": schema_of(ORDER, reference("command_event.Item", "item"))})
    with pytest.raises(UnknownType, match=r"command_event\.Item"):
        Codec(registry(client)).decode(ORDERS, key_of(7), framed(5, b""), WHERE)


def test_a_registry_that_does_not_answer_for_a_reference_is_waited_for() -> None:
    class Down(Client):
        def get_version(self, subject: str, version: int, deleted: bool) -> RegisteredSchema:  # noqa: FBT001 - theirs
            raise OSError(f"no answer for {subject} {version} {deleted}")

    client = Down({"order": schema_of(ORDER, reference("command_event.Item", "item"))})
    with pytest.raises(RegistryUnreachable):
        Codec(registry(client)).decode(ORDERS, key_of(7), framed(5, b""), WHERE)


def test_references_in_a_circle_and_without_end_are_fetched_within_a_bound() -> None:
    circle = Client({"order": schema_of(ORDER, reference("command_event.OrderPlaced", "order"))})
    assert registry(circle).schema_of(5) is not None
    assert circle.asked == ["5", "order:1"]
    chain = {
        str(number): schema_of(CENTS, reference("x", str(number + 1))) for number in range(MAX_REFERENCES * 2)
    }
    endless = Client({"order": schema_of(ORDER, reference("x", "0")), **chain})
    assert registry(endless).schema_of(5) is not None
    assert len(endless.asked) == 1 + MAX_REFERENCES


@pytest.mark.parametrize("text", ["[" * 100_000, "not JSON", 'syntax = "proto3";'])
def test_a_schema_that_is_no_avro_is_handed_on_as_it_is(text: str) -> None:
    client = Client({"order": schema_of(text, reference("x", "item")), "item": schema_of(text)})
    assert registry(client).schema_of(5) == text


def test_another_makes_references_are_not_followed() -> None:
    client = Client({"order": Schema('syntax = "proto3";', "PROTOBUF", [reference("x", "item")])})
    assert registry(client).schema_of(5) == 'syntax = "proto3";'
    assert client.asked == ["5"]
