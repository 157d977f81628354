"""The outbox's two tables in an order service's own database, and how to connect to it.

    cev_outbox         one row for each order, with all its records; waits, is published, or was refused
    cev_outbox_relay   one row: the outbox's id, its leader, and the batch that is in doubt

A row is *waiting* while `published_at` and `error` are null, *refused* with an error, *published* with a
time. Rows are found by that state and never by a cursor over ids.

Ids rise in the order in which rows are inserted, and records of one order id are published in that order:
a transaction that began after another one had ended has rows with higher ids (PostgreSQL: an identity column
counts up by one, without a cache; SQLite: one writer at a time).

I/O: database (creates tables).
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from databases.address import postgres
from databases.connect import limit_transaction, liveness, sqlite_engine
from schemas.errors import DependencyUnavailable, InvalidSetting

TABLE: Final = "cev_outbox"
RELAY_TABLE: Final = "cev_outbox_relay"
_SERVERS = ("postgresql", "postgres", "postgresql+psycopg")
LOCK_WAIT_S: Final = 5
"""How long a statement may wait for another connection's lock."""

_WAITING = "CREATE INDEX IF NOT EXISTS cev_outbox_waiting ON cev_outbox (id) WHERE published_at IS NULL"
_REFUSED = """\
CREATE INDEX IF NOT EXISTS cev_outbox_refused ON cev_outbox (order_id, id)
    WHERE published_at IS NULL AND error IS NOT NULL"""
_PUBLISHED = """\
CREATE INDEX IF NOT EXISTS cev_outbox_published ON cev_outbox (published_at)
    WHERE published_at IS NOT NULL"""

_OUTBOX = """\
CREATE TABLE IF NOT EXISTS cev_outbox (
    id           {identity},
    order_id     BIGINT NOT NULL,
    mode         TEXT NOT NULL,
    epoch        BIGINT NOT NULL,
    accepted_at  BIGINT NOT NULL,
    records      TEXT NOT NULL,
    published_at BIGINT,
    error        TEXT
)"""

_RELAY = """\
CREATE TABLE IF NOT EXISTS cev_outbox_relay (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    outbox_id TEXT NOT NULL,
    leader    TEXT NOT NULL DEFAULT '',
    batch     TEXT NOT NULL DEFAULT '',
    row_ids   TEXT NOT NULL DEFAULT '[]'
)"""

_NAME_IT = "INSERT INTO cev_outbox_relay (one, outbox_id) VALUES (1, {random}) ON CONFLICT DO NOTHING"

DDL: dict[str, tuple[str, ...]] = {
    "postgresql": (
        _OUTBOX.format(identity="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        _WAITING,
        _REFUSED,
        _PUBLISHED,
        _RELAY,
        _NAME_IT.format(random="replace(gen_random_uuid()::text, '-', '')"),
    ),
    "sqlite": (
        _OUTBOX.format(identity="INTEGER PRIMARY KEY AUTOINCREMENT"),
        _WAITING,
        _REFUSED,
        _PUBLISHED,
        _RELAY,
        _NAME_IT.format(random="lower(hex(randomblob(16)))"),
    ),
}
"""The statements of `create` by SQLAlchemy dialect, also for a migration tool. Each may run again."""


def create(engine: Engine) -> None:
    """Create the outbox's tables if they do not exist.

    Raises:
        InvalidSetting: the engine is neither PostgreSQL's nor SQLite's.
    """
    statements = _ddl(engine.dialect.name)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # CREATE TABLE IF NOT EXISTS fails in one of two sessions that run it at the same moment.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('cev_outbox'))"))
        for statement in statements:
            connection.execute(text(statement))


def _ddl(dialect: str) -> tuple[str, ...]:
    if dialect not in DDL:
        raise InvalidSetting(f"an outbox lives in PostgreSQL or SQLite, not in {dialect}")
    return DDL[dialect]


def engine_of(url: str) -> Engine:
    """An engine for an address as users write it; it connects only when it is asked to.

    Every connection is new and waits `LOCK_WAIT_S` for a lock at most. In SQLite a transaction takes the
    write lock when it begins.

    Args:
        url: `postgresql://user:password@host/database` or `sqlite:///path`.

    Raises:
        InvalidSetting: the address is neither.
    """
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        return sqlite_engine(address, lock_wait_s=LOCK_WAIT_S)
    alive = liveness(address.query, idle_s=10, interval_s=5)
    engine = create_engine(address, poolclass=NullPool, connect_args=alive)
    event.listen(engine, "begin", _limit)
    return engine


def sqlite_file(engine: Engine) -> Path | None:
    """The file of an SQLite database; None for a server's.

    Raises:
        DependencyUnavailable: there is no such file, and connecting would make an empty one.
    """
    if engine.dialect.name != "sqlite":
        return None
    path = Path(engine.url.database or "")
    if not path.is_file():
        raise DependencyUnavailable(f"there is no outbox at {path}: the order service makes it")
    return path


def display_url(engine: Engine) -> str:
    """Where an outbox is, without a password; the query is left out, because it may hold one too."""
    address = engine.url.set(drivername=engine.dialect.name, query={})
    return address.render_as_string(hide_password=True)


def _address(url: str) -> URL:
    scheme = url.strip().partition("://")[0]
    if scheme in _SERVERS:
        try:
            return make_url(postgres(url)).set(drivername="postgresql+psycopg")
        except ValueError as error:
            raise InvalidSetting(f"outbox_url {error}") from None
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidSetting("outbox_url is no address like postgresql://… or sqlite:///…") from None
    if address.drivername == "sqlite" and address.database and address.database != ":memory:":
        return address
    raise InvalidSetting("outbox_url names neither PostgreSQL (postgresql://…) nor a file (sqlite:///…)")


def _limit(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        limit_transaction(connection, lock_wait_s=LOCK_WAIT_S, idle_s=60, statement_s=60)
