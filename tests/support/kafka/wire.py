"""The wire by hand: bytes made from the specifications, and a registry in memory. Nothing here asks fastavro.

Sources: Avro 1.12 specification, "Binary Encoding" and "Schema Fingerprints"; Confluent wire format.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any

from schemas import avro_schemas
from schemas.errors import Position, TopicMissing
from schemas.topics import Message

WHERE = Position("dispatch_products", 3, 42)

KSQL_SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "KsqlDataSourceSchema",
        "namespace": "io.confluent.ksql.avro_schemas",
        "fields": [{"name": "ADDRESS", "type": ["null", "string"], "default": None}],
        "connect.name": "io.confluent.ksql.avro_schemas.KsqlDataSourceSchema",
    }
)
"""What ksqlDB registers for the pattern page's `CREATE STREAM`: one nullable column, the key apart."""


def key_of(number: int) -> bytes:
    """Kafka's `LongSerializer`, by hand."""
    return struct.pack(">q", number)


def long_of(number: int) -> bytes:
    """An Avro long: zig-zag, then seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    rest &= (1 << 64) - 1
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


def text_of(text: str) -> bytes:
    """An Avro string: its length in bytes, then UTF-8."""
    return long_of(len(text.encode())) + text.encode()


def nullable_text_of(text: str | None) -> bytes:
    """An Avro union of null and string."""
    return long_of(0) if text is None else long_of(1) + text_of(text)


def framed(schema_id: int, body: bytes) -> bytes:
    """The Confluent wire format."""
    return b"\x00" + schema_id.to_bytes(4, "big") + body


def crc_64_avro(canonical: str) -> bytes:
    """The specification's table algorithm, least significant byte first as single-object encoding has it."""
    empty = 0xC15D213AA4D7A795
    table = []
    for index in range(256):
        entry = index
        for _ in range(8):
            entry = (entry >> 1) ^ (empty & -(entry & 1))
        table.append(entry)
    state = empty
    for byte in canonical.encode():
        state = (state >> 8) ^ table[(state ^ byte) & 0xFF]
    return state.to_bytes(8, "little")


def record_schema(*fields: Mapping[str, Any], name: str = "DispatchProduct") -> dict[str, Any]:
    """A writer's schema that claims to be one of ours."""
    return {"type": "record", "name": name, "namespace": "command_event", "fields": list(fields)}


class FakeRegistry:
    """`schemas.codec.SchemaRegistry` in memory; `asked` counts the look-ups by id."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._guids: dict[str, str] = {}
        self._ids: dict[tuple[str, type[Message]], int] = {}
        self.asked = 0

    def add(self, schema: object, schema_id: int | None = None) -> int:
        """Keep a schema as somebody else would; a string is taken as it stands."""
        number = schema_id if schema_id is not None else len(self._texts) + 1
        self._texts[number] = schema if isinstance(schema, str) else json.dumps(schema)
        return number

    def add_guid(self, text: str, guid: str) -> None:
        """Keep a schema under a GUID."""
        self._guids[guid] = text

    def register(self, topic: str, record: type[Message]) -> int:
        """Keep all versions of ours for a topic; the id of the newest."""
        known = {text: number for number, text in self._texts.items()}
        for version in avro_schemas.versions(record):
            found = known.get(version.text)
            self._ids[topic, record] = self.add(version.text) if found is None else found
        return self._ids[topic, record]

    def schema_of(self, schema_id: int) -> str | None:
        self.asked += 1
        return self._texts.get(schema_id)

    def schema_of_guid(self, guid: str) -> str | None:
        self.asked += 1
        return self._guids.get(guid)

    def id_of(self, topic: str, record: type[Message]) -> int:
        try:
            return self._ids[topic, record]
        except KeyError:
            raise TopicMissing(
                f"no schema for {topic}-{avro_schemas.full_name(record)}; `cev topics create` registers it"
            ) from None


def canonical_form(node: Any, namespace: str = "") -> str:
    """Parsing Canonical Form: full names, only what decides about reading, a fixed order, no white space."""
    if isinstance(node, list):
        return "[" + ",".join(canonical_form(each, namespace) for each in node) + "]"
    if isinstance(node, str):
        return f'"{node}"'
    kind = node["type"]
    if kind == "array":
        return f'{{"type":"array","items":{canonical_form(node["items"], namespace)}}}'
    if kind != "record":
        return canonical_form(kind, namespace)
    namespace = node.get("namespace", namespace)
    fields = ",".join(
        f'{{"name":"{field["name"]}","type":{canonical_form(field["type"], namespace)}}}'
        for field in node["fields"]
    )
    return f'{{"name":"{namespace}.{node["name"]}","type":"record","fields":[{fields}]}}'
