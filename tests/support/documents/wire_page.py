"""The tables and examples of docs/wire.md, made from the schemas, the catalogue and bytes by hand.

    python -m tests.support.documents.wire_page      writes them into the page

Each lies in the page between `<!-- made: NAME -->` and `<!-- made: end -->`. A test compares them.

I/O: writes the page when it is run; the functions are pure.
"""

import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clients.partitioner import murmur2, partition_of
from clients.records import ProducerRecord
from consumers.registry import all_topics
from producers.outbox.record_codec import pack
from schemas import avro_schemas, dead_letters
from schemas.commands import DispatchProduct
from schemas.envelope import Envelope, to_headers
from schemas.errors import ConflictingOrder, Position
from schemas.facts import Item, OrderPlaced
from schemas.framing import SINGLE_OBJECT_MAGIC
from schemas.times import rfc3339
from schemas.topics import DISPATCH_PRODUCTS, PARTITIONS, Kind
from tests.support.kafka import wire

PAGE = Path(__file__).parents[3] / "docs" / "wire.md"
SCHEMA_ID = 42
PLACED_AT = 1_795_336_200_000
ORDER = OrderPlaced(
    order_id=12005,
    address="2 Roadford Avenue",
    placed_at=PLACED_AT,
    customer="Ada",
    email="ada@example.com",
    items=(Item("kettle", 2, 3499),),
    mode_epoch=1,
)
"""The fact of the example."""
COMMAND = {"address": "1 Streetford Road", "mode_epoch": 0, "flow": "direct"}
COMMAND_ID = 12004
COMMAND_NAME = avro_schemas.full_name(DispatchProduct)
KEYS = (COMMAND_ID, ORDER.order_id, 12006, 0, 1, -1, 2**61 - 1, -(2**63))
"""Order ids whose partitions the page shows."""

MESSAGE_ID = "4b1c8f0e6a7d4f0c9c1e2d3b4a596877"

Piece = tuple[bytes, str]
"""Bytes, and what they are."""

_MADE = re.compile(r"(<!-- made: (?P<name>[a-z ]+) -->\n).*?(<!-- made: end -->)", re.DOTALL)
_ROW = 12
_FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_KEPT = {
    Kind.COMMAND: "until handled",
    Kind.TIMER: "until handled",
    Kind.DEAD_LETTER: "until decided",
    Kind.RETRY: "until handled",
}


def filled(page: str) -> str:
    """The page with every made part as it should be.

    Raises:
        KeyError: it asks for a part that nobody makes.
    """
    return _MADE.sub(lambda match: f"{match[1]}\n{PARTS[match['name']]()}\n\n{match[3]}", page)


def parts_of(page: str) -> list[str]:
    """The names of a page's made parts, in their order."""
    return [match["name"] for match in _MADE.finditer(page)]


def topics() -> str:
    """The catalogue, and one example of the topics that each group has besides."""
    derived = [topic for topic in all_topics() if topic.owner == "warehouse" and topic.source]
    rows = []
    for topic in all_topics():
        settings = topic.config
        assert settings.items() >= _FOR_EVER.items(), topic
        if topic.source and topic not in derived:
            continue
        name = topic.name.replace("warehouse", "GROUP").replace(topic.source or "\0", "TOPIC")
        carries = ", ".join(record.__name__ for record in topic.records) or "the original key, value, headers"
        row = (
            f"`{name}`",
            topic.kind.value,
            carries,
            str(topic.partitions),
            _KEPT.get(topic.kind, "for ever"),
            settings["max.message.bytes"],
        )
        if row not in rows:
            rows.append(row)
    return _table(("topic", "kind", "value", "partitions", "kept", "`max.message.bytes`"), rows)


def partitions() -> str:
    """Keys, their hashes and their partitions."""
    rows = [
        (
            f"{number}",
            f"`{wire.key_of(number).hex(' ')}`",
            f"`{murmur2(wire.key_of(number)):08x}`",
            str(partition_of(wire.key_of(number), PARTITIONS)),
        )
        for number in KEYS
    ]
    return _table(("order id", "key", "murmur2", f"partition of {PARTITIONS}"), rows)


def fingerprints() -> str:
    """What the frame of each version of each record has, and the subject that it is registered under."""
    homes = [(record, topic.name) for topic in all_topics() for record in topic.records]
    rows = [
        (
            f"`{avro_schemas.full_name(record)}`",
            str(version.number),
            f"`{(SINGLE_OBJECT_MAGIC + version.fingerprint).hex(' ')}`",
            f"`{home}-{avro_schemas.full_name(record)}`",
        )
        for record in avro_schemas.TYPES
        for version in avro_schemas.versions(record)
        for carried, home in homes
        if carried is record
    ]
    return _table(("record", "version", "single-object frame", "subject in a registry"), rows)


def records() -> str:
    """The fields of the newest version of each record."""
    return "\n\n".join(
        part
        for record in avro_schemas.TYPES
        for part in _record(*(json.loads(version.text) for version in avro_schemas.versions(record)))
    )


def message_headers() -> str:
    """The headers of a command that came out of another message, with an expiry and a trace."""
    envelope = Envelope(
        message_id=MESSAGE_ID,
        correlation_id=f"order-{COMMAND_ID}",
        causation_id="9a0e…",
        expires_at=PLACED_AT + 3_600_000,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        tracestate="vendor=value",
    )
    made = to_headers(envelope, record="DispatchProduct", source="order-service", at=rfc3339(PLACED_AT))
    assert [name for name, _ in made] == list(_HEADERS), "each header is explained, in this order"
    return _table(
        ("header", "example", "what it is", "without it"),
        [(f"`{name}`", f"`{value}`", *_HEADERS[name]) for name, value in made],
    )


def dead_letter_headers() -> str:
    """The headers that a dead letter has besides its record's own."""
    error = ConflictingOrder("address differs", Position(DISPATCH_PRODUCTS, 4, 17))
    reason = dead_letters.Reason(
        origin=error.position,
        timestamp=PLACED_AT,
        group="warehouse",
        error=f"{type(error).__module__}.{type(error).__qualname__}",
        message=str(error),
        attempts=1,
    )
    made = dead_letters.to_headers(reason)
    read = dict(dead_letters.readable(made))
    numbers = {4: "int32, big-endian", 8: "int64, big-endian"}
    rows = []
    for name, value in made:
        assert isinstance(value, bytes)
        is_text = value.isascii() and value.decode().isprintable()
        shown = f"`{value.decode()}`" if is_text else f"`{value.hex(' ')}` = {read[name]}"
        kind = "decimal text" if name == dead_letters.ATTEMPTS else numbers.get(len(value), "text")
        rows.append((f"`{name}`", "text, UTF-8" if is_text and kind != "decimal text" else kind, shown))
    return _table(("header", "encoding", "example"), rows)


def command_in_hex() -> str:
    """The key and value of a command in the single-object encoding."""
    return _dump(COMMAND_ID, command())


def fact_in_hex() -> str:
    """The key and value of a fact in a registry's frame."""
    return _dump(ORDER.order_id, fact())


def outbox_row() -> str:
    """The column `records` of an outbox's row with the command of the example."""
    value = value_of(command())
    record = ProducerRecord(DISPATCH_PRODUCTS, wire.key_of(COMMAND_ID), value, [("ce_id", MESSAGE_ID)])
    return f"```json\n{pack((record,))}\n```"


def command() -> list[Piece]:
    """The value of the command, part by part."""
    newest = avro_schemas.newest(DispatchProduct)
    return [
        (SINGLE_OBJECT_MAGIC, "single-object encoding, version 1"),
        (
            newest.fingerprint,
            f"fingerprint of {avro_schemas.full_name(newest.record)}, version {newest.number}",
        ),
        *pieces(json.loads(newest.text), COMMAND),
    ]


def fact() -> list[Piece]:
    """The value of the fact, part by part."""
    fields = ORDER._asdict() | {"items": [item._asdict() for item in ORDER.items]}
    return [
        (b"\x00", "a registry's frame"),
        (SCHEMA_ID.to_bytes(4, "big"), f"schema id {SCHEMA_ID}, big-endian"),
        *pieces(json.loads(avro_schemas.newest(OrderPlaced).text), fields),
    ]


def pieces(schema: Any, value: Any, name: str = "") -> Iterator[Piece]:
    """A value in Avro's binary encoding, in its smallest meaningful parts, each with its meaning."""
    match schema:
        case list():
            branch = 0 if value is None else 1
            kind = schema[branch] if isinstance(schema[branch], str) else schema[branch]["type"]
            yield wire.long_of(branch), f"{name}: branch {branch} of the union, {kind}"
            if value is not None:
                yield from pieces(schema[branch], value, name)
        case {"type": "record", "fields": fields}:
            for field in fields:
                inner = f"{name}.{field['name']}" if name else field["name"]
                yield from pieces(field["type"], value[field["name"]], inner)
        case {"type": "array", "items": items}:
            yield from _array(items, value, name)
        case {"type": inner}:
            yield from pieces(inner, value, name)
        case "string":
            yield from _string(value.encode(), name)
        case _:
            yield wire.long_of(value), f"{name} = {value}"


def _array(items: Any, values: Sequence[Any], name: str) -> Iterator[Piece]:
    if values:
        yield wire.long_of(len(values)), f"{name}: a block of {len(values)}"
    for value in values:
        yield from pieces(items, value, name)
    yield wire.long_of(0), f"{name}: end of the blocks"


def _string(data: bytes, name: str) -> Iterator[Piece]:
    yield wire.long_of(len(data)), f"{name}: {len(data)} bytes follow"
    if data:
        yield data, f'"{data.decode()}"'


def value_of(parts: Iterable[Piece]) -> bytes:
    """The bytes of all parts."""
    return b"".join(data for data, _ in parts)


def _record(*versions: Mapping[str, Any]) -> Iterator[str]:
    """A record's table, and those of the records inside it.

    Args:
        versions: of its schema, the oldest first.
    """
    schema = versions[-1]
    yield f"**{schema['name']}**: {schema['doc']}"
    fields = [{field["name"] for field in version["fields"]} for version in versions]
    rows = []
    for field in schema["fields"]:
        default = f"`{json.dumps(field['default'])}`" if "default" in field else "none"
        first = next(number for number, names in enumerate(fields, 1) if field["name"] in names)
        since = "" if first == 1 else f" From version {first}."
        rows.append((f"`{field['name']}`", _type(field["type"]), default, f"{field['doc']}{since}"))
    yield _table(("field", "type", "default", "meaning"), rows)
    for field in schema["fields"]:
        match field["type"]:
            case {"items": dict(inner)}:
                yield from _record(inner)


def _type(node: Any) -> str:
    match node:
        case list():
            return " or ".join(_type(branch) for branch in node)
        case {"logicalType": meaning}:
            return f"{node['type']}, {meaning}"
        case {"type": "array", "items": items}:
            return f"array of {items if isinstance(items, str) else items['name']}"
    return str(node)


def _dump(number: int, parts: Iterable[Piece]) -> str:
    lines = ["key"]
    lines += _lines([(struct.pack(">q", number), f"{number}, eight bytes, big-endian")])
    lines += ["value", *_lines(parts)]
    return "\n".join(["```text", *lines, "```"])


def _lines(parts: Iterable[Piece]) -> Iterator[str]:
    at = 0
    for data, meaning in parts:
        for start in range(0, len(data), _ROW):
            chunk = data[start : start + _ROW].hex(" ")
            yield f"  {at + start:04x}  {chunk:<{_ROW * 3 - 1}}  {'' if start else meaning}".rstrip()
        at += len(data)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(titles), "|".join("---" for _ in titles), *(" | ".join(row) for row in rows)]
    return "\n".join(f"|{line}|" if set(line) <= set("-|") else f"| {line} |" for line in lines)


_HEADERS: Mapping[str, tuple[str, str]] = {
    "ce_specversion": ("version of CloudEvents", "nothing"),
    "ce_id": ("id of this message; 256 characters at most", "`TOPIC:PARTITION:OFFSET`"),
    "ce_type": ("full name of the value's record", "nothing: the frame decides"),
    "ce_source": ("the component that wrote it", "nothing"),
    "ce_time": ("when it came about, RFC 3339", "nothing"),
    "content-type": ("how the value is encoded", "nothing"),
    "ce_correlationid": ("the same for all that one order causes", "`order-` and the order id"),
    "ce_causationid": ("`ce_id` of the message that caused this one", "the start of a chain"),
    "ce_expirytime": ("after this a command is not carried out, RFC 3339", "never expires"),
    "traceparent": ("W3C Trace Context", "no trace"),
    "tracestate": ("W3C Trace Context", "nothing"),
}
"""Of each header: what it is, and what a reader takes where it is missing."""

PARTS: Mapping[str, Callable[[], str]] = {
    "topics": topics,
    "partitions": partitions,
    "frames": fingerprints,
    "records": records,
    "headers": message_headers,
    "dead letter headers": dead_letter_headers,
    "command": command_in_hex,
    "fact": fact_in_hex,
    "outbox row": outbox_row,
}


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
