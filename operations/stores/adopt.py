"""Leading a group on that stopped with exit code 4: its store, and where it goes on in every partition.

Promises: nothing is changed while a member of the group lives, or before somebody has said what becomes of
records that the store does not know; it can be repeated after being killed at any point. Effects stay, and
are found by their order whatever position a record has: no order is dispatched a second time.

I/O: Kafka, the group's store.
"""

from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from clients.admin import Admin, Partition, partitions_of
from clients.config import Cluster
from clients.groups import refuse_beside_members
from clients.records import ProducerRecord
from consumers.runtime.kafka.sent_records import fingerprint, in_log
from consumers.runtime.records import Committed
from consumers.runtime.stores.adoption import Adoption
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from databases.snapshot import reading
from operations import groups
from operations.stores.plan import PartitionState, Step, Unknown, is_anew, step
from schemas.counting import counted
from schemas.errors import NotAcknowledged, OperationFailed, SafetyRefusal, TopicMissing
from schemas.times import now_ms

_FLUSH_S = 30.0


class Plan(NamedTuple):
    """What an adoption would do, or has done.

    Attributes:
        group, store: whose, and which.
        store_id: of that store.
        clusters: the id of the cluster that the store knows, and of this one.
        topics: per topic, the id that the store knows (or None) and the one that it has.
        steps: per partition, where it goes on.
        unsent: results in the store that Kafka does not have; they are sent.
        intended: deliveries of topics made anew that were begun and not finished; they are taken back, and
            made again where the order comes again.
    """

    group: str
    store: str
    store_id: str
    clusters: tuple[str, str]
    topics: dict[str, tuple[str | None, str | None]]
    steps: list[Step]
    unsent: list[ProducerRecord]
    intended: int

    @property
    def unknown(self) -> int:
        """How many offsets the group has committed that the store does not know."""
        return sum(taken.unknown for taken in self.steps)


def adopt(
    cluster: Cluster, address: StoreAddress, topics: Sequence[str], *, unknown: Unknown | None, dry_run: bool
) -> Plan:
    """Let a group go on with its store.

    Args:
        cluster: where the group is from now on.
        address: of the store.
        topics: topics that the group reads.
        unknown: what becomes of records that the group has committed and the store does not know.
        dry_run: change nothing.

    Raises:
        SafetyRefusal: a member of the group lives, there is no store, or `unknown` must be said.
        TopicMissing: a topic is not there.
        BrokerUnreachable, DependencyUnavailable, OperationFailed.
    """
    admin = Admin(cluster)
    refuse_beside_members(admin, address.group)
    with reading(address) as snapshot:
        if snapshot is None:
            raise SafetyRefusal(
                f"there is no store {address}; name the right place (CEV_DATA_DIR, CEV_DATABASE_URL). If it "
                "is lost, start the group once: it makes an empty one, and stops"
            )
    store = Store(address)
    try:
        if store.members.any_alive():
            raise SafetyRefusal(f"a process uses the store {address}; stop it first")
        plan = _plan(admin, store, topics, unknown)
        if not dry_run:
            _carry_out(admin, store, plan, unknown)
        return plan
    finally:
        store.close()


def _plan(admin: Admin, store: Store, topics: Sequence[str], unknown: Unknown | None) -> Plan:
    identity = store.adoption.cluster()
    if identity is None:
        raise SafetyRefusal(f"no member has begun with the store {store.name}; start the group")
    store_id, group, before = identity
    if group != store.name.group:
        raise SafetyRefusal(f"the store {store.name} belongs to group {group}, not {store.name.group}")
    here = admin.brokers().cluster_id
    states = admin.topics()
    if missing := [name for name in topics if name not in states]:
        raise TopicMissing(f"topic {missing[0]} is missing; `cev topics create` creates it")
    partitions = partitions_of(states, topics)
    known, ids = store.topics.ids(), admin.topic_ids(topics)
    progress = store.progress(partitions)
    offsets = groups.committed(admin, [group], partitions)[group]
    watermarks = admin.watermarks(partitions)
    moved = before != here
    steps = []
    for partition in partitions:
        name, entry = partition[0], offsets.get(partition)
        offset = None if entry is None else Committed(entry.offset, entry.metadata)
        anew = moved or is_anew(known.get(name), ids.get(name), offset)
        state = PartitionState(partition, progress.get(partition), offset, watermarks[partition], anew)
        if (taken := step(state, store_id=store_id, unknown=unknown)) is not None:
            steps.append(taken)
    renewed = [taken.partition for taken in steps if taken.anew]
    return Plan(
        group,
        str(store.name),
        store_id,
        (before, here),
        {name: (known.get(name), ids.get(name)) for name in topics},
        steps,
        _unsent(admin.cluster, store, {partition: progress[partition].results_upto for partition in renewed}),
        store.adoption.count_intended(renewed),
    )


def _unsent(cluster: Cluster, store: Store, upto: dict[Partition, int]) -> list[ProducerRecord]:
    """Results of logs that are gone, which nobody would send any more, and which Kafka does not have."""
    pending = [
        record
        for position, record in store.adoption.results([*upto])
        if position.offset >= upto[position.topic_partition]
    ]
    present = in_log(cluster, pending) if pending else set()
    return [record for record in pending if fingerprint(record) not in present]


def _carry_out(admin: Admin, store: Store, plan: Plan, unknown: Unknown | None) -> None:
    """Results, then the store, then Kafka: killed in between, the same plan is made again."""
    if plan.unknown and unknown is None:
        raise SafetyRefusal(
            f"the group has committed {counted(plan.unknown, 'offset')} that the store {plan.store} does not "
            "know: say `--unknown skip` if what they say was done, or `--unknown repeat` if it may be done "
            "again"
        )
    _send(admin.cluster, plan.unsent)
    store.adoption.write(
        Adoption(
            now_ms(),
            plan.clusters[1],
            {name: new for name, (_, new) in plan.topics.items() if new is not None},
            {taken.partition: taken.progress for taken in plan.steps},
            [taken.partition for taken in plan.steps if taken.anew],
        )
    )
    _commit(admin.cluster, plan)


def _send(cluster: Cluster, records: Sequence[ProducerRecord]) -> None:
    if not records:
        return
    failures: list[object] = []
    producer = Producer(cluster.producer())
    for record in records:
        producer.produce(
            record.topic,
            record.value,
            record.key,
            headers=list(record.headers),
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    left = producer.flush(_FLUSH_S)
    if left or failures:
        raise NotAcknowledged("the broker did not take all results of the store; nothing else was changed")


def _commit(cluster: Cluster, plan: Plan) -> None:
    consumer = Consumer(cluster.reader(group_id=plan.group))
    wanted = [TopicPartition(*taken.partition, taken.start, plan.store_id) for taken in plan.steps]
    try:
        refused = [
            entry for entry in consumer.commit(offsets=wanted, asynchronous=False) or [] if entry.error
        ]
    except KafkaException as error:
        raise OperationFailed(
            f"the store is ready, and the group's offsets cannot be committed: {error.args[0].str()}; run "
            "the same command again"
        ) from error
    finally:
        consumer.close()
    if refused:
        raise OperationFailed(f"{refused[0].topic}: {refused[0].error}; run the same command again")
