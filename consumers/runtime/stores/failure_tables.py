"""What a store keeps of failures: attempts, orders behind dead letters and what waits there, alarms.

Promises: the same on SQLite and PostgreSQL; writing the same notes twice changes nothing, and a count of
attempts never goes down, so that no restart and no other member begins anew.

I/O: database, on connections that the store hands out.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, delete, func, select

from consumers.runtime.records import Alarm, Attempts, ConsumerRecord, FailedAttempt, Partition, Plan
from consumers.runtime.stores.result_rows import headers_of, headers_text
from consumers.runtime.stores.tables import alarms, attempts, held, parked
from consumers.runtime.stores.upsert import upsert
from schemas.errors import Position

_MAX_TEXT = 1_000
_LOOKUP = 500

Connected = Callable[[], AbstractContextManager[Connection]]


class FailureChanges(NamedTuple):
    """What one transaction notes about failures.

    Attributes:
        setbacks: records that failed and are tried again.
        passed: per partition, the offset below which attempts need not be remembered.
        held: orders behind a dead letter, each with its position.
        parked: records that wait behind one, each with its order, in order.
        unparked: positions of parked records that are settled.
        freed: orders that are held no more.
    """

    setbacks: Sequence[FailedAttempt] = ()
    passed: Mapping[Partition, int] = {}
    held: Mapping[int, Position] = {}
    parked: Sequence[tuple[int, ConsumerRecord]] = ()
    unparked: Sequence[Position] = ()
    freed: Sequence[int] = ()


def notes_of(plan: Plan, passed: Mapping[Partition, int]) -> FailureChanges | None:
    """A plan's notes; None if it has none, as nearly every plan."""
    if not (plan.setbacks or passed or plan.held or plan.parked or plan.unparked or plan.freed):
        return None
    return FailureChanges(plan.setbacks, passed, plan.held, plan.parked, plan.unparked, plan.freed)


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

    def held(self, order_ids: Iterable[int]) -> dict[int, Position]:
        """Those of these orders that are behind a dead letter, with its position."""
        ids = sorted(set(order_ids))
        found: dict[int, Position] = {}
        with self._reading() as connection:
            for start in range(0, len(ids), _LOOKUP):
                wanted = held.c.order_id.in_(ids[start : start + _LOOKUP])
                for row in connection.execute(select(held).where(wanted)):
                    found[row.order_id] = Position(row.topic, row.partition, row.offset)
        return found

    def parked(self, order_id: int) -> list[ConsumerRecord]:
        """What waits behind an order's dead letter, in order."""
        with self._reading() as connection:
            rows = connection.execute(
                select(parked).where(parked.c.order_id == order_id).order_by(parked.c.number)
            ).all()
        return [
            ConsumerRecord(
                Position(row.topic, row.partition, row.offset),
                row.source,
                row.timestamp,
                row.key,
                row.value,
                headers_of(row.headers),
            )
            for row in rows
        ]

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


def write(connection: Connection, notes: FailureChanges, at: int) -> None:
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
    if notes.freed:
        # First: a later record of the same batch may hold the order anew.
        connection.execute(delete(held).where(held.c.order_id.in_(sorted(notes.freed))))
    if notes.held:
        rows = [{"order_id": order, **_where(where), "at": at} for order, where in sorted(notes.held.items())]
        connection.execute(_HOLD, rows)
    if notes.parked:
        _park(connection, notes.parked, at)
    for where in sorted(notes.unparked):
        columns = parked.c
        connection.execute(
            delete(parked).where(
                columns.topic == where.topic,
                columns.partition == where.partition,
                columns.offset == where.offset,
            )
        )


def _park(connection: Connection, records: Sequence[tuple[int, ConsumerRecord]], at: int) -> None:
    last: int | None = connection.execute(select(func.max(parked.c.number))).scalar()
    rows = [
        {
            **_where(record.position),
            "order_id": order_id,
            "number": number,
            "source": record.source,
            "timestamp": record.timestamp,
            "key": record.key,
            "value": record.value,
            "headers": headers_text(record.headers or []),
            "at": at,
        }
        for number, (order_id, record) in enumerate(records, (last or 0) + 1)
    ]
    # A batch that comes again parks the same records: they keep their place.
    connection.execute(upsert(parked).on_conflict_do_nothing(), rows)


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


def _holding() -> Any:
    statement = upsert(held)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["order_id"],
        set_={"topic": new.topic, "partition": new.partition, "offset": new.offset, "at": new["at"]},
    )


_COUNT = _counting()
_HOLD = _holding()
