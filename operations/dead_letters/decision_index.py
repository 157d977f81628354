"""What operators decided about dead letters, by where each letter lies; in a temporary database.

Memory does not grow with the decisions. Not here: reading them (decisions.py).

I/O: SQLite (a temporary database).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from databases.scratch import scratch
from schemas.decisions import Decision
from schemas.errors import Position

_TABLE = """
CREATE TABLE decisions (topic TEXT, partition INTEGER, offset INTEGER, how TEXT, made_by TEXT, why TEXT,
                        at INTEGER, run TEXT, oldest_at INTEGER,
                        PRIMARY KEY (topic, partition, offset)) WITHOUT ROWID
"""
_ADD = """
INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET oldest_at = min(oldest_at, excluded.oldest_at)
"""


class DecisionIndex:
    """Decisions by the position of their dead letter; of two about one letter the first counts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, letter: Position, decision: Decision) -> None:
        """One more decision, in the order of the log."""
        self._connection.execute(_ADD, (*letter, *decision, decision.at))

    def get(self, letter: Position) -> Decision | None:
        """What was decided about a letter; None if nothing."""
        row = self._one("how, made_by, why, at, run", letter)
        return Decision(*row) if row is not None else None

    def __contains__(self, letter: object) -> bool:
        return isinstance(letter, Position) and self._one("1", letter) is not None

    def decided_before(self, letter: Position, moment: int) -> bool:
        """Whether a letter was decided before a moment, ms since the epoch, UTC."""
        row = self._one("oldest_at", letter)
        return row is not None and int(row[0]) < moment

    def _one(self, columns: str, letter: Position) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(
            f"SELECT {columns} FROM decisions WHERE (topic, partition, offset) = (?, ?, ?)",  # noqa: S608 - names of our own
            letter,
        ).fetchone()
        return row


@contextmanager
def decision_index() -> Iterator[DecisionIndex]:
    """An empty index, deleted at the end; raises OperationFailed if the disk has no room for it."""
    with scratch([_TABLE]) as connection:
        yield DecisionIndex(connection)
