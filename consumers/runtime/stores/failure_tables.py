"""What a store keeps of failures: attempts and alarms.

Promises: the same on SQLite and PostgreSQL; writing the same changes twice changes nothing, and a count of
attempts never goes down, so that no restart and no other member begins anew.

I/O: database, on connections that the store hands out.
"""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import Connection, and_, delete, select

from consumers.runtime.plan import FailedAttempt
from consumers.runtime.records import Alarm, Attempts, Partition
from consumers.runtime.stores import statements
from consumers.runtime.stores.database import Connected, Database
from consumers.runtime.stores.tables import alarms, attempts
from consumers.runtime.stores.upsert import upsert
from databases.text import kept
from schemas.errors import Position

_MAX_TEXT = 1_000


class FailureChanges(NamedTuple):
    """What one transaction writes about failures.

    Attributes:
        failed_attempts: of records that are tried again.
        passed: per partition, the offset below which attempts need not be remembered.
    """

    failed_attempts: Sequence[FailedAttempt] = ()
    passed: Mapping[Partition, int] = {}


def failure_changes(
    failed_attempts: Sequence[FailedAttempt], passed: Mapping[Partition, int]
) -> FailureChanges | None:
    """What one step changes; None if nothing, as nearly every step."""
    return FailureChanges(failed_attempts, passed) if failed_attempts or passed else None


class FailureTables:
    """Reads failures, and writes alarms; batches write the rest with their own transaction (`write`).

    Args:
        reading, writing: connections to the group's store; they raise `DependencyUnavailable`.
        unchecked_writing: one for a store that is not as its member left it.
    """

    def __init__(self, reading: Connected, writing: Connected, unchecked_writing: Connected) -> None:
        self._reading = reading
        self._writing = writing
        self._unchecked_writing = unchecked_writing

    def attempts(self, partitions: Collection[Partition]) -> dict[Position, Attempts]:
        """Records of these partitions that failed, how often, and when they are tried next."""
        columns = attempts.c
        query = select(columns.topic, columns.partition, columns.offset, columns["count"], columns["at"])
        with self._reading() as connection:
            return {
                Position(topic, number, offset): Attempts(times, at)
                for topic, number, offset, times, at in connection.execute(query)
                if (topic, number) in partitions
            }

    def alarms(self) -> list[Alarm]:
        """The group's alarms."""
        with self._reading() as connection:
            rows = connection.execute(select(alarms).order_by(alarms.c.name, alarms.c.subject)).all()
        return [Alarm(*row) for row in rows]

    def raise_alarm(self, alarm: Alarm, *, unchecked: bool = False) -> None:
        """Write an alarm; one that is there already keeps its time and gets the new text.

        Args:
            alarm: what to write.
            unchecked: write it also where the store is not as its member left it.
        """
        statement = upsert(alarms).values(**alarm._replace(text=_plain(alarm.text))._asdict())
        with (self._unchecked_writing if unchecked else self._writing)() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name", "subject"], set_={"text": statement.excluded.text}
                )
            )

    def clear_alarm(self, name: str, subject: str) -> None:
        """Remove an alarm."""
        with self._writing() as connection:
            connection.execute(delete(alarms).where(alarms.c.name == name, alarms.c.subject == subject))


def write(database: Database, connection: Connection, changes: FailureChanges) -> None:
    """Write changes within a transaction; keys are sorted, so that no two members deadlock."""
    if changes.failed_attempts:
        rows = [
            (*failed.position, failed.attempts.times, kept(_plain(failed.reason)), failed.attempts.at)
            for failed in sorted(changes.failed_attempts, key=attrgetter("position"))
        ]
        database.execute_rows(connection, statements.COUNT_ATTEMPT, rows)
    for (topic, number), offset in sorted(changes.passed.items()):
        in_partition = and_(attempts.c.topic == topic, attempts.c.partition == number)
        connection.execute(delete(attempts).where(in_partition, attempts.c.offset < offset))


def _plain(text: str) -> str:
    """Text of a library or a receiver as a database takes it: bounded, and without lone surrogates."""
    return text[:_MAX_TEXT].encode("utf-8", "backslashreplace").decode()
