"""Bring a store to the newest schema version, in a process of its own.

Alembic and what it loads stay out of the consumer's memory; a lock (SQLite's own write lock) lets one of
several members that start together do the work while the others wait.

I/O: database; it is run as `python -m consumers.runtime.stores.migrate URL`.
"""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from schemas.errors import DependencyDown

HEAD = "0001"
_DEADLINE_S = 60
_LOCK_WAIT_S = 30


def ensure(url: str) -> None:
    """Create or upgrade a store if it is not at the newest version.

    Args:
        url: SQLAlchemy address of the store.

    Raises:
        DependencyDown: the migration did not finish; the message carries its last words.
    """
    parsed = make_url(url)
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    if _version(parsed) == HEAD:
        return
    try:
        done = subprocess.run(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-m", "consumers.runtime.stores.migrate", url],
            capture_output=True,
            text=True,
            check=False,
            timeout=_DEADLINE_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DependencyDown(
            f"migrating {url} took longer than {_DEADLINE_S} s; is the store locked?"
        ) from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise DependencyDown(f"migrating {url} failed: {last[0]}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DependencyDown(f"the folder {folder} cannot be made: {error.strerror}") from error


def _version(url: URL) -> str | None:
    if url.database is None or not Path(url.database).exists():
        return None
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return None if found is None else str(found)
    except OperationalError:
        return None  # another member is just creating it: the migration waits for its lock
    except DatabaseError as error:
        raise DependencyDown(f"the store {url} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()


def upgrade(url: str) -> None:
    """Run the pending versions under the store's write lock."""
    from alembic import command  # noqa: PLC0415 - a quarter of a second that only this process pays
    from alembic.config import Config  # noqa: PLC0415 - the same

    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": _LOCK_WAIT_S})
    event.listen(engine, "begin", _begin_immediate)
    with engine.connect() as setup:
        raw = setup.connection.dbapi_connection
        assert raw is not None  # noqa: S101 - a pooled connection always has one while checked out
        raw.isolation_level = None
        raw.execute("PRAGMA journal_mode=WAL")
    event.listen(engine, "connect", lambda raw, _record: setattr(raw, "isolation_level", None))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _begin_immediate(connection: Connection) -> None:
    # A deferred BEGIN that reads and then writes fails at once when two members migrate together.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


if __name__ == "__main__":
    upgrade(sys.argv[1])
