"""The protocol of a store's database, which `sqlite` and `postgres` implement.

Promises of both: a transaction that fails changes nothing; waiting for a lock ends after a few seconds with
an error of the driver; at most one living member holds a slot, however its process ends.

I/O: none of its own; it names SQLAlchemy's types.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection

from schemas.errors import Fenced

Connected = Callable[[], AbstractContextManager[Connection]]
"""A connection to a group's store for the length of a block."""
SLOTS = 64
"""Members of a group on one store, at most."""


class SlotTaken(Fenced):
    """Another member took this one's slot after its connection was lost.

    The slot's transactional id is now the other member's; open the store again and claim another slot.
    """


class Database(Protocol):
    """One connection, which is replaced when it is lost. For one thread.

    Attributes:
        session: a number of the connection's session, which another connection does not have.
    """

    session: int

    def check_sessions(self) -> None:
        """Before anything else: refuse an address at which a slot's lock would not stay with its member.

        Raises:
            SafetyRefusal: saying why, and what to name instead.
        """

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction, committed at the end of the block and rolled back by any error in it."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection on which every statement sees what is committed when it begins."""

    def lock_identity(self, connection: Connection) -> None:
        """Until this transaction ends, let no other one read whether the store has an identity."""

    def sql(self, statement: str) -> str:
        """A statement of `statements` without rows, in the words of this database."""

    def execute_rows(self, connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute a statement of `statements` with rows, of which there is at least one.

        Args:
            connection: in a transaction.
            statement: one with `{rows}`.
            rows: a column holds whole numbers, or else text and nulls.

        Raises:
            sqlalchemy.exc.IntegrityError: a key is taken.
        """

    def find(
        self, connection: Connection, statement: str, order_ids: Sequence[int]
    ) -> Iterable[Sequence[Any]]:
        """Rows of a statement of `statements` that is to be continued with a condition on the order id."""

    def claim_slot(self) -> int | None:
        """Claim the lowest free slot until `close` or the end of the process; None if all are taken."""

    def is_held(self, slot: int) -> bool:
        """Whether a living member, of this process or another one, has the slot."""

    def close(self) -> None:
        """Close the connection and give up the slot."""
