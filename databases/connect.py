"""Connections to SQLite and PostgreSQL: liveness, limits on waiting, and locks that die with their holder.

Not here: addresses and passwords (`address`), pools, tables, and what a failure means to the caller.

I/O: database, lock files.
"""

import fcntl
import sqlite3
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, Pool

from databases.address import StoreAddress
from schemas.errors import InvalidSetting

if TYPE_CHECKING:
    import psycopg

RawPostgres: TypeAlias = "psycopg.Connection[Any]"
_STATEMENT_S = 30
_BUSY_INTERVAL_S = 0.05
_READING = "cev_reading"

_STORE_SESSION = """
SELECT set_config('default_transaction_isolation', 'read committed', false),
       set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'off', 'on'), false)
"""
_LIMITS = """
SELECT set_config('lock_timeout', %s, {local}),
       set_config('idle_in_transaction_session_timeout', %s, {local}),
       set_config('statement_timeout', %s, {local})
"""


def sqlite_engine(
    url: Any, *, lock_wait_s: float, poolclass: type[Pool] = NullPool, write_ahead: bool = False
) -> Engine:
    """An engine for a SQLite file; it connects only when it is asked to.

    A transaction takes the write lock when it begins (`BEGIN IMMEDIATE`): the driver's own BEGIN is deferred,
    and fails instead of waiting when two connections read and then write. `read_transaction` and the
    isolation level AUTOCOMMIT take no write lock. Commits are on the disk (`synchronous=FULL`).

    Args:
        url: `sqlite:///PATH`, as text or as SQLAlchemy's `URL`.
        lock_wait_s: how long a connection waits for another one's lock.
        poolclass: SQLAlchemy's pool; without one every connection is new.
        write_ahead: make the file a WAL file, so that readers and a writer do not wait for each other.
    """
    connect_args = {"timeout": lock_wait_s, "check_same_thread": False}
    engine = create_engine(url, poolclass=poolclass, connect_args=connect_args)

    @event.listens_for(engine, "connect")
    def set_up(raw: Any, _record: object) -> None:
        raw.isolation_level = None
        if write_ahead:
            _make_write_ahead(raw, lock_wait_s)
        raw.execute("PRAGMA synchronous=FULL")

    event.listen(engine, "begin", _begin)
    return engine


@contextmanager
def read_transaction(connection: Connection) -> Iterator[Connection]:
    """A transaction that only reads: it sees one state, and takes no lock that a writer would wait for."""
    connection.info[_READING] = True
    try:
        with connection.begin():
            yield connection
    finally:
        connection.info.pop(_READING, None)


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN" if connection.info.get(_READING) else "BEGIN IMMEDIATE")


def _make_write_ahead(raw: sqlite3.Connection, wait_s: float) -> None:
    # While another connection writes, SQLite refuses this at once: its own wait for locks does not cover it.
    until = time.monotonic() + wait_s
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_BUSY_INTERVAL_S)
        else:
            return


def connect_store(
    address: StoreAddress, *, lock_wait_s: float, statement_s: float = _STATEMENT_S
) -> RawPostgres:
    """A PostgreSQL connection to the database of a store; in autocommit.

    Its search path is the server's: statements name the store's schema.

    Args:
        address: the store.
        lock_wait_s: how long it waits for another connection's lock; a connection that does nothing inside a
            transaction for twice as long is ended by the server.
        statement_s: how long one statement may take; 0 is unlimited.

    Raises:
        InvalidSetting: the address cannot be read.
        psycopg.OperationalError: nobody answers, or the server refuses the connection.
    """
    raw = connect_postgres(address)
    raw.autocommit = True
    try:
        limit_waits(raw, lock_wait_s=lock_wait_s, idle_s=2 * lock_wait_s, statement_s=statement_s)
        raw.execute(_STORE_SESSION)
    except BaseException:
        raw.close()
        raise
    return raw


def connect_postgres(address: StoreAddress) -> RawPostgres:
    """A PostgreSQL connection with text in UTF-8 that notices a server which is gone.

    Nothing is set in its session: in a pool that would stay behind for others.

    Args:
        address: the store.

    Raises:
        InvalidSetting: the address cannot be read.
        psycopg.OperationalError: nobody answers, or the server refuses the connection.
    """
    import psycopg  # noqa: PLC0415 - a driver that SQLite does without

    settings: dict[str, Any] = liveness(address.parameters, idle_s=5, interval_s=2)
    if "application_name" not in address.parameters:
        settings["application_name"] = f"cev {address.group}"
    try:
        return psycopg.connect(address.url, client_encoding="UTF8", **settings)
    except psycopg.ProgrammingError as error:
        raise InvalidSetting(f"database_url: {address.masked(error)}") from None


def quoted_schema(address: StoreAddress, raw: RawPostgres) -> str:
    """The name of a store's schema, quoted as an identifier."""
    from psycopg import sql  # noqa: PLC0415 - as above

    return sql.Identifier(address.schema).as_string(raw)


def liveness(overruled: Container[str], *, idle_s: int, interval_s: int) -> dict[str, int]:
    """Parameters of libpq that notice a server which is gone.

    Args:
        overruled: names of parameters that the address itself gives; they are left out.
        idle_s: seconds of silence before the first TCP keep-alive probe.
        interval_s: seconds between probes; the third one without an answer ends the connection.
    """
    parameters = {
        "connect_timeout": 5,
        "keepalives_idle": idle_s,
        "keepalives_interval": interval_s,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
    }
    return {name: value for name, value in parameters.items() if name not in overruled}


def limit_waits(raw: RawPostgres, *, lock_wait_s: float, idle_s: float, statement_s: float) -> None:
    """Let the server end what takes too long in a session; 0 is unlimited.

    Set here and not in the address: connection poolers refuse start-up options.

    Args:
        raw: the session.
        lock_wait_s: how long a statement waits for a lock before it fails.
        idle_s: how long a transaction may stand idle before the server undoes it and ends the session.
        statement_s: how long one statement may take before it fails.
    """
    raw.execute(_LIMITS.format(local=False).encode(), _milliseconds(lock_wait_s, idle_s, statement_s))


def limit_transaction(
    connection: Connection, *, lock_wait_s: float, idle_s: float, statement_s: float
) -> None:
    """Do the same to the transaction that has just begun, and to nothing after it.

    For who may come through a pool that lends connections: there a session's setting stays behind for others.
    """
    limits = tuple(_milliseconds(lock_wait_s, idle_s, statement_s))
    connection.exec_driver_sql(_LIMITS.format(local=True), limits)


def _milliseconds(*seconds: float) -> list[str]:
    return [f"{int(1000 * limit)}ms" for limit in seconds]


def lock_key(name: str) -> int:
    """The number of PostgreSQL's advisory lock for a name; such numbers are shared by the whole database."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def lock_file(path: Path) -> IO[str] | None:
    """Lock a file, made if it is not there; None while another process has the lock.

    The lock is the kernel's: it ends when the file is closed, and so with the process.

    Raises:
        OSError: the file cannot be opened or locked.
    """
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
