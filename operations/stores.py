"""Opening a group's store to look at it, never to change it (SQLite `mode=ro`).

I/O: SQLite files, read-only.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import DependencyDown

_LOCK_WAIT_S = 5.0


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A read-only connection to a store, on one snapshot of it; None if there is no store.

    Raises:
        DependencyDown: the file cannot be read as a store.
    """
    if not path.exists():
        yield None
        return
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_LOCK_WAIT_S, isolation_level=None
        )
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    try:
        # A WAL reader's snapshot is taken by the first read of a transaction and kept to its end.
        connection.execute("BEGIN")
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'effects'").fetchone() is None:
            yield None
        else:
            yield connection
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    finally:
        connection.close()


def _unreadable(path: Path, error: sqlite3.Error) -> DependencyDown:
    return DependencyDown(f"the store {path} cannot be read: {error}")
