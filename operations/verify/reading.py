"""Gathering the evidence, in an order that makes a running system look no worse than it is.

    committed offsets -> results -> stores -> dead letters -> commands and facts -> where logs begin

What a group has passed at the first step was durable before it, so every later step must show it. What a
later step shows (an effect) must have its cause in the step after it (its record): each reads to ends that
are asked for after the step before.

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
    Answer,
    Evidence,
    Log,
    PackedPosition,
    Seen,
    digest,
    digest_items,
    log_of,
    place,
)
from operations.verify.reconcile import LETTERS
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import ForeignStore, OperationFailed, TopicMissing, UndecodableMessage
from schemas.facts import DispatchRejected, OrderPlaced, ProductDispatched
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS, Message, retries

Report = Callable[[str], None]
_LOOK_S = 0.25
_EVERY = 10_000


def wait(cluster: Cluster, seconds: float, report: Report) -> bool:
    """Until every group has passed the ends as they are now; False if the time was not enough.

    Raises:
        BrokerUnreachable, TopicMissing, OperationFailed.
    """
    admin = Admin(cluster)
    # What an operator has sent again is on its way as well.
    partitions = _partitions(admin, (*SOURCES, *RETRIES))
    edges = admin.watermarks(partitions)
    ends = {each: edge.stable for each, edge in edges.items() if edge.stable > edge.low}
    reads = {group: (*topics, *(retries(group, each) for each in topics)) for group, topics in READS.items()}
    deadline = time.monotonic() + seconds
    while True:
        committed = groups.committed(admin, READS, partitions)
        behind = [
            group
            for group, topics in reads.items()
            if any(_at(committed[group], each) < end for each, end in ends.items() if each[0] in topics)
        ]
        if not behind:
            return True
        if time.monotonic() >= deadline:
            return False
        report(f"waiting for {', '.join(behind)}")
        time.sleep(_LOOK_S)


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
    results = _results(_entries(admin, (DISPATCH_RESULTS,), report), codec)
    report("reading the stores")
    contents = {group: stores.read(stores_of[group]) for group in READS}
    for group, store in contents.items():
        _check_store(group, store, committed[group], stores_of[group])
    fates = {
        group: dead_letters.read(group, topics, lambda names: _entries(admin, names, report))
        for group, topics in READS.items()
    }
    unreadable: set[PackedPosition] = set()
    commands = _seen(_entries(admin, (DISPATCH_PRODUCTS,), report), codec, unreadable)
    facts = _seen(_entries(admin, (ORDERS,), report), codec, unreadable)
    warehouse = contents["warehouse"]
    return Evidence(
        commands=commands,
        facts=facts,
        unreadable=unreadable,
        results=results,
        dead={group: each.dead for group, each in fates.items()},
        discarded={group: each.discarded for group, each in fates.items()},
        redriven={group: each.redriven for group, each in fates.items()},
        retried=frozenset().union(*(each.retried for each in fates.values())),
        passed={group: _logs({p: c.offset for p, c in found.items()}) for group, found in committed.items()},
        starts=_logs(
            {p: e.low for p, e in admin.watermarks(_partitions(admin, (*SOURCES, *RETRIES))).items()}
        ),
        effects={group: store.effects if store else {} for group, store in contents.items()},
        shadows=warehouse.shadows if warehouse else {},
    )


def _check_store(
    group: str,
    store: stores.Contents | None,
    committed: Mapping[Partition, CommittedOffset],
    name: StoreAddress,
) -> None:
    for (topic, number), each in committed.items():
        if store is None:
            raise OperationFailed(
                f"group {group} has committed offset {each.offset} of {topic}:{number}, but there is no "
                f"store {name}: run verify with the data directory or database of that group "
                "(CEV_DATA_DIR, CEV_DATABASE_URL)"
            )
        if each.metadata and each.metadata != store.id:
            raise ForeignStore(
                f"group {group} commits with the store {each.metadata}, {name} is {store.id or 'empty'}: "
                "run verify with the data directory or database of that group "
                "(CEV_DATA_DIR, CEV_DATABASE_URL)"
            )


def _partitions(admin: Admin, names: tuple[str, ...]) -> list[Partition]:
    found = admin.topics()
    for name in names:
        if name not in found:
            raise TopicMissing(
                f"the cluster at {admin.cluster.bootstrap} has no topic {name}; "
                "`cev topics create` creates it"
            )
    return partitions_of(found, names)


def _entries(admin: Admin, names: tuple[str, ...], report: Report) -> Iterator[LogRecord]:
    report(f"reading {', '.join(names)}")
    edges = admin.watermarks(_partitions(admin, names))
    for count, entry in enumerate(scan(admin.cluster, edges), 1):
        if count % _EVERY == 0:
            report(f"reading {', '.join(names)}: {count:,}")
        yield entry


def _decoded(entry: LogRecord, codec: Codec) -> Message | None:
    try:
        return codec.decode(entry.position.topic, entry.key, entry.value, entry.position)
    except UndecodableMessage:
        return None


def _seen(
    entries: Iterator[LogRecord], codec: Codec, unreadable: set[PackedPosition]
) -> dict[int, tuple[Seen, ...]]:
    found: dict[int, tuple[Seen, ...]] = {}
    for entry in entries:
        where = place(*entry.position)
        message = _decoded(entry, codec)
        if isinstance(message, OrderPlaced):
            seen = _fact(message, where)
        elif isinstance(message, DispatchProduct):
            seen = Seen(where, digest(message.address))
        else:
            unreadable.add(where)
            continue
        found[message.order_id] = (*found.get(message.order_id, ()), seen)
    return found


def _fact(message: OrderPlaced, where: PackedPosition) -> Seen:
    return Seen(
        where,
        digest(message.address),
        digest(message.email or None),
        digest(message.phone or None),
        digest_items(message.currency, message.items),
        DISPATCH_PRODUCTS not in message.shadow_of,
    )


def _results(entries: Iterator[LogRecord], codec: Codec) -> dict[int, Answer]:
    found: dict[int, Answer] = {}
    for entry in entries:
        message = _decoded(entry, codec)
        if message is None or isinstance(message, DispatchProduct | OrderPlaced):
            continue
        if isinstance(message, ProductDispatched):
            letter, address = LETTERS["dispatched"], digest(message.address)
        else:
            letter, address = LETTERS["rejected" if isinstance(message, DispatchRejected) else "expired"], 0
        before = found.get(message.order_id)  # type: ignore[union-attr]  # this topic carries results only
        found[message.order_id] = Answer((before.outcomes if before else "") + letter, address)  # type: ignore[union-attr]  # the same
    return found


def _logs(offsets: Mapping[Partition, int]) -> dict[Log, int]:
    return {log_of(place(topic, number, 0)): offset for (topic, number), offset in offsets.items()}


def _at(committed: Mapping[Partition, CommittedOffset], partition: Partition) -> int:
    found = committed.get(partition)
    return found.offset if found is not None else -1
