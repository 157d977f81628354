"""Result records as the store keeps them until Kafka is known to have them.

Pure. One text per batch and partition: JSON, because the records of a thousand orders then cost one call;
binary values are kept as Latin-1 text, byte for byte. A header's value may be text, bytes or nothing: bytes
are a list of one.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from clients.records import ProducerRecord
from schemas.errors import Position

if TYPE_CHECKING:
    from consumers.runtime.records import Partition


class Stored(NamedTuple):
    """One row of `results`: the records whose effects were made at these offsets of one partition."""

    source_topic: str
    source_partition: int
    first_offset: int
    last_offset: int
    records: str


def pack(results: Sequence[tuple[Position, ProducerRecord]]) -> list[Stored]:
    """Rows for the results of one batch, each with the position that made it."""
    groups: dict[Partition, list[tuple[int, str, str | None, str | None, object]]] = {}
    for (topic, number, offset), out in results:
        groups.setdefault((topic, number), []).append(
            (offset, out.topic, _text(out.key), _text(out.value), out.headers)
        )
    return [
        Stored(
            topic,
            number,
            min(row[0] for row in rows),
            max(row[0] for row in rows),
            json.dumps(rows, ensure_ascii=False, default=_listed),
        )
        for (topic, number), rows in groups.items()
    ]


def unpack(rows: Iterable[Stored], wanted: Iterable[Position]) -> list[tuple[Position, ProducerRecord]]:
    """The records of the wanted positions, in the order they were made; a position has them once."""
    left = set(wanted)
    found: dict[Position, list[ProducerRecord]] = {}
    for row in rows:
        fresh: dict[Position, list[ProducerRecord]] = {}
        for offset, topic, key, value, headers in json.loads(row.records):
            where = Position(row.source_topic, row.source_partition, offset)
            if where in left:
                fresh.setdefault(where, []).append(
                    ProducerRecord(topic, _bytes(key), _bytes(value), _pairs(headers))
                )
        left -= set(fresh)
        found |= fresh
    return [(where, out) for where, records in sorted(found.items()) for out in records]


def _pairs(headers: Iterable[tuple[str, Any]]) -> list[tuple[str, str | bytes | None]]:
    return [(name, _bytes(each[0]) if isinstance(each, list) else each) for name, each in headers]


def _listed(value: bytes) -> list[str]:
    return [value.decode("latin-1")]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("latin-1")
