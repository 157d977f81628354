"""The status: cluster, mode, topics, groups with lag and age, stores, alarms.

Promises: changes nothing, joins no group; every question to the broker has a deadline, and counting stops at
10,000 undecided dead letters a topic, so that the answer comes in seconds (those that are decided are passed
over one by one, until `cev topics clean` deletes them).

I/O: Kafka (metadata, offsets, first waiting records, order_mode, dead letters), stores read-only.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import NamedTuple

from clients.admin import Admin, Partition, Watermarks
from clients.config import Cluster
from clients.log_reader import first_records
from operations import groups
from operations.dead_letters.decisions import undecided
from operations.groups import EMPTY, CommittedOffset, Group
from operations.status import alarms, progress, standstill
from operations.status.alarms import DeadLetterCount, Lag, StatusAlarm
from operations.status.mode import read_mode
from operations.status.must_handle import must_handle_of
from operations.status.standstill import GroupState
from operations.status.stores import Reader, StoreState, read_stores
from operations.topics.provision import TopicDescription, describe
from schemas.codec import Codec
from schemas.control import ModeChanged
from schemas.times import now_ms
from schemas.topics import Kind, Topic, retry_topic

COUNTED = 10_000
_STALL_S = 10.0


class Moment(NamedTuple):
    """What was read at one moment, in this order.

    Attributes:
        committed: each group's committed offsets.
        members: each group's live members.
        stores: the stores that are there.
        silent: groups whose store cannot be read, and why.
    """

    committed: Mapping[str, Mapping[Partition, CommittedOffset]]
    members: Mapping[str, Group]
    stores: Sequence[StoreState]
    silent: Mapping[str, str]


class Status(NamedTuple):
    """All that `cev status` shows; `mode` is None while the control topic is missing or cannot be read."""

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
    names = sorted({*groups.names(admin), *(reader.group for reader in readers)})
    partitions = [
        (description.topic.name, number) for description in topics for number in description.watermarks
    ]
    moment = _look(admin, names, partitions, readers)
    mode, mode_alarms = read_mode(cluster, codec, timeout_s=admin.timeout_s)
    must_handle = must_handle_of(catalogue, readers, mode)
    lags = _lags(cluster, topics, readers, must_handle, moment)
    return Status(
        brokers.cluster_id,
        len(brokers.ids),
        mode,
        tuple(topics),
        tuple(lags),
        tuple(moment.stores),
        (
            *alarms.of_topics(
                (description.topic for description in topics if description.state is None),
                (difference for description in topics for difference in description.differs),
            ),
            *mode_alarms,
            *alarms.of_foreign_groups(catalogue, _at_topics(moment.committed), moment.members.items()),
            *alarms.of_lags(lags, must_handle, [reader.group for reader in readers], now_ms()),
            *_standstill(admin, readers, lags, moment, partitions),
            *_cannot_run(admin, topics, readers, moment),
            *alarms.of_dead_letters(_count_dead_letters(admin, topics)),
            *alarms.of_silent_stores(moment.silent.items()),
            *(alarm for state in moment.stores for alarm in state.alarms),
        ),
    )


def _at_topics(committed: Mapping[str, Mapping[Partition, CommittedOffset]]) -> set[tuple[str, str]]:
    return {(group, topic) for group, offsets in committed.items() for topic, _ in offsets}


def _look(
    admin: Admin, names: Collection[str], partitions: Collection[Partition], readers: Sequence[Reader]
) -> Moment:
    committed = groups.committed(admin, names, partitions)
    members = groups.members(admin, names)
    stores, silent = read_stores(readers)
    return Moment(committed, members, stores, dict(silent))


def _standstill(
    admin: Admin,
    readers: Sequence[Reader],
    lags: Sequence[Lag],
    moment: Moment,
    partitions: Sequence[Partition],
) -> list[StatusAlarm]:
    suspects = progress.candidates(lags, [reader.group for reader in readers], now_ms())
    if not suspects:
        return []
    stuck = progress.without_commit(admin, suspects, moment.committed, partitions)
    members = groups.members(admin, {lag.group for lag in suspects})
    return alarms.of_standstill(stuck, progress.without_member(suspects, moment.members, members))


def _cannot_run(
    admin: Admin, topics: Sequence[TopicDescription], readers: Sequence[Reader], moment: Moment
) -> list[StatusAlarm]:
    """Alarms of groups whose offsets, logs and stores do not fit together, at a second look as well."""
    watermarks = {
        (description.topic.name, number): marks
        for description in topics
        for number, marks in description.watermarks.items()
    }
    before = {reader.group: _group_state(reader, watermarks, moment) for reader in readers}
    first = [alarm for state in before.values() for alarm in standstill.of_group(state, state)]
    if not first:
        return []
    watermarks = admin.watermarks(watermarks)
    moment = _look(admin, before, watermarks, readers)
    now = [_group_state(reader, watermarks, moment) for reader in readers]
    return standstill.lasting(
        first, (alarm for state in now for alarm in standstill.of_group(state, before[state.group]))
    )


def _group_state(reader: Reader, watermarks: Mapping[Partition, Watermarks], moment: Moment) -> GroupState:
    names = {*reader.reads, *(retry_topic(reader.group, topic) for topic in reader.reads)}
    store = next((store for store in moment.stores if store.group == reader.group), None)
    return GroupState(
        group=reader.group,
        members=moment.members[reader.group].members,
        watermarks={partition: marks for partition, marks in watermarks.items() if partition[0] in names},
        committed={
            partition: offset
            for partition, offset in moment.committed[reader.group].items()
            if partition[0] in names
        },
        store=str(reader.store),
        store_silent=reader.group in moment.silent,
        store_id=store.id if store else "",
        progress=store.progress if store else {},
    )


def _lags(
    cluster: Cluster,
    topics: Sequence[TopicDescription],
    readers: Sequence[Reader],
    must_handle: Mapping[tuple[str, str], bool],
    moment: Moment,
) -> list[Lag]:
    """One entry per group and topic that it has begun, or should have."""
    known = {reader.group for reader in readers}
    lags = []
    for group, offsets in moment.committed.items():
        begun = {topic for topic, _ in offsets}
        mine = [
            description
            for description in topics
            if description.topic.name in begun
            or must_handle.get((group, description.topic.name), False)
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
        alive = moment.members.get(group, EMPTY).members
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
