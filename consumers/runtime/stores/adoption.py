"""What of a store belongs to its cluster and its topics, and is written anew where these are others now.

Effects belong to orders and stay; only deliveries that were begun and not finished are forgotten with the
record that they belong to, and are made when the order comes again.

I/O: database, on connections that the store hands out.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, false, func, or_, select, update

from clients.records import ProducerRecord
from consumers.runtime.decide import INTENDED
from consumers.runtime.records import Partition, Progress
from consumers.runtime.stores.database import Connected
from consumers.runtime.stores.result_rows import ResultRow, unpack
from consumers.runtime.stores.tables import attempts, effects, progress, results, store, topics
from consumers.runtime.stores.upsert import upsert
from schemas.errors import Position


class Adoption(NamedTuple):
    """What a store takes over.

    Attributes:
        at: now, ms since the epoch.
        cluster: id of the cluster that it belongs to from now on.
        topic_ids: ids of the topics that its offsets are of from now on.
        progress: per partition, how far it is.
        anew: partitions whose log is another one than before.
    """

    at: int
    cluster: str
    topic_ids: Mapping[str, str]
    progress: Mapping[Partition, Progress]
    anew: Sequence[Partition]


class AdoptionTables:
    """What of a store an adoption reads and writes.

    Args:
        reading, writing: connections to the group's store; they raise `DependencyUnavailable`.
    """

    def __init__(self, reading: Connected, writing: Connected) -> None:
        self._reading = reading
        self._writing = writing

    def cluster(self) -> tuple[str, str, str] | None:
        """The store's id, its group and the id of its cluster; None before a member began with it."""
        query = select(store.c.id, store.c.group_id, store.c.cluster_id)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], row[1], row[2])

    def results(self, partitions: Sequence[Partition]) -> list[tuple[Position, ProducerRecord]]:
        """Every stored result of records of these partitions."""
        query = select(results).where(_of(results.c.source_topic, results.c.source_partition, partitions))
        with self._reading() as connection:
            rows = [ResultRow(*row) for row in connection.execute(query.order_by(results.c.first_offset))]
        return unpack(rows)

    def count_intended(self, partitions: Sequence[Partition]) -> int:
        """How many deliveries of records of these partitions were begun and are not finished."""
        query = select(func.count()).select_from(effects).where(_intended(partitions))
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def write(self, adoption: Adoption) -> None:
        """Write an adoption, all or nothing."""
        anew = adoption.anew
        with self._writing() as connection:
            connection.execute(update(store).values(cluster_id=adoption.cluster))
            of_results = _of(results.c.source_topic, results.c.source_partition, anew)
            connection.execute(delete(results).where(of_results))
            connection.execute(delete(attempts).where(_of(attempts.c.topic, attempts.c.partition, anew)))
            connection.execute(delete(effects).where(_intended(anew)))
            for name, topic_id in sorted(adoption.topic_ids.items()):
                _replace(connection, topics, {"topic": name}, {"topic_id": topic_id})
            for (name, number), state in sorted(adoption.progress.items()):
                values = {**state._asdict(), "started": int(state.started), "updated_at": adoption.at}
                _replace(connection, progress, {"topic": name, "partition": number}, values)


def _intended(partitions: Sequence[Partition]) -> ColumnElement[bool]:
    origin = _of(effects.c.source_topic, effects.c.source_partition, partitions)
    return and_(effects.c.outcome == INTENDED, origin)


def _of(
    topic: ColumnElement[str], partition: ColumnElement[int], partitions: Sequence[Partition]
) -> ColumnElement[bool]:
    return or_(false(), *(and_(topic == name, partition == number) for name, number in partitions))


def _replace(
    connection: Connection, table: Table, key: Mapping[str, object], values: Mapping[str, object]
) -> None:
    statement = upsert(table).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=[*key], set_=dict(values)))
