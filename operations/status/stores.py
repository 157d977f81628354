"""The groups' stores, as `cev status` shows them: what is in them, and the alarms that the groups raised.

I/O: stores, read-only.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from clients.admin import Partition
from consumers.runtime.reaction import StateAlarm
from consumers.runtime.records import Progress
from databases.address import StoreAddress
from databases.snapshot import Snapshot, reading
from databases.text import restored
from operations.status import alarms
from operations.status.alarms import StatusAlarm
from schemas.errors import DependencyUnavailable


class Reader(NamedTuple):
    """A registered reaction, as far as its group's position matters here.

    Attributes:
        group: its consumer group.
        reads: its source topics.
        replaces: the command topic that it took over from, or None.
        store: which store it has.
        alarms: states of orders that are alarms.
    """

    group: str
    reads: tuple[str, ...]
    replaces: str | None
    store: StoreAddress
    alarms: tuple[StateAlarm, ...] = ()


class StoreState(NamedTuple):
    """One store.

    Attributes:
        group: whose.
        store: which.
        size: bytes on its disk, with write-ahead log or indexes.
        effects: how many it has.
        skipped: of these, mails and texts that were old news at the group's first start, and never sent.
        results: how many batches of results it keeps until Kafka is known to have them.
        alarms: those that the group raised itself, and those of its orders' states.
        id: the store's own id, empty before a member opened it.
        progress: how far it has come, by partition.
    """

    group: str
    store: StoreAddress
    size: int
    effects: int
    skipped: int
    results: int
    alarms: tuple[StatusAlarm, ...]
    id: str
    progress: Mapping[Partition, Progress]


def read_stores(readers: Iterable[Reader]) -> tuple[list[StoreState], list[tuple[str, str]]]:
    """Every store that is there, and group and reason of each that cannot be read."""
    states, silent = [], []
    for reader in readers:
        try:
            with reading(reader.store) as store:
                if store is not None:
                    states.append(_state(reader, store))
        except DependencyUnavailable as error:
            # A store that does not answer must not hide the rest of the status.
            silent.append((reader.group, str(error)))
    return states, silent


def _state(reader: Reader, store: Snapshot) -> StoreState:
    # A store that no member of this version has opened lacks the newer tables.
    def number(table: str, which: str = "") -> int:
        return next(store.rows(f"SELECT count(*) FROM {table} {which}"))[0] if store.has(table) else 0  # noqa: S608 - names of our own

    rows = (
        store.rows("SELECT name, subject, since, text FROM alarms ORDER BY 1, 2")
        if store.has("alarms")
        else ()
    )
    return StoreState(
        reader.group,
        reader.store,
        store.size(),
        number("effects"),
        number("effects", "WHERE outcome = 'skipped'"),
        number("results"),
        (
            *(
                alarms.of_group(reader.group, restored(n), restored(s), at, restored(t))
                for n, s, at, t in rows
            ),
            *_of_states(reader, store),
        ),
        next((str(row[0]) for row in store.rows("SELECT id FROM store")), ""),
        {
            (topic, number): Progress(position, upto, bool(started))
            for topic, number, position, upto, started in store.rows(
                "SELECT topic, partition, position, results_upto, started FROM progress"
            )
        },
    )


def _of_states(reader: Reader, store: Snapshot) -> list[StatusAlarm]:
    if not reader.alarms or not store.has("order_states"):
        return []
    query = "SELECT status, count(*), min(changed_at) FROM order_states GROUP BY status"
    counts = {status: (number, since) for status, number, since in store.rows(query)}
    return alarms.of_states(reader.group, reader.alarms, counts)
