"""A group's store: effects, progress and stored results, each batch in one transaction.

Promises: `write` is all or nothing, never moves progress backwards, and refuses an effect key that another
member took in the meantime (`EffectTaken` of `batch_write`), so that the batch is decided anew (invariant 1).
A lock or a server that does not answer is `DependencyUnavailable`: nothing was written, wait and try again.
What only one database needs is in `sqlite` and `postgres`.

I/O: database.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from clients.records import ProducerRecord
from consumers.runtime.records import KnownEffect, Partition, Progress
from consumers.runtime.stores import batch_write, database, migrate, statements, tables
from consumers.runtime.stores.adoption import AdoptionTables
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.database import Database
from consumers.runtime.stores.failure_tables import FailureTables
from consumers.runtime.stores.member_table import MemberTable
from consumers.runtime.stores.result_rows import ResultRow, unpack
from consumers.runtime.stores.sqlite import Sqlite
from consumers.runtime.stores.state_tables import StateTables
from consumers.runtime.stores.topic_table import TopicTable
from consumers.runtime.stores.write_mark import WriteMark
from databases.address import StoreAddress
from databases.text import restored
from schemas.errors import DependencyUnavailable, ForeignStore, Position

LOCK_WAIT_S = 5.0


class Identity(NamedTuple):
    """Who a store is: its id, its group, the cluster it belongs to, and when it began (ms, UTC)."""

    id: str
    group: str
    cluster: str
    created_at: int


class Store:
    """One group's store, used by one thread.

    Args:
        name: which; created and migrated if need be.

    Attributes:
        name: the same.
        failures, members: tables of its own that others read and write.
        in_doubt: the connection was lost since this was last set to False: the next one may lead to an older
            state.

    Raises:
        DependencyUnavailable: it cannot be opened or migrated.
        InvalidSetting: its address cannot be read.
        SafetyRefusal: its migration would lose what it holds, or a pool lends its connections to others.
    """

    def __init__(self, name: StoreAddress) -> None:
        self.name = name
        self.in_doubt = False
        self._mark: WriteMark | None = None
        self._database = _open(name)
        with self._guarded():
            self._database.check_sessions()
        migrate.ensure(name)
        self.failures = FailureTables(self._reading, self._writing, self._unchecked_writing)
        self.members = MemberTable(self._reading, self._writing, self._database.is_held)
        self.topics = TopicTable(self._reading, self._writing)
        self.adoption = AdoptionTables(self._reading, self._writing)
        self.states = StateTables(self._database, self._reading, self._writing)

    def close(self) -> None:
        """Give up the connection and the slot."""
        self._database.close()

    def identity(self, cluster: str, at: int) -> Identity:
        """The store's identity; the first caller writes it.

        Raises:
            ForeignStore: the store belongs to another group or cluster.
        """
        group = self.name.group
        with self._writing() as connection:
            self._database.lock_identity(connection)
            row = connection.execute(select(tables.store)).first()
            identity = Identity(*row) if row else Identity(uuid4().hex, group, cluster, at)
            if row is None:
                connection.execute(tables.store.insert().values(tuple(identity)))
        if identity.group != group:
            raise ForeignStore(f"the store {self.name} belongs to group {identity.group}, not {group}")
        if identity.cluster != cluster:
            raise ForeignStore(
                f"the store {self.name} belongs to cluster {identity.cluster}, this one is {cluster}; "
                "use another --data-dir or database, or the cluster that the store was made with; where the "
                f"group has moved, `cev store adopt {group}` shows where it would go on, and sets it there"
            )
        return identity

    def set_first_start(self, at: int) -> None:
        """Mend when the group began, ms since the epoch: another clock wrote it."""
        with self._writing() as connection:
            connection.execute(tables.store.update().values(created_at=at))

    def claim_slot(self) -> int:
        """A number below 64 that no other living member of this store has.

        The lock dies with the process, so transactional ids stay stable and members never fence each other
        (invariant 15). In PostgreSQL it dies with the connection too: from then on every call takes
        it again before anything else.

        Raises:
            DependencyUnavailable: all are taken.
        """
        with self._guarded():
            slot = self._database.claim_slot()
        if slot is None:
            raise DependencyUnavailable(f"{database.SLOTS} members use {self.name} already; stop one of them")
        return slot

    def register(self, slot: int, at: int) -> str:
        """Make a token for the member that has just claimed a slot (`MemberTable`).

        From here on every transaction makes sure that the store is in the state in which the last one left
        it, and raises `RevertedStore` if not.
        """
        token = self.members.register(slot, at)
        self._mark = WriteMark(self.name, self._database, token)
        return token

    def check(self) -> None:
        """Make sure, without writing, that the store is where and as this member left it.

        Raises:
            RevertedStore, ReplacedStore: it is not.
            DependencyUnavailable: the database does not answer.
        """
        with self._reading() as connection:
            if self._mark is not None:
                self._mark.check(connection)

    def progress(self, partitions: Iterable[Partition]) -> dict[Partition, Progress]:
        """Progress of those partitions that the store knows."""
        partitions = set(partitions)
        with self._reading() as connection:
            rows = connection.execute(select(tables.progress)).all()
        return {
            (row.topic, row.partition): Progress(row.position, row.results_upto, bool(row.started))
            for row in rows
            if (row.topic, row.partition) in partitions
        }

    def announce_start(self, positions: Mapping[Partition, int], at: int, *, started: bool) -> None:
        """Write where partitions begin at their first start; `started` once Kafka has the offsets too."""
        rows = [
            (topic, number, offset, offset, int(started), at)
            for (topic, number), offset in sorted(positions.items())
        ]
        with self._writing() as connection:
            self._database.execute_rows(connection, statements.ANNOUNCE, rows)

    def find_effects(self, order_ids: Iterable[int]) -> dict[tuple[int, str], KnownEffect]:
        """Effects that orders already have, by order id and effect."""
        ids = sorted(set(order_ids))
        effects: dict[tuple[int, str], KnownEffect] = {}
        with self._reading() as connection:
            # Ids that rise with time have nothing between the lowest and the highest of a batch, mostly.
            between = self._database.sql(statements.EFFECTS_BETWEEN)
            if not ids or not connection.exec_driver_sql(between, (ids[0], ids[-1])).scalar():
                return {}
            for row in self._database.find(connection, statements.EFFECTS, ids):
                order_id, effect, outcome, content, topic, number, offset, detail = row
                effects[order_id, restored(effect)] = KnownEffect(
                    outcome,
                    None if content is None else restored(content),
                    Position(topic, number, offset),
                    None if detail is None else restored(detail),
                )
        return effects

    def results(self, positions: Collection[Position]) -> list[tuple[Position, ProducerRecord]]:
        """The stored results of these positions, in the order they were made (invariant 6)."""
        rows: list[ResultRow] = []
        with self._reading() as connection:
            for topic, number in sorted({position.topic_partition for position in positions}):
                offsets = [
                    position.offset for position in positions if position.topic_partition == (topic, number)
                ]
                span = (topic, number, max(offsets), min(offsets))
                stored = connection.exec_driver_sql(self._database.sql(statements.RESULTS), span)
                rows += [ResultRow(*row) for row in stored]
        return unpack(rows, positions)

    def write(self, batch: StoreWrite) -> None:
        """Write one batch, all or nothing.

        Raises:
            EffectTaken: another member made one of the effects; nothing was written.
            DependencyUnavailable: the database is locked or gone; nothing was written.
        """
        with self._writing() as connection:
            batch_write.write(self._database, connection, batch)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._unchecked_writing() as connection:
            if self._mark is not None:
                self._mark.write(connection)
            yield connection
        if self._mark is not None:
            self._mark.committed()

    @contextmanager
    def _unchecked_writing(self) -> Iterator[Connection]:
        with self._guarded(), self._database.writing() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._guarded(), self._database.reading() as connection:
            if self._mark is not None:
                self._mark.check_session(connection)
            yield connection

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            self.in_doubt |= error.connection_invalidated
            reason = self.name.masked(error.orig)
            raise DependencyUnavailable(f"the store {self.name} does not answer: {reason}") from error


def _open(name: StoreAddress) -> Database:
    if name.path is not None:
        return Sqlite(name.path, lock_wait_s=LOCK_WAIT_S, slots=database.SLOTS)
    from consumers.runtime.stores.postgres import Postgres  # noqa: PLC0415 - a driver that SQLite does without

    return Postgres(name, lock_wait_s=LOCK_WAIT_S, slots=database.SLOTS)
