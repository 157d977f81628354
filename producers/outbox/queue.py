"""The relay's queue in the database: its leader, the rows that wait, and the batch that is in doubt.

Promises: one transaction marks a batch as published and names the next one, so at most one batch is ever in
doubt, and `cev_outbox_relay` names it and its rows. Everything runs on the one connection that holds the
lock, so a relay that lost this connection cannot write. A relay that is no longer the leader, for whatever
reason, gets `NotLeading` before its transaction commits.

I/O: database; one lock file beside an SQLite database.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from databases.connect import read_transaction
from producers.outbox import statements
from producers.outbox.batch_publisher import Batch, Row
from producers.outbox.leadership import LeaderLock
from producers.outbox.record_codec import UnreadableRow, unpack
from producers.outbox.tables import RELAY_TABLE, display_url, engine_of, sqlite_file
from schemas.addresses import without_secrets
from schemas.errors import DependencyUnavailable, Fenced, OperationFailed
from schemas.times import now_ms

BATCH_ROWS = 5000
"""Orders in one Kafka transaction, at most."""
BATCH_CHARS = 6 * 1024 * 1024
"""About how many characters their rows may have together; a single row may have more."""
CLEAN_ROWS = 1000
"""Published rows that one call of `clean` deletes, at most."""


class NotLeading(Fenced):
    """Another relay leads this outbox although this one has its lock: the lock does not exclude others."""


class Backlog(NamedTuple):
    """The rows that are not published.

    Attributes:
        rows: how many, refused ones included.
        oldest_at: when the oldest was accepted, in milliseconds since the epoch, UTC; None without rows.
        refused: how many of them Kafka refused.
    """

    rows: int
    oldest_at: int | None
    refused: int


class OutboxQueue:
    """The rows of one outbox as a queue for its relay. For one thread.

    Args:
        url: as in `engine_of`.

    Attributes:
        address: where the outbox is, without a password.

    Raises:
        InvalidSetting: the address is not one of an outbox.
    """

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url)
        self._url = url
        self._connection: Connection | None = None
        self._lock = LeaderLock(self._engine)
        self._leader = ""
        self.address = display_url(self._engine)

    def identity(self) -> str:
        """The outbox's id, which never changes.

        Raises:
            DependencyUnavailable: the database does not answer.
            OperationFailed: the database has no outbox; the message says what makes one.
        """
        with self._reading() as connection:
            if not inspect(connection).has_table(RELAY_TABLE):
                raise OperationFailed(
                    f"{self.address} has no outbox; `producers.outbox.create(engine)` makes one"
                )
            return str(connection.execute(statements.IDENTITY).scalar_one())

    def acquire_leadership(self) -> bool:
        """Become the one relay of this outbox; False while another one leads.

        Raises:
            DependencyUnavailable: the database does not answer.
            ReplacedStore: it is not the outbox of the time before.
            SafetyRefusal: connections to it are lent to others, so that no lock would hold.
        """
        if self._leader:
            return True
        with self._guarded():
            connection = self._connected()
            if not self._lock.acquire(connection):
                return False
            leader = uuid4().hex
            with connection.begin():
                connection.execute(statements.SET_LEADER, {"leader": leader})
            self._leader = leader
            return True

    def in_doubt(self) -> tuple[str, list[int]]:
        """The name of the last batch and the ids of its rows; ("", []) if none is in doubt.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        with self._reading() as connection:
            batch, row_ids = connection.execute(statements.IN_DOUBT).one()
            return str(batch), [int(row_id) for row_id in json.loads(row_ids)]

    def waiting(self) -> bool:
        """Whether a row could be published now; raises DependencyUnavailable."""
        with self._reading() as connection:
            return connection.execute(statements.ANY_WAITING).first() is not None

    def next(
        self, published: Sequence[int], *, limit: int = BATCH_ROWS, only: int | None = None
    ) -> Batch | None:
        """Mark the rows of the last batch as published and name the next one, in one transaction.

        Args:
            published: ids of rows whose batch is committed in Kafka.
            limit: most rows of the next batch.
            only: the id of the one row that may be chosen; None: any.

        Returns:
            The next batch; None if no row waits.

        Raises:
            NotLeading: another relay leads; nothing was changed.
            DependencyUnavailable: the database does not answer; `in_doubt` tells whether it changed anything.
        """
        with self._writing() as connection:
            self._mark_published(connection, published)
            rows = self._choose(connection, limit, only)
            batch = Batch(uuid4().hex, rows) if rows else None
            self._set_batch_in_doubt(connection, batch)
        return batch

    def mark_published(self, published: Sequence[int]) -> None:
        """Mark the rows of the last batch as published and name no next one; raises as `next`."""
        with self._writing() as connection:
            self._mark_published(connection, published)
            self._set_batch_in_doubt(connection, None)

    def quarantine(self, row_id: int, reason: str) -> None:
        """Put a row aside that Kafka refuses, with the reason; raises as `next`."""
        with self._writing() as connection:
            connection.execute(statements.QUARANTINE, {"id": row_id, "error": reason})
            self._set_batch_in_doubt(connection, None)

    def retry_refused(self) -> int:
        """Let refused rows wait again; returns how many.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        with self._writing() as connection:
            return connection.execute(statements.RETRY_REFUSED).rowcount

    def clean(self, until: int) -> int:
        """Delete rows that were published at or before a moment, `CLEAN_ROWS` at most; returns how many.

        Args:
            until: milliseconds since the epoch, UTC.

        Raises:
            DependencyUnavailable: the database does not answer.
        """
        with self._writing() as connection:
            return connection.execute(statements.CLEAN, {"until": until, "most": CLEAN_ROWS}).rowcount

    def backlog(self) -> Backlog:
        """The rows that are not published; raises DependencyUnavailable."""
        with self._reading() as connection:
            return Backlog(*connection.execute(statements.BACKLOG).one())

    def close(self) -> None:
        """Close the connection and so give up leadership; a server frees the lock a moment later."""
        self._leader = ""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None
        self._lock.release()

    def _mark_published(self, connection: Connection, row_ids: Sequence[int]) -> None:
        if row_ids:
            marking = statements.MARK_PUBLISHED[connection.dialect.name]
            connection.execute(marking, {"at": now_ms(), "ids": json.dumps(list(row_ids))})

    def _set_batch_in_doubt(self, connection: Connection, batch: Batch | None) -> None:
        name, rows = batch or ("", ())
        ids = json.dumps([row.id for row in rows])
        result = connection.execute(
            statements.SET_BATCH_IN_DOUBT, {"batch": name, "row_ids": ids, "leader": self._leader}
        )
        if result.rowcount != 1:
            raise NotLeading(
                f"another relay leads the outbox in {self.address}, although this one holds its lock: name "
                "the database itself and not a transaction pooler, and no file on a network share"
            )

    def _choose(self, connection: Connection, limit: int, only: int | None) -> tuple[Row, ...]:
        """Rows of one batch; a row that cannot be read is quarantined, and the rows are chosen again."""
        while True:
            if only is None:
                sizes = connection.execute(statements.SIZES, {"most": limit}).all()
            else:
                sizes = connection.execute(statements.SIZE_OF, {"only": only}).all()
            if not sizes:
                return ()
            chosen = json.dumps(_fitting(sizes))
            rows = connection.execute(statements.ROWS[connection.dialect.name], {"ids": chosen}).all()
            try:
                return tuple([_row(*row) for row in rows])
            except _Unreadable as error:
                connection.execute(statements.QUARANTINE, {"id": error.row_id, "error": str(error)})

    def _connected(self) -> Connection:
        if self._connection is None:
            sqlite_file(self._engine)
            self._connection = self._engine.connect()
        return self._connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._guarded():
            connection = self._connected()
            with connection.begin():
                yield connection
            self._lock.check()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._guarded(), read_transaction(self._connected()) as connection:
            self._lock.check()
            yield connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError) as error:
            self.close()
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise DependencyUnavailable(
                f"the outbox in {self.address} does not answer: {without_secrets(self._url, cause)}"
            ) from error


class _Unreadable(Exception):
    """A row is not an order's records."""

    def __init__(self, row_id: int, reason: str) -> None:
        super().__init__(reason)
        self.row_id = row_id


def _row(row_id: int, order_id: int, records: str) -> Row:
    try:
        return Row(row_id, order_id, unpack(records))
    except UnreadableRow as error:
        raise _Unreadable(row_id, f"unreadable: {error}") from error


def _fitting(sizes: Sequence[Any]) -> list[int]:
    """Ids of as many of the first rows as a batch may hold; at least one."""
    chosen: list[int] = []
    total = 0
    for row_id, size in sizes:
        total += size
        if chosen and total > BATCH_CHARS:
            break
        chosen.append(row_id)
    return chosen
