"""The status: cluster, mode, topics, groups with lag and age, stores, alarms.

Promises: changes nothing, joins no group; every question to the broker has a deadline, and counting stops at
10,000 undecided dead letters a topic, so that the answer comes in seconds (those that are decided are passed
over one by one, until `cev topics clean` deletes them).

I/O: Kafka (metadata, offsets, first waiting records, order_mode, dead letters), stores read-only.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from clients.admin import Admin, Partition, Watermarks
from clients.config import Cluster
from clients.log_reader import first_records
from databases.address import StoreAddress
from databases.snapshot import Snapshot, reading
from databases.text import restored
from operations import groups
from operations.dead_letters.decisions import undecided
from operations.groups import EMPTY, CommittedOffset, Group
from operations.status import alarms
from operations.status.alarms import DeadLetterCount, Lag, StatusAlarm
from operations.topics.provision import TopicDescription, describe
from producers.mode.log import read_mode
from schemas.codec import Codec
from schemas.control import ModeChanged
from schemas.errors import DependencyUnavailable
from schemas.topics import ORDER_MODE, Kind, Topic

COUNTED = 10_000
_STALL_S = 10.0


class Reader(NamedTuple):
    """A registered reaction, as far as its group's position matters here.

    Attributes:
        group: its consumer group.
        reads: its source topics.
        replaces: the command topic that it took over from, or None.
        store: which store it has.
    """

    group: str
    reads: tuple[str, ...]
    replaces: str | None
    store: StoreAddress


class StoreState(NamedTuple):
    """One store.

    Attributes:
        group: whose.
        store: which.
        size: bytes on its disk, with write-ahead log or indexes.
        effects: how many it has.
        results: how many batches of results it keeps until Kafka is known to have them.
        alarms: those that the group raised itself.
    """

    group: str
    store: StoreAddress
    size: int
    effects: int
    results: int
    alarms: tuple[StatusAlarm, ...]


class Status(NamedTuple):
    """All that `cev status` shows; `mode` is None while the control topic is missing."""

    cluster_id: str
    brokers: int
    mode: ModeChanged | None
    topics: tuple[TopicDescription, ...]
    lags: tuple[Lag, ...]
    stores: tuple[StoreState, ...]
    alarms: tuple[StatusAlarm, ...]


def collect_status(
    cluster: Cluster, codec: Codec, catalogue: Sequence[Topic], readers: Sequence[Reader]
) -> Status:
    """Ask the cluster and the stores.

    Args:
        cluster: where.
        codec: reads the control topic.
        catalogue: the topics that must be there.
        readers: the registered reactions.

    Raises:
        BrokerUnreachable, RegistryUnreachable: nobody answers.
        OperationFailed: the broker refused a question.
    """
    admin = Admin(cluster)
    brokers = admin.brokers()
    topics = describe(cluster, catalogue, admin=admin)
    there = {description.topic.name for description in topics if description.state is not None}
    names = sorted({*groups.names(admin), *(reader.group for reader in readers)})
    partitions = [
        (description.topic.name, number) for description in topics for number in description.watermarks
    ]
    committed = groups.committed(admin, names, partitions)
    members = groups.members(admin, names)
    lags = _lags(cluster, topics, readers, committed, members)
    stores, silent = _stores(readers)
    return Status(
        brokers.cluster_id,
        len(brokers.ids),
        read_mode(cluster, codec, timeout_s=admin.timeout_s) if ORDER_MODE in there else None,
        tuple(topics),
        tuple(lags),
        tuple(stores),
        (
            *alarms.of_topics(
                (description.topic for description in topics if description.state is None),
                (difference for description in topics for difference in description.differs),
            ),
            *alarms.of_foreign_groups(catalogue, _at_topics(committed), members.items()),
            *alarms.of_lags(lags, _must_handle(catalogue, readers)),
            *alarms.of_dead_letters(_count_dead_letters(admin, topics)),
            *alarms.of_silent_stores(silent),
            *(alarm for state in stores for alarm in state.alarms),
        ),
    )


def _at_topics(committed: Mapping[str, Mapping[Partition, CommittedOffset]]) -> set[tuple[str, str]]:
    return {(group, topic) for group, offsets in committed.items() for topic, _ in offsets}


def _must_handle(catalogue: Sequence[Topic], readers: Sequence[Reader]) -> list[tuple[str, str]]:
    return [
        (reader.group, topic.name)
        for reader in readers
        for topic in catalogue
        if topic.name in reader.reads and (topic.kind is Kind.COMMAND or reader.replaces)
    ]


def _lags(
    cluster: Cluster,
    topics: Sequence[TopicDescription],
    readers: Sequence[Reader],
    committed: Mapping[str, Mapping[Partition, CommittedOffset]],
    members: Mapping[str, Group],
) -> list[Lag]:
    """One entry per group and topic that it has begun; a command topic's owner has always begun."""
    known = {reader.group for reader in readers}
    lags = []
    for group, offsets in committed.items():
        begun = {topic for topic, _ in offsets}
        mine = [
            description
            for description in topics
            if description.topic.name in begun
            or (description.topic.kind is Kind.COMMAND and description.topic.owner == group)
        ]
        behind = {
            partition: start
            for description in mine
            for partition, start in _behind(description, offsets).items()
        }
        # Of groups that are not ours the lag is enough: their first waiting records are not read.
        oldest: Mapping[Partition, int | None] = (
            _oldest(cluster, behind) if group in known else dict.fromkeys(behind)
        )
        alive = members.get(group, EMPTY).members
        lags += [_lag(description, group, alive, behind, oldest) for description in mine]
    return lags


def _behind(
    description: TopicDescription, offsets: Mapping[Partition, CommittedOffset]
) -> dict[Partition, int]:
    starts = {}
    for number, marks in description.watermarks.items():
        partition = (description.topic.name, number)
        start = max(offsets[partition].offset if partition in offsets else marks.low, marks.low)
        if start < marks.stable:
            starts[partition] = start
    return starts


def _oldest(cluster: Cluster, behind: Mapping[Partition, int]) -> dict[Partition, int | None]:
    """When the first waiting record was written; a partition where only markers follow is left out."""
    return {
        partition: record.timestamp
        for partition, record in first_records(cluster, behind, stall_s=_STALL_S).items()
        if record is not None
    }


def _lag(
    description: TopicDescription,
    group: str,
    alive: int,
    behind: Mapping[Partition, int],
    oldest: Mapping[Partition, int | None],
) -> Lag:
    waiting = [partition for partition in oldest if partition[0] == description.topic.name]
    lag = sum(description.watermarks[number].stable - behind[topic, number] for topic, number in waiting)
    times = [at for partition in waiting if (at := oldest[partition]) is not None]
    return Lag(group, description.topic.name, lag, min(times, default=None), alive)


def _count_dead_letters(admin: Admin, topics: Iterable[TopicDescription]) -> list[DeadLetterCount]:
    counts = []
    for description in topics:
        watermarks: dict[Partition, Watermarks] = {
            (description.topic.name, number): marks
            for number, marks in description.watermarks.items()
            if marks.stable > marks.low
        }
        if description.topic.kind is Kind.DEAD_LETTER and watermarks:
            # A limit one higher tells "exactly so many" from "more".
            with closing(undecided(admin, description.topic, watermarks, stall_s=_STALL_S)) as open_letters:
                times = [letter.timestamp for letter in islice(open_letters, COUNTED + 1)]
            counts.append(
                DeadLetterCount(
                    description.topic,
                    min(len(times), COUNTED),
                    min(times, default=None),
                    more=len(times) > COUNTED,
                )
            )
    return counts


def _stores(readers: Iterable[Reader]) -> tuple[list[StoreState], list[tuple[str, str]]]:
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
    def number(table: str) -> int:
        return next(store.rows(f"SELECT count(*) FROM {table}"))[0] if store.has(table) else 0  # noqa: S608 - names of our own

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
        number("results"),
        tuple(
            alarms.of_group(reader.group, restored(n), restored(s), at, restored(t)) for n, s, at, t in rows
        ),
    )
