"""What one transaction of a store writes, and how.

I/O: database, on a connection that the store hands out.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from clients.records import ProducerRecord
from consumers.runtime.order_states import StateChange, TimerChange
from consumers.runtime.records import EffectRow, Intention, Partition
from consumers.runtime.stores import failure_tables, state_tables, statements
from consumers.runtime.stores.database import Database
from consumers.runtime.stores.failure_tables import FailureChanges
from consumers.runtime.stores.result_rows import pack
from consumers.runtime.stores.state_tables import DueTimer
from databases.text import kept, plain
from schemas.errors import Position


class EffectTaken(Exception):
    """Another member made one of these effects, or changed one of these states, since the look-up."""


class StoreWrite(NamedTuple):
    """What one transaction writes.

    Attributes:
        at: now, ms since the epoch.
        effects: new effects; a key that is taken refuses the whole write.
        changed: effects that were intended or unresolved, and are not any more.
        states: what orders' states become; a number or message that is taken refuses the whole write.
        timers: timers that are set or cancelled.
        fired: timers whose records are in Kafka.
        shadows: shadow decisions; one that is there already stays.
        results: result records to keep until Kafka has them, each with the position whose effect it reports.
        positions: per partition, the next offset to handle.
        results_upto: per partition, the offset below which Kafka is known to have the results.
        finished: intentions that are done.
        withdrawn: intentions that are taken back.
        failures: failed attempts, or None.
    """

    at: int
    effects: Sequence[EffectRow] = ()
    changed: Sequence[EffectRow] = ()
    states: Sequence[StateChange] = ()
    timers: Sequence[TimerChange] = ()
    fired: Sequence[DueTimer] = ()
    shadows: Sequence[EffectRow] = ()
    results: Sequence[tuple[Position, ProducerRecord]] = ()
    positions: Mapping[Partition, int] = {}
    results_upto: Mapping[Partition, int] = {}
    finished: Sequence[Intention] = ()
    withdrawn: Sequence[Intention] = ()
    failures: FailureChanges | None = None


def write(database: Database, connection: Connection, batch: StoreWrite) -> None:
    """Write a batch within a transaction.

    Keys are sorted: neighbours in the tree are written together, and no two members deadlock.

    Raises:
        EffectTaken: an effect key is.
    """

    def execute(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            database.execute_rows(connection, statement, rows)

    try:
        execute(statements.EFFECT, _rows(batch.effects))
        if batch.states or batch.fired:
            state_tables.write(database, connection, batch.states, batch.timers, batch.fired)
    except IntegrityError as error:
        raise EffectTaken from error
    execute(statements.CHANGE, _rows(batch.changed))
    execute(statements.SHADOW, _rows(batch.shadows))
    execute(statements.RESULT, sorted(pack(batch.results)))
    execute(statements.FINISH, _intentions(batch.finished))
    execute(statements.WITHDRAW, _intentions(batch.withdrawn))
    if batch.failures is not None:
        failure_tables.write(database, connection, batch.failures)
    partitions = sorted(batch.positions)
    upto = [batch.results_upto.get(partition, 0) for partition in partitions]
    execute(
        statements.ADVANCE,
        [
            (*partition, batch.positions[partition], results_upto, 1, batch.at)
            for partition, results_upto in zip(partitions, upto, strict=True)
        ],
    )
    execute(
        statements.DROP_SENT,
        [(*partition, results_upto) for partition, results_upto in zip(partitions, upto, strict=True)],
    )


def _rows(effects: Sequence[EffectRow]) -> list[tuple[Any, ...]]:
    # By key alone: of two rows with one key the first one given stays the first.
    return sorted(map(_row, effects), key=itemgetter(0, 1))


def _row(row: EffectRow) -> EffectRow:
    if plain(f"{row.effect}{row.input}{row.detail}{row.message_id}"):
        return row
    return row._replace(
        effect=kept(row.effect),
        input=None if row.input is None else kept(row.input),
        detail=None if row.detail is None else kept(row.detail),
        message_id=kept(row.message_id),
    )


def _intentions(intentions: Sequence[Intention]) -> list[tuple[Any, ...]]:
    return sorted((order_id, kept(effect), *origin) for order_id, effect, origin in intentions)
