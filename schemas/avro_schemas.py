"""Our Avro schemas: every version of every record, read from `avro/*.avsc`, the source of truth.

A message type's newest version is what we write; all versions stay, because facts are kept for ever.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from schemas.commands import COMMAND_TYPES
from schemas.control import ModeChanged
from schemas.facts import FACT_TYPES
from schemas.timers import TimerDue
from schemas.topics import Message

NAMESPACE = "command_event"

KSQL_RECORD = "io.confluent.ksql.avro_schemas.KsqlDataSourceSchema"
"""The name that ksqlDB gives every value schema of a stream without an explicit one."""

TYPES: tuple[type[Message], ...] = (*COMMAND_TYPES, *FACT_TYPES, ModeChanged, TimerDue)


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of one record.

    Attributes:
        record: the message type that it becomes.
        number: 1 for the first.
        text: the schema as JSON, as a registry wants it.
        parsed: the schema as fastavro wants it, without logical types (see `parse`).
        fingerprint: CRC-64-AVRO in the single-object encoding's byte order, 8 bytes.
    """

    record: type[Message]
    number: int
    text: str
    parsed: Any
    fingerprint: bytes


def full_name(record: type[Message]) -> str:
    """The Avro full name of a message type, which is also its `ce_type`."""
    return f"{NAMESPACE}.{record.__name__}"


def parse(schema: Any) -> Any:
    """Prepare a schema for fastavro's schemaless reader and writer.

    Logical types are taken out first: times stay integers inside the program, and a hostile time beyond
    year 9999 is then a number like any other instead of an overflow.

    Args:
        schema: a schema as `json.loads` gives it.
    """
    return parse_schema(_without_logical_types(schema), _force=True)


def versions(record: type[Message]) -> tuple[Version, ...]:
    """All versions of a message type, oldest first; the last one is written."""
    return _all()[record]


def newest(record: type[Message]) -> Version:
    """The version of a message type that we write."""
    return _all()[record][-1]


@cache
def _all() -> dict[type[Message], tuple[Version, ...]]:
    texts: dict[str, list[tuple[int, str]]] = {}
    for path in resources.files("schemas").joinpath("avro").iterdir():
        if path.name.endswith(".avsc"):
            name, number, _ = path.name.split(".")
            texts.setdefault(name, []).append((int(number.removeprefix("v")), path.read_text("utf-8")))
    return {
        record: tuple(_version(record, number, text) for number, text in sorted(texts[record.__name__]))
        for record in TYPES
    }


def _version(record: type[Message], number: int, text: str) -> Version:
    schema = json.loads(text)
    # Avro 1.12 specification, "Schema Fingerprints"; fastavro's hexadecimal is already little-endian.
    canonical = to_parsing_canonical_form(schema)
    return Version(
        record=record,
        number=number,
        text=text,
        parsed=parse(schema),
        fingerprint=bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")),
    )


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(value) for value in node]
    return node
