"""Result records as the store keeps them until Kafka is known to have them.

Pure. One line of text per batch and partition: MessagePack in Base64, because the records of a thousand
orders then cost one call, and the column has been text since the first version. Lines of earlier versions are
JSON, and so is one with half a pair of surrogates, which MessagePack cannot hold. JSON begins with a bracket,
and Base64 never does. Keys and values are Latin-1 text there, and a header's bytes are a list of one.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import msgpack

from clients.records import ProducerRecord
from databases.text import kept, restored
from schemas.errors import Position

if TYPE_CHECKING:
    from consumers.runtime.records import Partition

_Entry = tuple[int, str, bytes | None, bytes | None, list[tuple[str, str | bytes | None]]]
"""Offset, topic, key, value and headers of one record."""


class ResultRow(NamedTuple):
    """One row of `results`: the records whose effects were made at these offsets of one partition.

    `records` has a line for each write of a row with this first offset, in the form that a database takes.
    """

    source_topic: str
    source_partition: int
    first_offset: int
    last_offset: int
    records: str


def pack(results: Sequence[tuple[Position, ProducerRecord]]) -> list[ResultRow]:
    """Rows for the results of one batch, each with the position whose effect it reports."""
    by_partition: dict[Partition, list[_Entry]] = {}
    for (topic, number, offset), (to, key, value, headers, _) in results:
        entries = by_partition.get((topic, number))
        if entries is None:
            entries = by_partition[topic, number] = []
        entries.append((offset, to, key, value, headers))
    return [
        ResultRow(
            topic,
            number,
            min(entry[0] for entry in entries),
            max(entry[0] for entry in entries),
            _packed(entries),
        )
        for (topic, number), entries in by_partition.items()
    ]


def unpack(
    rows: Iterable[ResultRow], positions: Iterable[Position] | None = None
) -> list[tuple[Position, ProducerRecord]]:
    """The records of these positions, or of all, in the order they were made.

    A position whose records lie in several lines has them from the first one alone.
    """
    wanted = None if positions is None else set(positions)
    results: dict[Position, list[ProducerRecord]] = {}
    lines = ((row, line) for row in rows for line in row.records.split("\n"))
    for row, line in lines:
        in_line: dict[Position, list[ProducerRecord]] = {}
        for offset, topic, key, value, headers in _unpacked(line):
            position = Position(row.source_topic, row.source_partition, offset)
            if position not in results and (wanted is None or position in wanted):
                record = ProducerRecord(topic, key, value, [(name, text) for name, text in headers])
                in_line.setdefault(position, []).append(record)
        results |= in_line
    return [(position, record) for position, records in sorted(results.items()) for record in records]


def _packed(entries: list[_Entry]) -> str:
    try:
        return b64encode(msgpack.encode(entries)).decode("ascii")
    except UnicodeEncodeError:
        as_text = [
            (offset, topic, _text(key), _text(value), headers)
            for offset, topic, key, value, headers in entries
        ]
        return kept(json.dumps(as_text, ensure_ascii=False, default=_listed))


def _unpacked(line: str) -> list[_Entry]:
    text = restored(line)
    if not text.startswith("["):
        entries: list[_Entry] = msgpack.decode(b64decode(text))
        return entries
    return [
        (offset, topic, _bytes(key), _bytes(value), _headers(headers))
        for offset, topic, key, value, headers in json.loads(text)
    ]


def _headers(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, str | bytes | None]]:
    return [(name, _bytes(value[0]) if isinstance(value, list) else value) for name, value in pairs]


def _listed(value: bytes) -> list[str]:
    return [value.decode("latin-1")]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("latin-1")
