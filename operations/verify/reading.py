"""Gathering the evidence into a workspace, in an order that lets no running system look worse than it is.

    committed offsets -> results -> stores -> dead letters -> notifications, commands, payments, captures,
    facts -> where logs begin -> committed offsets once more

What a group has committed at the first step was durable before it, so every later step must show it. What one
step shows (an effect) must have its cause in the step after it (its record): each step reads to log ends that
it asks for after the step before. A refund's cause is a result, which was read before it: so a refund is
judged only where the warehouse had passed it at the first step.

I/O: Kafka (reads topics and committed offsets), stores through stores.py, a temporary database through
workspace.py.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from clients.admin import Admin, Partition, partitions_of
from clients.config import Cluster
from clients.groups import group_members
from clients.log_reader import LogRecord, scan
from databases.address import StoreAddress
from operations import groups
from operations.groups import CommittedOffset
from operations.verify import dead_letters, stores
from operations.verify.evidence import (
    READS,
    STEPS,
    Offsets,
    Reads,
    retry_topics,
)
from operations.verify.records import order_record, order_result
from operations.verify.workspace import Workspace
from schemas.codec import Codec
from schemas.control import ModeChanged
from schemas.envelope import by_name
from schemas.errors import ForeignStore, OperationFailed, Position, TopicMissing, UndecodableMessage
from schemas.topics import DISPATCH_RESULTS, PAYMENTS_TIMERS, Message

Report = Callable[[str], None]
_LONGEST_WAY = 8
"""Topics that an order comes through in flow `process`: fact, capture, captured, dispatch, rejected, refund,
refunded, notification."""
_POLL_INTERVAL_S = 0.25
_REPORT_EVERY = 10_000
_BATCH = 2_000


def wait(cluster: Cluster, reads: Reads, seconds: float, report: Report) -> bool:
    """Until each of the groups has passed the ends as they are now; False if the time was not enough.

    What one group writes may be another's to read, so ends that rose meanwhile are waited for as well: as
    often as an order goes from topic to topic, and no longer where more and more orders are placed.

    A further reaction that nobody runs is not waited for: somebody has tried it once, and no order owes it.

    Raises:
        BrokerUnreachable, TopicMissing, OperationFailed.
    """
    admin = Admin(cluster)
    reads = {
        group: topics for group, topics in reads.items() if group in READS or group_members(admin, group)
    }
    # What an operator has sent again is on its way as well.
    partitions = _partitions(admin, (*STEPS, DISPATCH_RESULTS, *retry_topics(reads)))
    subscribed = {group: (*topics, *retry_topics({group: topics})) for group, topics in reads.items()}
    deadline = time.monotonic() + seconds
    ends: dict[Partition, int] = {}
    for _ in range(_LONGEST_WAY):
        before, ends = ends, _ends(admin, partitions)
        if ends == before:
            break
        if not _wait_for(admin, subscribed, ends, deadline, report):
            return False
    return True


def _ends(admin: Admin, partitions: list[Partition]) -> dict[Partition, int]:
    watermarks = admin.watermarks(partitions)
    return {partition: marks.stable for partition, marks in watermarks.items() if marks.stable > marks.low}


def _wait_for(
    admin: Admin, subscribed: Reads, ends: Mapping[Partition, int], deadline: float, report: Report
) -> bool:
    while True:
        committed = groups.committed(admin, subscribed, ends)
        behind = [
            group
            for group, topics in subscribed.items()
            if any(
                _offset_at(committed[group], partition) < end
                for partition, end in ends.items()
                if partition[0] in topics
            )
        ]
        if not behind:
            return True
        if time.monotonic() >= deadline:
            return False
        report(f"waiting for {', '.join(behind)}")
        time.sleep(_POLL_INTERVAL_S)


class Gathered(NamedTuple):
    """What was read beside the workspace.

    Attributes:
        offsets: how far groups and logs are.
        dead_letters: per group, how many dead letters nobody has decided about.
    """

    offsets: Offsets
    dead_letters: Mapping[str, int]


def gather(
    workspace: Workspace,
    cluster: Cluster,
    codec: Codec,
    stores_of: Mapping[str, StoreAddress],
    report: Report,
    *,
    reads: Reads,
) -> Gathered:
    """Read everything into a workspace.

    Args:
        workspace: an empty one.
        cluster: where.
        codec: reads the values; without the registry that the writers used it cannot read theirs.
        stores_of: the store of each of `reads`.
        report: told what is being read.
        reads: the groups whose work is compared.

    Raises:
        BrokerUnreachable, RegistryUnreachable, DependencyUnavailable: something does not answer.
        TopicMissing: `cev topics create` creates it.
        ForeignStore: a store is not the one that the group commits with.
        OperationFailed: a group has committed offsets, but there is no store of it here.
    """
    admin = Admin(cluster)
    topics = (*STEPS, DISPATCH_RESULTS, PAYMENTS_TIMERS, *retry_topics(reads))
    committed = groups.committed(admin, reads, _partitions(admin, topics))
    _read_records(workspace, _read_topics(admin, (DISPATCH_RESULTS,), report), codec)
    report("reading the stores")
    for group in reads:
        _read_store(workspace, group, stores_of[group], committed[group])
    undecided = {
        group: dead_letters.read(workspace, group, sources, lambda names: _read_topics(admin, names, report))
        for group, sources in reads.items()
    }
    for topic in STEPS:
        _read_records(workspace, _read_topics(admin, (topic,), report), codec)
    watermarks = admin.watermarks(_partitions(admin, topics))
    # Cleaning deletes below what is committed: asked afterwards, that is never below where a log begins.
    latest = groups.committed(admin, reads, watermarks)
    starts = {partition: marks.low for partition, marks in watermarks.items()}
    return Gathered(Offsets(_offsets(committed), starts, _offsets(latest)), undecided)


def _read_store(
    workspace: Workspace,
    group: str,
    name: StoreAddress,
    committed: Mapping[Partition, CommittedOffset],
) -> None:
    with stores.opened(name) as store:
        _check_store(group, store, committed, name)
        if store is not None:
            workspace.add_effects(group, store.effects())
            workspace.add_effects(group, store.shadows(), shadow=True)


def _check_store(
    group: str,
    store: stores.Contents | None,
    committed: Mapping[Partition, CommittedOffset],
    name: StoreAddress,
) -> None:
    for (topic, number), offset in committed.items():
        if store is None and not offset.metadata:
            # A group of another program, which we may take over: nothing of ours is missing.
            continue
        if store is None:
            raise OperationFailed(
                f"group {group} has committed offset {offset.offset} of {topic}:{number}, but there is no "
                f"store {name}: run verify with the data directory or database of that group "
                "(CEV_DATA_DIR, CEV_DATABASE_URL)"
            )
        if offset.metadata and offset.metadata != store.id:
            raise ForeignStore(
                f"group {group} commits with the store {offset.metadata}, {name} is {store.id or 'empty'}: "
                "run verify with the data directory or database of that group "
                "(CEV_DATA_DIR, CEV_DATABASE_URL)"
            )


def _partitions(admin: Admin, names: tuple[str, ...]) -> list[Partition]:
    topics = admin.topics()
    for name in names:
        if name not in topics:
            raise TopicMissing(
                f"the cluster at {admin.cluster.bootstrap} has no topic {name}; "
                "`cev topics create` creates it"
            )
    return partitions_of(topics, names)


def _read_topics(admin: Admin, names: tuple[str, ...], report: Report) -> Iterator[LogRecord]:
    report(f"reading {', '.join(names)}")
    watermarks = admin.watermarks(_partitions(admin, names))
    for count, record in enumerate(scan(admin.cluster, watermarks), 1):
        if count % _REPORT_EVERY == 0:
            report(f"reading {', '.join(names)}: {count:,}")
        yield record


def _read_records(workspace: Workspace, records: Iterator[LogRecord], codec: Codec) -> None:
    for batch in _decoded(records, codec, workspace):
        workspace.add_records(
            (message.order_id, record)
            for position, message in batch
            if not isinstance(message, ModeChanged) and (record := order_record(message, position))
        )
        workspace.add_results(result for _, message in batch if (result := order_result(message)))


def _decoded(
    records: Iterator[LogRecord], codec: Codec, workspace: Workspace
) -> Iterator[list[tuple[Position, Message]]]:
    """Batches of messages; what cannot be decoded is written down."""
    while batch := list(islice(records, _BATCH)):
        messages, unreadable = [], []
        for record in batch:
            position = record.position
            try:
                message = codec.decode(
                    position.topic, record.key, record.value, position, by_name(record.headers)
                )
            except UndecodableMessage as error:
                unreadable.append((position, type(error).__name__))
            else:
                messages.append((position, message))
        workspace.add_unreadable(unreadable)
        yield messages


def _offsets(
    committed: Mapping[str, Mapping[Partition, CommittedOffset]],
) -> dict[str, dict[Partition, int]]:
    return {
        group: {partition: offset.offset for partition, offset in offsets.items()}
        for group, offsets in committed.items()
    }


def _offset_at(committed: Mapping[Partition, CommittedOffset], partition: Partition) -> int:
    offset = committed.get(partition)
    return offset.offset if offset is not None else -1
