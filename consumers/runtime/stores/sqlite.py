"""A store in a SQLite file: one writer at a time, and a lock file for every slot beside it (design §8).

I/O: database, and lock files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, event
from sqlalchemy.pool import StaticPool

from databases.connect import lock_file, sqlite_engine
from databases.open_files import OpenFiles

_LOOKUP = 500
_WAL = ("-wal", "-shm")
_SCHEMA = "main"
"""SQLite's name for the file that a connection has open."""


class Sqlite:
    """A SQLite file; see `Database`.

    Args:
        path: of the file.
        lock_wait_s: how many seconds a transaction waits for another member's.
        slots: how many members there may be.
    """

    session = 0

    def __init__(self, path: Path, *, lock_wait_s: float, slots: int) -> None:
        self._path = path
        self._slots = slots
        self._slot: IO[str] | None = None
        self.engine = sqlite_engine(
            f"sqlite:///{path}", lock_wait_s=lock_wait_s, poolclass=StaticPool, write_ahead=True
        )
        self._files = OpenFiles()
        event.listen(self.engine, "connect", self._remember_files)

    def check_sessions(self) -> None:
        """Does nothing: a slot's lock is the kernel's."""

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """See `Database`; what is committed to files that are not the store's any more is not written.

        Raises:
            ReplacedStore: one of the files was removed or replaced.
        """
        with self.engine.begin() as connection:
            yield connection
        self._files.check()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See `Database`; raises ReplacedStore as `writing` does."""
        with self.engine.connect() as connection:
            self._files.check()
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def lock_identity(self, connection: Connection) -> None:
        """Does nothing: `BEGIN IMMEDIATE` has the lock already."""

    def sql(self, statement: str) -> str:
        """See `Database`."""
        return statement.format(schema=_SCHEMA, session=self.session)

    def execute_rows(self, connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """See `Database`."""
        values = f"VALUES ({_marks(rows[0])})"
        # The driver takes a plain tuple's values in two thirds of the time that it needs for a named one's.
        plain = [tuple(row) for row in rows]
        connection.exec_driver_sql(statement.format(schema=_SCHEMA, rows=values), plain)

    def find(
        self, connection: Connection, statement: str, order_ids: Sequence[int]
    ) -> Iterator[Sequence[Any]]:
        """See `Database`."""
        for start in range(0, len(order_ids), _LOOKUP):
            ids = tuple(order_ids[start : start + _LOOKUP])
            yield from connection.exec_driver_sql(self.sql(f"{statement} IN ({_marks(ids)})"), ids)

    def claim_slot(self) -> int | None:
        """See `Database`; the lock is the kernel's, so it ends with the process."""
        for slot in range(self._slots):
            self._slot = self._lock(slot)
            if self._slot is not None:
                self._files.add(self._slot_path(slot))
                return slot
        return None

    def is_held(self, slot: int) -> bool:
        """See `Database`; for a moment the slot is taken here, so a member that starts may take another."""
        lock = self._lock(slot)
        if lock is not None:
            lock.close()
        return lock is None

    def close(self) -> None:
        """See `Database`."""
        self.engine.dispose()
        if self._slot is not None:
            self._slot.close()

    def _lock(self, slot: int) -> IO[str] | None:
        return lock_file(self._slot_path(slot))

    def _slot_path(self, slot: int) -> Path:
        return self._path.with_name(f"{self._path.name}.slot-{slot}")

    def _remember_files(self, _raw: object, _record: object) -> None:
        # In a WAL file the last to close it removes the other two, and this connection has it open.
        self._files.add(self._path, *(self._path.with_name(f"{self._path.name}{end}") for end in _WAL))


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))
