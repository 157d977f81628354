"""What a store keeps of failures: attempts and alarms.

Promises: the same on SQLite and PostgreSQL; writing the same notes twice changes nothing, and a count of
attempts never goes down, so that no restart and no other member begins anew.

I/O: database, on connections that the store hands out.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, delete, select

from consumers.runtime.records import Alarm, Attempts, FailedAttempt, Partition, Plan
from consumers.runtime.stores.tables import alarms, attempts
from consumers.runtime.stores.upsert import upsert
from schemas.errors import Position

_MAX_TEXT = 1_000

Connected = Callable[[], AbstractContextManager[Connection]]


class FailureChanges(NamedTuple):
    """What one transaction notes about failures.

    Attributes:
        setbacks: records that failed and are tried again.
        passed: per partition, the offset below which attempts need not be remembered.
    """

    setbacks: Sequence[FailedAttempt] = ()
    passed: Mapping[Partition, int] = {}


def notes_of(plan: Plan, passed: Mapping[Partition, int]) -> FailureChanges | None:
    """A plan's notes; None if it has none, as nearly every plan."""
    return FailureChanges(plan.setbacks, passed) if plan.setbacks or passed else None


class FailureTables:
    """Reads notes, and writes alarms; batches write the rest with their own transaction (`write`).

    Args:
        reading, writing: connections to the group's store; they raise `DependencyUnavailable`.
    """

    def __init__(self, reading: Connected, writing: Connected) -> None:
        self._reading = reading
        self._writing = writing

    def tries(self, partitions: Collection[Partition]) -> dict[Position, Attempts]:
        """Records of these partitions that failed, how often, and when they are tried next."""
        columns = attempts.c
        wanted = select(columns.topic, columns.partition, columns.offset, columns["count"], columns["at"])
        with self._reading() as connection:
            return {
                Position(topic, number, offset): Attempts(times, at)
                for topic, number, offset, times, at in connection.execute(wanted)
                if (topic, number) in partitions
            }

    def alarms(self) -> list[Alarm]:
        """The group's alarms."""
        with self._reading() as connection:
            rows = connection.execute(select(alarms).order_by(alarms.c.name, alarms.c.subject)).all()
        return [Alarm(*row) for row in rows]

    def sound(self, alarm: Alarm) -> None:
        """Write an alarm; one that is there already keeps its time and gets the new text."""
        statement = upsert(alarms).values(**alarm._replace(text=_plain(alarm.text))._asdict())
        with self._writing() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name", "subject"], set_={"text": statement.excluded.text}
                )
            )

    def hush(self, name: str, subject: str) -> None:
        """Remove an alarm."""
        with self._writing() as connection:
            connection.execute(delete(alarms).where(alarms.c.name == name, alarms.c.subject == subject))


def write(connection: Connection, notes: FailureChanges) -> None:
    """Write notes within a transaction; keys are sorted, so that no two members deadlock."""
    if notes.setbacks:
        rows = [
            {
                **_where(each.position),
                "count": each.tried.times,
                "error": _plain(each.why),
                "at": each.tried.at,
            }
            for each in sorted(notes.setbacks, key=lambda each: each.position)
        ]
        connection.execute(_COUNT, rows)
    for (topic, number), below in sorted(notes.passed.items()):
        here = and_(attempts.c.topic == topic, attempts.c.partition == number)
        connection.execute(delete(attempts).where(here, attempts.c.offset < below))


def _where(where: Position) -> dict[str, Any]:
    return {"topic": where.topic, "partition": where.partition, "offset": where.offset}


def _plain(text: str) -> str:
    """Words of a library or a receiver as a database takes them: in bounds, and without lone surrogates."""
    return text[:_MAX_TEXT].encode("utf-8", "backslashreplace").decode()


def _counting() -> Any:
    statement = upsert(attempts)
    new, old = statement.excluded, attempts.c
    return statement.on_conflict_do_update(
        index_elements=["topic", "partition", "offset"],
        set_={
            "count": case((new["count"] > old["count"], new["count"]), else_=old["count"]),
            "error": new.error,
            "at": new["at"],
        },
    )


_COUNT = _counting()
