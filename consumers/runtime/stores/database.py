"""What a database must offer to hold a store: see `sqlite` and `postgres`.

Promises that both keep: a transaction that fails leaves nothing; waiting for a lock ends after a few seconds
with an error of the driver; a slot is held by one living member, whatever becomes of its process.

I/O: none of its own; it names SQLAlchemy's types.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection

from schemas.errors import Fenced

SLOTS = 64
"""Most members of one group on one store."""


class SlotTaken(Fenced):
    """Another member has the slot that this one had when its connection was lost.

    Its transactional id is the other's now; whoever catches this opens the store again and claims another.
    """


class Database(Protocol):
    """A connection that is replaced when it is lost, used by one thread."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction, committed at the end of the block and undone by any error in it."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees what is committed, statement by statement."""

    def alone(self, connection: Connection) -> None:
        """Let nobody else look whether the store has an identity, until this transaction ends."""

    def insert(self, connection: Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert whole rows, in the order of the columns, as fast as the database can.

        Raises:
            sqlalchemy.exc.IntegrityError: a key is taken.
        """

    def each(self, connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement with question marks for each row, in order."""

    def known(self, connection: Connection, order_ids: Sequence[int]) -> Iterable[Sequence[Any]]:
        """`statements.KNOWN` of these orders."""

    def claim_slot(self) -> int | None:
        """The lowest free slot, held until `close` or the end of the process; None if all are taken."""

    def close(self) -> None:
        """Give up connection and slot."""
