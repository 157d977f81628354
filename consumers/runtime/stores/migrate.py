"""Bring a store to the newest schema version, in a process of its own.

Alembic and its imports stay out of the consumer's memory. If several members start together, a lock (SQLite's
write lock, an advisory lock in PostgreSQL) lets one of them migrate while the others wait.

I/O: database; it is run as `python -m consumers.runtime.stores.migrate` with the store on stdin, because
every user can read a command line, and the address may hold a password.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, column, create_engine, inspect, select, table
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from databases.address import StoreAddress
from databases.connect import RawPostgres, connect_store, lock_key, sqlite_engine
from schemas.errors import CommandEventError, DependencyUnavailable, InvalidSetting, SafetyRefusal

HEAD = "0006"
_DEADLINE_S = 60
_LOCK_WAIT_S = 30


def ensure(name: StoreAddress) -> None:
    """Create or upgrade a store if it is not at the newest version.

    Args:
        name: which store.

    Raises:
        DependencyUnavailable: the database does not answer, or the migration did not finish; the message
            carries its last words.
        InvalidSetting: the store's address cannot be read.
        SafetyRefusal: the migration would lose something that the store holds; the store is as it was.
    """
    if name.path is not None:
        _make_folder(name.path.parent)
    if _version(name) == HEAD:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-m", "consumers.runtime.stores.migrate"],
            input=json.dumps([name.url, name.group]),
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DependencyUnavailable(
            f"migrating {name} took longer than {_DEADLINE_S} s; is the store locked?"
        ) from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if done.returncode == SafetyRefusal.exit_code:
            raise SafetyRefusal(f"the store {name} is not migrated: {name.masked(last)}")
        raise DependencyUnavailable(f"migrating {name} failed: {name.masked(last)}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DependencyUnavailable(f"the folder {folder} cannot be made: {error.strerror}") from error


def _version(name: StoreAddress) -> str | None:
    if name.path is not None and not name.path.exists():
        return None
    engine = _engine(name)
    try:
        with engine.connect() as connection:
            schema = None if name.path is not None else name.schema
            if not inspect(connection).has_table("alembic_version", schema):
                return None
            versions = table("alembic_version", column("version_num"), schema=schema)
            version = connection.execute(select(versions)).scalar()
            return None if version is None else str(version)
    except OperationalError as error:
        if name.path is not None:
            return None  # another member is just creating it: the migration waits for its lock
        raise DependencyUnavailable(f"the store {name} does not answer: {name.masked(error.orig)}") from error
    except DatabaseError as error:
        raise DependencyUnavailable(f"the store {name} cannot be read: {name.masked(error.orig)}") from error
    finally:
        engine.dispose()


def upgrade(name: StoreAddress) -> None:
    """Run the pending versions under the store's lock."""
    from alembic import command  # noqa: PLC0415 - a quarter of a second that only this process pays
    from alembic.config import Config  # noqa: PLC0415 - the same

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with _in_schema(name) if name.path is None else _file_engine(name).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _engine(name: StoreAddress) -> Engine:
    if name.path is not None:
        return create_engine(name.url, poolclass=NullPool, connect_args={"timeout": _LOCK_WAIT_S})

    def connect() -> RawPostgres:
        # Changing a large table takes as long as it takes.
        raw = connect_store(name, lock_wait_s=_LOCK_WAIT_S, statement_s=0)
        raw.autocommit = False
        return raw

    return create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)


def _file_engine(name: StoreAddress) -> Engine:
    return sqlite_engine(name.url, lock_wait_s=_LOCK_WAIT_S, write_ahead=True)


@contextmanager
def _in_schema(name: StoreAddress) -> Iterator[Connection]:
    with _engine(name).begin() as connection:
        run = connection.exec_driver_sql
        run("SELECT pg_advisory_xact_lock(%s)", (lock_key(f"cev/{name.schema}/migrate"),))
        encoding = run("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise InvalidSetting(f"the database of {name} is encoded as {encoding}; a store needs UTF8")
        schema = connection.dialect.identifier_preparer.quote(name.schema)
        # With IF NOT EXISTS a role that may not make schemas would be refused though the schema is there.
        if run("SELECT to_regnamespace(%s)", (schema,)).scalar() is None:
            run(f"CREATE SCHEMA {schema}")
        # Until this transaction ends: Alembic and raw statements of migrations name no schema.
        run("SELECT set_config('search_path', %s, true)", (schema,))
        yield connection


def _main() -> None:
    url, group = json.load(sys.stdin)
    name = StoreAddress(url, group)
    try:
        upgrade(name)
    except DBAPIError as error:
        sys.exit(name.masked(error.orig))
    except SafetyRefusal as error:
        print(error, file=sys.stderr)  # noqa: T201 - to the process that started this one
        sys.exit(error.exit_code)
    except CommandEventError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main()
