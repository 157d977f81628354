"""A group's store: effects, progress and stored results, each batch in one transaction.

Promises: `write` is all or nothing, never moves progress backwards, and refuses an effect key that another
member took in the meantime (`EffectTaken`) so that the batch is decided anew. A lock or a server that does
not answer is `DependencyDown`: wait and try again, nothing was written.

I/O: database, and one lock file per slot beside it.
"""

import fcntl
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.pool import StaticPool

from consumers.runtime.stored_results import Stored, pack, unpack
from consumers.runtime.stores import migrate, statements, tables
from consumers.runtime.work import EffectRow, Known, Outgoing, Partition
from schemas.errors import DependencyDown, ForeignStore, Position

LOCK_WAIT_S = 5
_SLOTS = 64
_LOOKUP = 500


class EffectTaken(Exception):
    """Another member made one of these effects between the look-up and the write."""


class Identity(NamedTuple):
    """Who a store is: its id, its group, the cluster it belongs to, and when it began (ms, UTC)."""

    id: str
    group: str
    cluster: str
    created_at: int


class Progress(NamedTuple):
    """How far a partition has come.

    Attributes:
        position: the next offset to look at.
        results_upto: results of offsets below are known to be committed in Kafka.
        started: a first offset was committed in Kafka, so a missing one is lost.
    """

    position: int
    results_upto: int
    started: bool


class Batch(NamedTuple):
    """What one transaction writes; times in ms."""

    at: int
    effects: Sequence[EffectRow] = ()
    shadows: Sequence[EffectRow] = ()
    results: Sequence[tuple[Position, Outgoing]] = ()
    positions: Mapping[Partition, int] = {}
    results_upto: Mapping[Partition, int] = {}
    finished: Sequence[tuple[int, str]] = ()
    withdrawn: Sequence[tuple[int, str]] = ()


class Store:
    """One group's store, used by one thread.

    Args:
        url: SQLAlchemy address; created and migrated if need be.
        group: the consumer group that owns it.

    Raises:
        DependencyDown: it cannot be opened or migrated.
    """

    def __init__(self, url: str, group: str) -> None:
        migrate.ensure(url)
        self.url = url
        self.group = group
        self._slot: IO[str] | None = None
        self._engine = create_engine(
            url, poolclass=StaticPool, connect_args={"timeout": LOCK_WAIT_S, "check_same_thread": False}
        )
        event.listen(self._engine, "connect", _set_up)
        event.listen(self._engine, "begin", _begin)

    def close(self) -> None:
        """Give up the connection and the slot."""
        self._engine.dispose()
        if self._slot is not None:
            self._slot.close()

    def identity(self, cluster: str, at: int) -> Identity:
        """The store's identity; the first caller writes it.

        Raises:
            ForeignStore: the store belongs to another group or cluster.
        """
        with self._writing() as connection:
            row = connection.execute(select(tables.store)).first()
            found = Identity(*row) if row else Identity(uuid4().hex, self.group, cluster, at)
            if row is None:
                connection.execute(tables.store.insert().values(tuple(found)))
        if found.group != self.group:
            raise ForeignStore(f"the store {self.url} belongs to group {found.group}, not {self.group}")
        if found.cluster != cluster:
            raise ForeignStore(
                f"the store {self.url} belongs to cluster {found.cluster}, this one is {cluster}; "
                "use another --data-dir, or the cluster that the store was made with"
            )
        return found

    def claim_slot(self) -> int:
        """A number below 64 that no other living member of this store has.

        The lock belongs to the process and dies with it, so transactional ids stay stable and members never
        fence each other (design §7, point 11).
        """
        base = Path(make_url(self.url).database or "store")
        for slot in range(_SLOTS):
            lock = base.with_name(f"{base.name}.slot-{slot}").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._slot = lock
            return slot
        raise DependencyDown(f"{_SLOTS} members use {self.url} already; stop one of them")

    def progress(self, partitions: Iterable[Partition]) -> dict[Partition, Progress]:
        """Progress of those partitions that the store knows."""
        wanted = set(partitions)
        with self._reading() as connection:
            rows = connection.execute(select(tables.progress)).all()
        return {
            (row.topic, row.partition): Progress(row.position, row.results_upto, bool(row.started))
            for row in rows
            if (row.topic, row.partition) in wanted
        }

    def begin(self, positions: Mapping[Partition, int], at: int, *, started: bool) -> None:
        """Write where partitions begin at their first start; `started` once Kafka has the offsets too."""
        rows = [
            {
                "topic": t,
                "partition": p,
                "position": o,
                "results_upto": o,
                "started": int(started),
                "updated_at": at,
            }
            for (t, p), o in positions.items()
        ]
        with self._writing() as connection:
            connection.execute(statements.ANNOUNCE, rows)

    def known(self, order_ids: Iterable[int]) -> dict[tuple[int, str], Known]:
        """Effects that orders already have, by order id and effect."""
        ids = list(set(order_ids))
        found: dict[tuple[int, str], Known] = {}
        with self._reading() as connection:
            for start in range(0, len(ids), _LOOKUP):
                for row in connection.execute(statements.KNOWN, {"ids": ids[start : start + _LOOKUP]}):
                    found[row[0], row[1]] = Known(row[2], row[3], Position(row[4], row[5], row[6]))
        return found

    def results(self, positions: Collection[Position]) -> list[tuple[Position, Outgoing]]:
        """The stored results of these positions, in the order they were made."""
        rows: list[Stored] = []
        with self._reading() as connection:
            for topic, number in sorted({each[:2] for each in positions}):
                offsets = [each.offset for each in positions if each[:2] == (topic, number)]
                span = {"t": topic, "p": number, "low": min(offsets), "high": max(offsets)}
                rows += [Stored(*row) for row in connection.execute(statements.RESULTS, span)]
        return unpack(rows, positions)

    def write(self, batch: Batch) -> None:
        """Write one batch, all or nothing.

        Raises:
            EffectTaken: another member made one of the effects; nothing was written.
            DependencyDown: the database is locked or gone; nothing was written.
        """
        try:
            with self._writing() as connection:
                self._write(connection, batch)
        except IntegrityError as error:
            raise EffectTaken from error

    def _write(self, connection: Connection, batch: Batch) -> None:
        run = connection.exec_driver_sql
        # Sorted keys: neighbours in the tree are written together, and no two members deadlock.
        if batch.effects:
            run(statements.INSERT_EFFECT, [tuple(row) for row in sorted(batch.effects, key=_effect_key)])
        if batch.shadows:
            run(statements.INSERT_SHADOW, [tuple(row) for row in sorted(batch.shadows, key=_effect_key)])
        if batch.results:
            run(statements.INSERT_RESULT, [tuple(row) for row in pack(batch.results)])
        if batch.finished:
            run(statements.FINISH, sorted(batch.finished))
        if batch.withdrawn:
            run(statements.WITHDRAW, sorted(batch.withdrawn))
        for (topic, partition), position in sorted(batch.positions.items()):
            upto = batch.results_upto.get((topic, partition), 0)
            connection.execute(
                statements.ADVANCE,
                {
                    "topic": topic,
                    "partition": partition,
                    "position": position,
                    "results_upto": upto,
                    "started": 1,
                    "updated_at": batch.at,
                },
            )
            run(statements.DROP_SENT, (topic, partition, upto))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._guarded(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._guarded(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (OperationalError, DBAPIError) as error:
            raise DependencyDown(f"the store {self.url} does not answer: {error.orig}") from error


def _effect_key(row: EffectRow) -> tuple[int, str]:
    return row.order_id, row.effect


def _set_up(raw: Any, _record: object) -> None:
    # The driver's own BEGIN is deferred: it would fail instead of waiting when two members write.
    raw.isolation_level = None
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("PRAGMA synchronous=FULL")


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
