"""The page about the wire says what the code does, and its program is written from the page alone."""

import ast
import json
import re

from producers.mode.sequence import FOLLOWS
from schemas import errors, framing
from schemas.avro_schemas import newest
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.decisions import RESERVED
from schemas.errors import Position, UndecodableMessage
from schemas.facts import OrderPlaced
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.architecture import ROOMS
from tests.support.documents import documents, wire_page
from tests.support.kafka.wire import FakeRegistry, key_of

PAGE = wire_page.PAGE.read_text("utf-8")


def test_every_table_and_example_of_the_page_is_as_the_code_makes_it() -> None:
    again = ".venv/bin/python -m tests.support.documents.wire_page"
    assert wire_page.filled(PAGE) == PAGE, f"write it again: {again}"
    assert sorted(wire_page.parts_of(PAGE)) == sorted(wire_page.PARTS)


def test_the_bytes_of_the_command_are_those_that_we_write_and_read() -> None:
    value = wire_page.value_of(wire_page.command())
    message = DispatchProduct(wire_page.COMMAND_ID, "1 Streetford Road")
    assert Codec().encode(DISPATCH_PRODUCTS, message) == value
    key = key_of(wire_page.COMMAND_ID)
    assert Codec().decode(DISPATCH_PRODUCTS, key, value, Position(DISPATCH_PRODUCTS, 0, 0)) == message


def test_the_bytes_of_the_fact_are_those_that_we_write_and_read_with_a_registry() -> None:
    registry = FakeRegistry()
    registry.add(newest(OrderPlaced).text, wire_page.SCHEMA_ID)
    registry.register(ORDERS, OrderPlaced)
    value, key = wire_page.value_of(wire_page.fact()), key_of(wire_page.ORDER.order_id)
    assert Codec(registry).encode(ORDERS, wire_page.ORDER) == value
    assert Codec(registry).decode(ORDERS, key, value, Position(ORDERS, 0, 0)) == wire_page.ORDER


def test_the_page_names_every_fault_that_bytes_can_have() -> None:
    faults = [
        name
        for name, error in vars(errors).items()
        if isinstance(error, type)
        and issubclass(error, UndecodableMessage)
        and error is not UndecodableMessage
    ]
    named = set(re.findall(r"`(\w+)`", PAGE.split("## Records of others")[1]))
    assert set(faults) - named == set()


def test_the_page_names_every_header_that_an_operators_command_or_a_schema_writes() -> None:
    named = set(re.findall(r"`([\w-]+)`", PAGE))
    assert {*RESERVED, FOLLOWS, framing.VALUE_SCHEMA, framing.KEY_SCHEMA} - named == set()


def test_the_program_of_the_page_imports_nothing_of_ours() -> None:
    (program,) = [block for block in documents.blocks(PAGE) if block.language == "python"]
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse("\n".join(program.lines)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported.isdisjoint(ROOMS)
    assert "confluent_kafka" in imported


def test_a_page_that_asks_for_a_part_is_given_it_whatever_was_there() -> None:
    page = "a\n<!-- made: outbox row -->\nold\n<!-- made: end -->\nb"
    filled = wire_page.filled(page)
    assert "old" not in filled
    assert filled.startswith("a\n")
    assert filled.endswith("\nb")
    (block,) = documents.blocks(filled)
    ((record,),) = (json.loads(line) for line in block.lines)
    assert record["topic"] == DISPATCH_PRODUCTS
