"""Result records as the store keeps them until Kafka is known to have them.

Pure. One line of JSON per batch and partition, because the records of a thousand orders then cost one call;
binary values are kept as Latin-1 text, byte for byte. A header's value may be text, bytes or nothing: bytes
are a list of one.
"""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from clients.records import ProducerRecord
from databases.text import kept, restored
from schemas.errors import Position

if TYPE_CHECKING:
    from consumers.runtime.records import Partition


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
    by_partition: dict[Partition, list[tuple[int, str, str | None, str | None, object]]] = {}
    for (topic, number, offset), record in results:
        by_partition.setdefault((topic, number), []).append(
            (offset, record.topic, _text(record.key), _text(record.value), record.headers)
        )
    return [
        ResultRow(
            topic,
            number,
            min(entry[0] for entry in entries),
            max(entry[0] for entry in entries),
            kept(json.dumps(entries, ensure_ascii=False, default=_listed)),
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
        for offset, topic, key, value, headers in json.loads(restored(line)):
            position = Position(row.source_topic, row.source_partition, offset)
            if position not in results and (wanted is None or position in wanted):
                record = ProducerRecord(topic, _bytes(key), _bytes(value), _headers(headers))
                in_line.setdefault(position, []).append(record)
        results |= in_line
    return [(position, record) for position, records in sorted(results.items()) for record in records]


def _headers(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, str | bytes | None]]:
    return [(name, _bytes(value[0]) if isinstance(value, list) else value) for name, value in pairs]


def _listed(value: bytes) -> list[str]:
    return [value.decode("latin-1")]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode("latin-1")
