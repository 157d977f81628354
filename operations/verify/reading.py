"""Gathering the evidence, in an order that lets no running system look worse than it is.

    committed offsets -> results -> stores -> dead letters -> commands and facts -> where logs begin
    -> committed offsets once more

What a group has committed at the first step was durable before it, so every later step must show it. What one
step shows (an effect) must have its cause in the step after it (its record): each step reads to log ends that
it asks for after the step before.

I/O: Kafka (reads topics and committed offsets), and stores through stores.py.
"""

import time
from collections.abc import Callable, Iterator, Mapping

from clients.admin import Admin, Partition, partitions_of
from clients.config import Cluster
from clients.log_reader import LogRecord, scan
from databases.address import StoreAddress
from operations import groups
from operations.groups import CommittedOffset
from operations.verify import dead_letters, stores
from operations.verify.evidence import (
    READS,
    RETRIES,
    SOURCES,
    Evidence,
    OrderRecord,
    OrderResults,
    PackedPartition,
    PackedPosition,
    digest,
    digest_items,
    pack,
    partition_of,
)
from operations.verify.reconcile import OUTCOME_CODES
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import ForeignStore, OperationFailed, TopicMissing, UndecodableMessage
from schemas.facts import DispatchRejected, OrderPlaced, ProductDispatched
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS, Message, retry_topic

Report = Callable[[str], None]
_POLL_INTERVAL_S = 0.25
_REPORT_EVERY = 10_000


def wait(cluster: Cluster, seconds: float, report: Report) -> bool:
    """Until every group has passed the ends as they are now; False if the time was not enough.

    Raises:
        BrokerUnreachable, TopicMissing, OperationFailed.
    """
    admin = Admin(cluster)
    # What an operator has sent again is on its way as well.
    partitions = _partitions(admin, (*SOURCES, *RETRIES))
    watermarks = admin.watermarks(partitions)
    ends = {partition: marks.stable for partition, marks in watermarks.items() if marks.stable > marks.low}
    reads = {
        group: (*topics, *(retry_topic(group, topic) for topic in topics)) for group, topics in READS.items()
    }
    deadline = time.monotonic() + seconds
    while True:
        committed = groups.committed(admin, READS, partitions)
        behind = [
            group
            for group, topics in reads.items()
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


def gather(cluster: Cluster, codec: Codec, stores_of: Mapping[str, StoreAddress], report: Report) -> Evidence:
    """Read everything.

    Args:
        cluster: where.
        codec: reads the values; without the registry that the writers used it cannot read theirs.
        stores_of: the store of each group in `READS`.
        report: told what is being read.

    Raises:
        BrokerUnreachable, RegistryUnreachable, DependencyUnavailable: something does not answer.
        TopicMissing: `cev topics create` creates it.
        ForeignStore: a store is not the one that the group commits with.
        OperationFailed: a group has committed offsets, but there is no store of it here.
    """
    admin = Admin(cluster)
    committed = groups.committed(admin, READS, _partitions(admin, (*SOURCES, *RETRIES)))
    results = _results(_read_topics(admin, (DISPATCH_RESULTS,), report), codec)
    report("reading the stores")
    contents = {group: stores.read(stores_of[group]) for group in READS}
    for group, store in contents.items():
        _check_store(group, store, committed[group], stores_of[group])
    dead_letter_states = {
        group: dead_letters.read(group, topics, lambda names: _read_topics(admin, names, report))
        for group, topics in READS.items()
    }
    unreadable: set[PackedPosition] = set()
    commands = _order_records(_read_topics(admin, (DISPATCH_PRODUCTS,), report), codec, unreadable)
    facts = _order_records(_read_topics(admin, (ORDERS,), report), codec, unreadable)
    warehouse = contents["warehouse"]
    starts = admin.watermarks(_partitions(admin, (*SOURCES, *RETRIES)))
    # Cleaning deletes below what is committed: asked afterwards, that is never below where a log begins.
    latest = groups.committed(admin, READS, starts)
    return Evidence(
        commands=commands,
        facts=facts,
        unreadable=unreadable,
        results=results,
        dead={group: states.dead for group, states in dead_letter_states.items()},
        discarded={group: states.discarded for group, states in dead_letter_states.items()},
        redriven={group: states.redriven for group, states in dead_letter_states.items()},
        retried=frozenset().union(*(states.retried for states in dead_letter_states.values())),
        passed=_packed_offsets(committed),
        starts=_packed({partition: marks.low for partition, marks in starts.items()}),
        latest=_packed_offsets(latest),
        effects={group: store.effects if store else {} for group, store in contents.items()},
        shadows=warehouse.shadows if warehouse else {},
    )


def _check_store(
    group: str,
    store: stores.Contents | None,
    committed: Mapping[Partition, CommittedOffset],
    name: StoreAddress,
) -> None:
    for (topic, number), offset in committed.items():
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


def _decoded(record: LogRecord, codec: Codec) -> Message | None:
    try:
        return codec.decode(record.position.topic, record.key, record.value, record.position, record.headers)
    except UndecodableMessage:
        return None


def _order_records(
    records: Iterator[LogRecord], codec: Codec, unreadable: set[PackedPosition]
) -> dict[int, tuple[OrderRecord, ...]]:
    by_order: dict[int, tuple[OrderRecord, ...]] = {}
    for record in records:
        position = pack(*record.position)
        message = _decoded(record, codec)
        if isinstance(message, OrderPlaced):
            order_record = _fact(message, position)
        elif isinstance(message, DispatchProduct):
            order_record = OrderRecord(position, digest(message.address))
        else:
            unreadable.add(position)
            continue
        by_order[message.order_id] = (*by_order.get(message.order_id, ()), order_record)
    return by_order


def _fact(message: OrderPlaced, position: PackedPosition) -> OrderRecord:
    return OrderRecord(
        position,
        digest(message.address),
        digest(message.email or None),
        digest(message.phone or None),
        digest_items(message.currency, message.items),
        DISPATCH_PRODUCTS not in message.shadow_of,
    )


def _results(records: Iterator[LogRecord], codec: Codec) -> dict[int, OrderResults]:
    by_order: dict[int, OrderResults] = {}
    for record in records:
        message = _decoded(record, codec)
        if message is None or isinstance(message, DispatchProduct | OrderPlaced):
            continue
        if isinstance(message, ProductDispatched):
            code, address = OUTCOME_CODES["dispatched"], digest(message.address)
        else:
            outcome = "rejected" if isinstance(message, DispatchRejected) else "expired"
            code, address = OUTCOME_CODES[outcome], 0
        before = by_order.get(message.order_id)  # type: ignore[union-attr]  # this topic carries results only
        by_order[message.order_id] = OrderResults((before.outcomes if before else "") + code, address)  # type: ignore[union-attr]  # the same
    return by_order


def _packed(offsets: Mapping[Partition, int]) -> dict[PackedPartition, int]:
    return {partition_of(pack(topic, number, 0)): offset for (topic, number), offset in offsets.items()}


def _packed_offsets(
    committed: Mapping[str, Mapping[Partition, CommittedOffset]],
) -> dict[str, dict[PackedPartition, int]]:
    return {
        group: _packed({partition: offset.offset for partition, offset in offsets.items()})
        for group, offsets in committed.items()
    }


def _offset_at(committed: Mapping[Partition, CommittedOffset], partition: Partition) -> int:
    offset = committed.get(partition)
    return offset.offset if offset is not None else -1
