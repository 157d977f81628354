"""The evidence on its way: written down in the order of reading, and read again order by order.

What was read lies in a temporary database, so memory does not grow with the orders; the disk takes about 1 kB
for each, for as long as the reconciliation runs.

I/O: SQLite (a temporary database).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

from databases.scratch import scratch
from operations.verify.evidence import (
    SOURCES,
    Failure,
    OrderEvidence,
    OrderRecord,
    OrderResult,
    StoredEffect,
)
from schemas.errors import Position
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

FailureState = Literal["dead", "discarded", "redriven"]

_TABLES = """
CREATE TABLE records (order_id INTEGER, topic TEXT, partition INTEGER, offset INTEGER, address INTEGER,
                      email INTEGER, phone INTEGER, sale INTEGER, decides INTEGER, flow TEXT, name TEXT,
                      amount INTEGER);
CREATE TABLE effects (order_id INTEGER, owner TEXT, shadow INTEGER, name TEXT, outcome TEXT, content INTEGER,
                      topic TEXT, partition INTEGER, offset INTEGER);
CREATE TABLE results (order_id INTEGER, outcome TEXT, address INTEGER);
CREATE TABLE failures (owner TEXT, state TEXT, topic TEXT, partition INTEGER, offset INTEGER,
                       to_topic TEXT, to_partition INTEGER, to_offset INTEGER,
                       PRIMARY KEY (topic, partition, offset, owner, state)) WITHOUT ROWID;
CREATE TABLE retried (topic TEXT, partition INTEGER, offset INTEGER,
                      PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID;
CREATE TABLE unreadable (topic TEXT, partition INTEGER, offset INTEGER, error TEXT,
                         PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID;
CREATE TABLE explained (owner TEXT, topic TEXT, partition INTEGER, offset INTEGER,
                        PRIMARY KEY (topic, partition, offset, owner)) WITHOUT ROWID
"""
_FAIL = """
INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET to_topic = excluded.to_topic, to_partition = excluded.to_partition,
                          to_offset = excluded.to_offset
WHERE excluded.to_offset > to_offset
"""
_RECORDS = """
SELECT r.order_id, 'record', r.rowid, r.topic, r.partition, r.offset, address, email, phone, sale, decides,
       flow, name, amount, owner, state, to_topic, to_partition, to_offset
FROM records r
LEFT JOIN failures f ON (f.topic, f.partition, f.offset) = (r.topic, r.partition, r.offset)
ORDER BY r.order_id, r.rowid, owner
"""
_EFFECTS = """
SELECT order_id, 'effect', owner, shadow, name, outcome, content, e.topic, e.partition, e.offset,
       r.offset IS NOT NULL, u.offset IS NOT NULL
FROM effects e
LEFT JOIN retried r ON (r.topic, r.partition, r.offset) = (e.topic, e.partition, e.offset)
LEFT JOIN unreadable u ON (u.topic, u.partition, u.offset) = (e.topic, e.partition, e.offset)
ORDER BY order_id, e.rowid
"""
_RESULTS = "SELECT order_id, 'result', outcome, address FROM results ORDER BY order_id, rowid"
_EXPLAIN = """
INSERT OR IGNORE INTO explained
SELECT owner, topic, partition, offset FROM effects JOIN unreadable USING (topic, partition, offset)
WHERE NOT shadow
"""
_UNEXPLAINED = """
SELECT u.topic, u.partition, u.offset, state, to_topic, to_partition, to_offset
FROM unreadable u
LEFT JOIN failures f ON (f.topic, f.partition, f.offset, f.owner) = (u.topic, u.partition, u.offset, ?1)
LEFT JOIN explained x ON (x.topic, x.partition, x.offset, x.owner) = (u.topic, u.partition, u.offset, ?1)
WHERE x.owner IS NULL
ORDER BY u.topic, u.partition, u.offset
"""


class Workspace:
    """What was read; first filled, then asked."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add_records(self, rows: Iterable[tuple[int, OrderRecord]]) -> None:
        """Readable records by order id; their failures are added apart."""
        self._insert("records", 12, ((order_id, *record.position, *record[1:9]) for order_id, record in rows))

    def add_unreadable(self, rows: Iterable[tuple[Position, str]]) -> None:
        """Where records lie that cannot be decoded, and the name of the error."""
        self._insert("unreadable", 4, ((*position, error) for position, error in rows))

    def add_results(self, rows: Iterable[tuple[int, OrderResult]]) -> None:
        """Result facts by order id, in the order of the log."""
        self._insert("results", 3, ((order_id, *result) for order_id, result in rows))

    def add_effects(
        self, group: str, rows: Iterable[tuple[int, StoredEffect]], *, shadow: bool = False
    ) -> None:
        """A group's effects, or its shadow decisions, by order id."""
        self._insert(
            "effects",
            9,
            (
                (order_id, group, shadow, effect.name, effect.outcome, effect.content, *effect.position)
                for order_id, effect in rows
            ),
        )

    def add_retried(self, position: Position) -> None:
        """A place on a retry topic where a record lies, whoever wrote it."""
        self._insert("retried", 3, [position])

    def add_failure(
        self, group: str, origin: Position, state: FailureState, redriven: Position | None = None
    ) -> None:
        """What became of a record that a group could not handle; of several redrives the last one counts.

        Args:
            group: which.
            origin: where the record lay at first.
            state: what became of it.
            redriven: where it lies now, if it was redriven.
        """
        self._connection.execute(_FAIL, (group, state, *origin, *(redriven or (None, None, None))))

    def orders(self) -> Iterator[OrderEvidence]:
        """Everything about each order, by order id."""
        streams = (self._connection.execute(query) for query in (_RECORDS, _EFFECTS, _RESULTS))
        for order_id, rows in groupby(merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
            yield _order(order_id, rows)

    def unreadable(self) -> dict[str, int]:
        """How many records cannot be decoded, by the name of the error."""
        return dict(self._connection.execute("SELECT error, count(*) FROM unreadable GROUP BY 1 ORDER BY 1"))

    def unexplained(self, group: str) -> Iterator[tuple[Position, Failure]]:
        """Where records lie that we cannot decode and that have no effect in a group, with their failure."""
        self._connection.execute(_EXPLAIN)
        rows = self._connection.execute(_UNEXPLAINED, (group,))
        for place, states in groupby(rows, key=itemgetter(0, 1, 2)):
            yield Position(*place), _failure(row[3:] for row in states)

    def _insert(self, table: str, columns: int, rows: Iterable[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" * columns)
        self._connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608 - names of our own


@contextmanager
def workspace() -> Iterator[Workspace]:
    """An empty workspace, deleted at the end; raises OperationFailed if the disk has no room for it."""
    with scratch(_TABLES.split(";")) as connection:
        yield Workspace(connection)


def _order(order_id: int, rows: Iterable[tuple[Any, ...]]) -> OrderEvidence:
    records: list[OrderRecord] = []
    effects: dict[str, tuple[StoredEffect, ...]] = {}
    shadow: StoredEffect | None = None
    results: list[OrderResult] = []
    for kind, same in groupby(rows, key=itemgetter(1)):
        if kind == "record":
            records.extend(_records(same))
        elif kind == "effect":
            for _, _, group, is_shadow, name, outcome, content, *place, retried, unreadable in same:
                effect = StoredEffect(
                    name, outcome, content, Position(*place), bool(retried), bool(unreadable)
                )
                if is_shadow:
                    shadow = shadow or effect
                else:
                    effects[group] = (*effects.get(group, ()), effect)
        else:
            results.extend(OrderResult(outcome, address) for _, _, outcome, address in same)
    commands = tuple(record for record in records if record.position.topic == DISPATCH_PRODUCTS)
    facts = tuple(record for record in records if record.position.topic == ORDERS)
    steps = tuple(record for record in records if record.position.topic not in SOURCES)
    return OrderEvidence(order_id, commands, facts, effects, shadow, tuple(results), steps)


def _records(rows: Iterable[tuple[Any, ...]]) -> Iterator[OrderRecord]:
    """Records from rows of a record and one of its failures each."""
    for _, same in groupby(rows, key=itemgetter(2)):
        first, *more = same
        address, email, phone, sale, decides, flow, name, amount, group = first[6:15]
        failures = {} if group is None else _failures([first, *more])
        contents = (address, email, phone, sale, bool(decides), flow, name, amount)
        yield OrderRecord(Position(*first[3:6]), *contents, failures)


def _failures(rows: Iterable[tuple[Any, ...]]) -> dict[str, Failure]:
    return {group: _failure(row[15:] for row in same) for group, same in groupby(rows, key=itemgetter(14))}


def _failure(states: Iterable[tuple[Any, ...]]) -> Failure:
    """A failure from rows of its state and where it was redriven to."""
    failure = Failure()
    for state, *place in states:
        failure = Failure(
            failure.dead or state == "dead",
            failure.discarded or state == "discarded",
            Position(*place) if state == "redriven" else failure.redriven,
        )
    return failure
