"""A store in a PostgreSQL schema: one connection per member, and its slot is a lock of that connection.

    lock_timeout                           a member that waits for one stopped inside a write gives up
    idle_in_transaction_session_timeout    the server then rolls back the stopped member's write
    statement_timeout, keepalives          a member notices a server that is gone

A session in PostgreSQL ends with its connection, and with it the slot. So every new connection locks the slot
again before anything else, or raises `SlotTaken`.

I/O: database.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool, QueuePool

from consumers.runtime.stores.database import SlotTaken
from databases.address import StoreAddress
from databases.connect import RawPostgres, connect_postgres, connect_store, lock_key
from databases.pooler import SESSION, refuse_lent_sessions

_TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"
_LOCK = "SELECT pg_advisory_lock(%s)"
_HOLDERS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::bigint << 32) | objid::bigint = %s
"""
_NULL = "NULL"


class Postgres:
    """A schema in a PostgreSQL database; see `Database`.

    Args:
        address: of the store.
        lock_wait_s: how many seconds a transaction waits for another member's.
        slots: how many members there may be.
    """

    def __init__(self, address: StoreAddress, *, lock_wait_s: float, slots: int) -> None:
        self._address = address
        self._lock_wait_s = lock_wait_s
        self._slots = slots
        self._slot: int | None = None
        self.session = 0
        self.engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            execution_options={"schema_translate_map": {None: address.schema}},
        )
        # A percent sign is doubled, as the driver wants it.
        self._schema = self.engine.dialect.identifier_preparer.quote_identifier(address.schema)

    def check_sessions(self) -> None:
        """See `Database`."""
        engine = create_engine(
            "postgresql+psycopg://", creator=partial(connect_postgres, self._address), poolclass=NullPool
        )
        refuse_lent_sessions(engine, f"a member's slot in {self._address} is a lock of its session")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See `Database`."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See `Database`."""
        with self.engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def lock_identity(self, connection: Connection) -> None:
        """See `Database`."""
        connection.exec_driver_sql(self.sql("LOCK TABLE {schema}.store IN SHARE ROW EXCLUSIVE MODE"))

    def sql(self, statement: str) -> str:
        """See `Database`."""
        return statement.replace("?", "%s").format(schema=self._schema, session=SESSION)

    def execute_rows(self, connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """See `Database`; one array per column: one round trip, and as fast as SQLite.

        The driver's `executemany` would be slower, and ends in a pipeline after which the server does not
        end a transaction that stands idle.
        """
        arrays = ", ".join("%s::bigint[]" if isinstance(value, int) else "%s::text[]" for value in rows[0])
        columns = tuple(_array(column) for column in zip(*rows, strict=True))
        sql = statement.format(schema=self._schema, rows=f"SELECT * FROM unnest({arrays})")  # noqa: S608 - a name and marks
        connection.exec_driver_sql(sql, columns)

    def find(
        self, connection: Connection, statement: str, order_ids: Sequence[int]
    ) -> Iterator[Sequence[Any]]:
        """See `Database`."""
        condition = self.sql(f"{statement} = ANY(CAST(? AS bigint[]))")
        yield from connection.exec_driver_sql(condition, (_array(tuple(order_ids)),))

    def claim_slot(self) -> int | None:
        """See `Database`; the lock is the session's, so it ends with the connection."""
        with self.reading() as connection:
            for slot in range(self._slots):
                if connection.exec_driver_sql(_TRY_LOCK, (self._key(slot),)).scalar():
                    self._slot = slot
                    return slot
        return None

    def is_held(self, slot: int) -> bool:
        """See `Database`."""
        with self.reading() as connection:
            return bool(connection.exec_driver_sql(_HOLDERS, (self._key(slot),)).scalar())

    def close(self) -> None:
        """See `Database`."""
        self._slot = None
        self.engine.dispose()

    def _key(self, slot: int) -> int:
        return lock_key(f"cev/{self._address.schema}/slot-{slot}")

    def _connect(self) -> RawPostgres:
        raw = connect_store(self._address, lock_wait_s=self._lock_wait_s)
        try:
            if self._slot is not None:
                self._lock_slot_again(raw, self._slot)
            [(self.session,)] = raw.execute(f"SELECT {SESSION}").fetchall()
        except BaseException:
            raw.close()
            raise
        raw.autocommit = False
        return raw

    def _lock_slot_again(self, raw: RawPostgres, slot: int) -> None:
        try:
            # The server may still be ending the session that had the lock.
            raw.execute(_LOCK, (self._key(slot),))
        except psycopg.errors.LockNotAvailable as error:
            raise SlotTaken(
                f"{self._address}: another member took slot {slot} while this one had no connection"
            ) from error


def _array(column: tuple[Any, ...]) -> str:
    """PostgreSQL's text form of an array; the driver is slower, because it looks up every value's type."""
    if None not in column:
        if isinstance(column[0], int):
            return "{" + ",".join(map(str, column)) + "}"
        joined = "".join(column)
        if '"' not in joined and "\\" not in joined:
            return '{"' + '","'.join(column) + '"}'
    return "{" + ",".join([_NULL if value is None else _element(value) for value in column]) + "}"


def _element(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
