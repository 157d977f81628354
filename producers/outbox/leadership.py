"""The lock by which an outbox has one relay, and that the outbox stays the same one while it is held.

In PostgreSQL it is an advisory lock of the session, beside SQLite a locked file: it ends with its process.

I/O: database; one lock file beside an SQLite database.
"""

from typing import IO

from sqlalchemy import Connection, Engine

from databases.connect import lock_file
from databases.open_files import OpenFiles
from databases.pooler import refuse_lent_sessions
from producers.outbox import statements
from producers.outbox.tables import display_url, sqlite_file
from schemas.errors import ReplacedStore


class LeaderLock:
    """The lock of one outbox. For one thread.

    Args:
        engine: leads to the outbox.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._outbox_id: str | None = None
        self._file: IO[str] | None = None
        self._files = OpenFiles()

    def acquire(self, connection: Connection) -> bool:
        """Lock the outbox until `release` or the end of the connection; False while another relay has it.

        Raises:
            ReplacedStore: it is not the outbox of the time before.
            SafetyRefusal: the connections to it are lent to others, so that no lock would hold.
            sqlalchemy.exc.DBAPIError: the database does not answer.
        """
        path = sqlite_file(self._engine)
        if path is None:
            return self._lock_session(connection)
        self._file = lock_file(path.with_name(f"{path.name}.relay.lock"))
        if self._file is None:
            return False
        # Not the lock file: who loses that one hears from the broker that another relay leads, and waits.
        self._files.add(path)
        return True

    def check(self) -> None:
        """Make sure that the files are still those that were locked.

        Raises:
            ReplacedStore: they are not.
        """
        self._files.check()

    def release(self) -> None:
        """Give up the file's lock; a session's lock ends with its connection."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lock_session(self, connection: Connection) -> bool:
        address = display_url(self._engine)
        if self._outbox_id is None:
            refuse_lent_sessions(self._engine, f"the relay's lock of the outbox in {address} is a session's")
        with connection.begin():
            outbox_id = str(connection.execute(statements.IDENTITY).scalar_one())
            if outbox_id != (self._outbox_id or outbox_id):
                raise ReplacedStore(
                    f"the outbox in {address} is {outbox_id} now and was {self._outbox_id} before: find out "
                    "what it holds before you start the relay again"
                )
            self._outbox_id = outbox_id
            connection.execute(statements.KEEP_ALIVE)
            # Advisory locks have 64 bits, signed, for the whole database.
            key = int(outbox_id[:16], 16) - 2**63
            return bool(connection.execute(statements.LOCK, {"key": key}).scalar())
