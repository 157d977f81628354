"""The relay's end at the database: who relays, which rows wait, which batch is on its way, what is done.

Promises: one transaction settles a batch and names the next one, so at most one batch is ever in doubt, and
`cev_outbox_relay` names it and its rows. Everything runs on the one connection that holds the lock: who has
lost the lock's connection cannot write here. And who is not the leader any more, for whatever reason, is told
so (`NotLeading`) before anything of its transaction counts.

I/O: database; one lock file beside an SQLite database.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from databases.address import masked
from databases.connect import lock_file, reading
from producers.outbox import statements
from producers.outbox.batch_publisher import Batch, Row
from producers.outbox.record_codec import UnreadableRow, unpack
from producers.outbox.tables import RELAY_TABLE, engine_of, shown, sqlite_file
from schemas.errors import DependencyUnavailable, Fenced, OperationFailed
from schemas.times import now_ms

BATCH_ROWS = 2000
"""Orders in one Kafka transaction, at most."""
BATCH_CHARS = 6 * 1024 * 1024
"""Characters of their rows, about; a single row may be larger."""
CLEAN_ROWS = 1000


class NotLeading(Fenced):
    """Another relay leads this outbox although we hold its lock: the lock does not hold."""


class Backlog(NamedTuple):
    """What is not published: how many rows, when the oldest was accepted (ms, UTC), how many were refused."""

    rows: int
    oldest_at: int | None
    refused: int


class OutboxQueue:
    """One outbox, as its relay sees it. For one thread.

    Args:
        url: as in `engine_of`.

    Raises:
        InvalidSetting: the address is not one of an outbox.
    """

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url)
        self._url = url
        self._connection: Connection | None = None
        self._lock: IO[str] | None = None
        self._leader = ""
        self.where = shown(self._engine)

    def identity(self) -> str:
        """The outbox's id, for ever the same.

        Raises:
            DependencyUnavailable: the database does not answer.
            OperationFailed: it has no outbox; the message says what makes one.
        """
        with self._reading() as connection:
            if not inspect(connection).has_table(RELAY_TABLE):
                raise OperationFailed(
                    f"{self.where} has no outbox; `producers.outbox.outbox.create(engine)` makes one"
                )
            return str(connection.execute(statements.IDENTITY).scalar_one())

    def lead(self) -> bool:
        """Be the one relay of this outbox; False while another one is.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        if self._leader:
            return True
        with self._guarded():
            connection = self._connected()
            if not self._locked(connection):
                return False
            leader = uuid4().hex
            with connection.begin():
                connection.execute(statements.LEAD, {"leader": leader})
            self._leader = leader
            return True

    def in_doubt(self) -> tuple[str, list[int]]:
        """The name of the batch that was on its way last, and its rows; raises DependencyUnavailable."""
        with self._reading() as connection:
            batch, row_ids = connection.execute(statements.IN_DOUBT).one()
            return str(batch), [int(each) for each in json.loads(row_ids)]

    def waiting(self) -> bool:
        """Whether a row could be published now; raises DependencyUnavailable."""
        with self._reading() as connection:
            return connection.execute(statements.ANY).first() is not None

    def next(self, done: Sequence[int], *, most: int = BATCH_ROWS, only: int | None = None) -> Batch | None:
        """Settle the rows of the last batch and name the next one, in one transaction.

        Args:
            done: rows whose batch is committed in Kafka.
            most: choose no more rows.
            only: choose no other row than this.

        Returns:
            The next batch; None if no row waits.

        Raises:
            NotLeading: somebody else leads; nothing was changed.
            DependencyUnavailable: the database does not answer; what was changed, `in_doubt` tells.
        """
        with self._writing() as connection:
            self._publish(connection, done)
            rows = self._choose(connection, most, only)
            batch = Batch(uuid4().hex, rows) if rows else None
            self._intend(connection, batch)
        return batch

    def settle(self, done: Sequence[int]) -> None:
        """Settle the rows of the last batch, and name none; raises as `next`."""
        with self._writing() as connection:
            self._publish(connection, done)
            self._intend(connection, None)

    def refuse(self, row_id: int, why: str) -> None:
        """Put a row aside that Kafka does not take; raises as `next`."""
        with self._writing() as connection:
            connection.execute(statements.REFUSE, {"id": row_id, "error": why})
            self._intend(connection, None)

    def offer_again(self) -> int:
        """Let refused rows wait again; how many. Raises DependencyUnavailable."""
        with self._writing() as connection:
            return connection.execute(statements.OFFER_AGAIN).rowcount

    def clean(self, until: int) -> int:
        """Delete some rows that were published until then (ms, UTC); how many.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        with self._writing() as connection:
            return connection.execute(statements.CLEAN, {"until": until, "most": CLEAN_ROWS}).rowcount

    def backlog(self) -> Backlog:
        """What is not published; raises DependencyUnavailable."""
        with self._reading() as connection:
            return Backlog(*connection.execute(statements.BACKLOG).one())

    def close(self) -> None:
        """Give up the connection, and the lead with it: a server lets another one have it a moment later."""
        self._leader = ""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _publish(self, connection: Connection, done: Sequence[int]) -> None:
        if done:
            connection.execute(statements.PUBLISHED, {"at": now_ms(), "ids": list(done)})

    def _intend(self, connection: Connection, batch: Batch | None) -> None:
        name, rows = batch or ("", ())
        ids = json.dumps([row.id for row in rows])
        told = connection.execute(statements.INTEND, {"batch": name, "row_ids": ids, "leader": self._leader})
        if told.rowcount != 1:
            raise NotLeading(
                f"another relay leads the outbox in {self.where}, although this one holds its lock: name the "
                "database itself and not a transaction pooler, and no file on a network share"
            )

    def _choose(self, connection: Connection, most: int, only: int | None) -> tuple[Row, ...]:
        """Rows of one batch; one that cannot be read is refused, and the choice made anew."""
        while True:
            if only is None:
                sizes = connection.execute(statements.SIZES, {"most": most}).all()
            else:
                sizes = connection.execute(statements.SIZE_OF, {"only": only}).all()
            if not sizes:
                return ()
            found = connection.execute(statements.ROWS, {"ids": _fitting(sizes)}).all()
            try:
                return tuple([_row(*each) for each in found])
            except _Unreadable as error:
                connection.execute(statements.REFUSE, {"id": error.row_id, "error": str(error)})

    def _connected(self) -> Connection:
        if self._connection is None:
            sqlite_file(self._engine)
            self._connection = self._engine.connect()
        return self._connection

    def _locked(self, connection: Connection) -> bool:
        path = sqlite_file(self._engine)
        if path is not None:
            self._lock = lock_file(path.with_name(f"{path.name}.relay.lock"))
            return self._lock is not None
        with connection.begin():
            outbox_id = str(connection.execute(statements.IDENTITY).scalar_one())
            # Advisory locks have 64 bits, signed, for the whole database.
            key = int(outbox_id[:16], 16) - 2**63
            return bool(connection.execute(statements.LOCK, {"key": key}).scalar())

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._guarded():
            connection = self._connected()
            with connection.begin():
                yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._guarded(), reading(self._connected()) as connection:
            yield connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            self.close()
            why = error.orig if isinstance(error, DBAPIError) else error
            raise DependencyUnavailable(
                f"the outbox in {self.where} does not answer: {masked(self._url, why)}"
            ) from error


class _Unreadable(Exception):
    """A row is not an order's records."""

    def __init__(self, row_id: int, why: str) -> None:
        super().__init__(why)
        self.row_id = row_id


def _row(row_id: int, order_id: int, records: str) -> Row:
    try:
        return Row(row_id, order_id, unpack(records))
    except UnreadableRow as error:
        raise _Unreadable(row_id, f"unreadable: {error}") from error


def _fitting(sizes: Sequence[Any]) -> list[int]:
    """As many rows from the front as a batch may hold; at least one."""
    chosen: list[int] = []
    total = 0
    for row_id, size in sizes:
        total += size
        if chosen and total > BATCH_CHARS:
            break
        chosen.append(row_id)
    return chosen
