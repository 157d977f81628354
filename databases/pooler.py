"""Telling a pool that lends a session's connection to others by the transaction, as PgBouncer may.

Who needs a session of its own, for locks or for settings, asks here before it begins. A pool that leaves a
session its connection is as good as none.

I/O: database, by SQLAlchemy.
"""

from sqlalchemy import Engine

from schemas.errors import SafetyRefusal

SESSION = "pg_backend_pid()"
"""SQL for the number of the server's process: as long as a session lives it stays, and nobody else has it."""

_TURNS = (0, 0, 1, 1, 0, 1, 0, 1, 1, 0)
"""Which of two connections asks next. Whatever idle one a pool lends, the newest, the oldest or any, one of
the two comes upon another process, or both upon one. Five times each: psycopg would prepare the sixth."""


def refuse_lent_sessions(engine: Engine, subject: str) -> None:
    """Refuse a PostgreSQL address at which two sessions are not two processes of the server.

    Nothing is set in a session here: in such a pool it would stay behind for others.

    Args:
        engine: without a pool of its own.
        subject: where the engine leads, and why a session is needed there, for the message.

    Raises:
        SafetyRefusal: the processes change, or are shared.
        sqlalchemy.exc.DBAPIError: the database does not answer.
    """
    with engine.connect() as first, engine.connect() as second:
        connections = [
            connection.execution_options(isolation_level="AUTOCOMMIT") for connection in (first, second)
        ]
        processes: dict[int, int] = {}
        for turn in _TURNS:
            process = connections[turn].exec_driver_sql(f"SELECT {SESSION}").scalar_one()
            if processes.setdefault(turn, process) != process or processes.get(1 - turn) == process:
                raise lent_session(subject)


def lent_session(subject: str) -> SafetyRefusal:
    """What is wrong when a session is not one process of the server."""
    return SafetyRefusal(
        f"{subject}, and a connection pool on the way lends its connections to others by the transaction "
        "(PgBouncer calls it pool_mode=transaction): name the server itself, or a pool that leaves a session "
        "its connection (pool_mode=session)"
    )
