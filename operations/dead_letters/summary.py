"""Dead letters counted by group and error, with the orders that they are about.

They are counted in a temporary database, so memory does not grow with them.

I/O: SQLite (a temporary database).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from databases.scratch import scratch
from operations.dead_letters.listing import DeadLetter
from operations.dead_letters.prospects import Prospect, prospect

_TABLE = "CREATE TABLE letters (owner TEXT, error TEXT, order_id INTEGER)"
_ROWS = """
SELECT owner, error, count(*), count(DISTINCT order_id) FROM letters
GROUP BY owner, error ORDER BY 3 DESC, owner, error
"""


class ErrorCount(NamedTuple):
    """The dead letters of one group with one error.

    Attributes:
        group: whose.
        error: name of the error's class, without its module; None if its headers do not say.
        dead_letters: how many.
        orders: of how many orders; a record without a readable key is of none.
    """

    group: str
    error: str | None
    dead_letters: int
    orders: int

    @property
    def prospect(self) -> Prospect:
        """Whether a redrive can succeed."""
        return prospect(self.error)


class Summary:
    """Counts dead letters.

    Attributes:
        number: how many there are so far.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.number = 0

    def add(self, letter: DeadLetter) -> None:
        """Count one more."""
        self.number += 1
        row = (letter.topic.owner, letter.reason.error_name, letter.order_id)
        self._connection.execute("INSERT INTO letters VALUES (?, ?, ?)", row)

    def by_error(self) -> Iterator[ErrorCount]:
        """The counts, the most dead letters first."""
        return (ErrorCount(*row) for row in self._connection.execute(_ROWS))

    def orders(self) -> int:
        """Of how many orders they are."""
        return int(self._connection.execute("SELECT count(DISTINCT order_id) FROM letters").fetchone()[0])


@contextmanager
def summary() -> Iterator[Summary]:
    """Counts nothing yet; deleted at the end; raises OperationFailed if the disk has no room for it."""
    with scratch([_TABLE]) as connection:
        yield Summary(connection)
