"""Building a reaction's states anew from the log: beside the old ones, compared with them, then swapped.

Promises: nothing is changed beside a member of the group; until the swap nothing is changed at all, and the
swap is one transaction, so that it can be ended at any point. The log is read as far as the group has come,
so that it goes on where it was. Only a reaction that keeps states and does nothing else can be replayed:
no mail goes out twice.

I/O: Kafka, the group's store, a temporary database.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from clients.admin import Admin, Partition, partitions_of
from clients.config import Cluster
from clients.groups import refuse_beside_members
from clients.log_reader import scan
from consumers.runtime.decoding import decode
from consumers.runtime.order_states import StateChange, from_json, to_json
from consumers.runtime.reaction import AnyReaction, Context
from consumers.runtime.records import ConsumerRecord, Decoded, Item
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from databases.snapshot import reading
from operations.replay.rebuilt import Difference, RebuiltStates, rebuilt_states
from schemas.codec import Codec
from schemas.counting import counted
from schemas.errors import SafetyRefusal, UsageError
from schemas.times import now_ms
from schemas.topics import retry_topic, source_of

_BATCH = 1_000
SHOWN = 20
"""How many differences are named."""


class Replay(NamedTuple):
    """What a replay found, and whether it changed the store.

    Attributes:
        records: how many were read.
        orders: how many have a state now.
        differing: how many of the orders have another state than before.
        forgotten: of how many the store knows more than the log has.
        differences: the first ones that differ.
        swapped: whether the new states are in the store.
    """

    records: int
    orders: int
    differing: int
    forgotten: int
    differences: list[Difference]
    swapped: bool


def replay(
    cluster: Cluster,
    codec: Codec,
    reaction: AnyReaction,
    address: StoreAddress,
    *,
    dry_run: bool,
    forget: bool,
    report: Callable[[int], None],
) -> Replay:
    """Build the states of a group anew.

    Args:
        cluster: where its topics are.
        codec: reads values.
        reaction: whose states.
        address: of its store.
        dry_run: compare only.
        forget: swap although the store knows more than the log has.
        report: told how many records were read.

    Raises:
        UsageError: the reaction does more than keep states.
        SafetyRefusal: a member of the group lives, there is no store, or something would be forgotten.
        BrokerUnreachable, DependencyUnavailable, OperationFailed.
    """
    _check(reaction, address)
    admin = Admin(cluster)
    store = Store(address)
    try:
        _refuse_beside_members(admin, store)
        with rebuilt_states() as states:
            positions = _positions(admin, store, reaction)
            records = _rebuild(reaction, _batches(admin, codec, positions), states, report)
            _keep_old(address, states)
            if not dry_run:
                _swap(admin, store, states, positions, forget=forget)
            return Replay(
                records,
                states.count(),
                states.count_differing(),
                states.count_forgotten(),
                states.differences(SHOWN),
                not dry_run,
            )
    finally:
        store.close()


def _swap(
    admin: Admin, store: Store, states: RebuiltStates, positions: Mapping[Partition, int], *, forget: bool
) -> None:
    forgotten = states.count_forgotten()
    if forgotten and not forget:
        raise SafetyRefusal(
            f"the store knows more of {counted(forgotten, 'order')} than the topics have: their oldest "
            "records were removed; see them with --dry-run, and lose them with --forget"
        )
    _refuse_beside_members(admin, store)
    store.states.swap(positions, states.states(), states.history(), now_ms())


def _check(reaction: AnyReaction, address: StoreAddress) -> None:
    if reaction.state is None or reaction.writes or reaction.channels or reaction.timers or reaction.issues:
        raise UsageError(
            f"{reaction.name} cannot be replayed: only a reaction that keeps states and does nothing else can"
        )
    with reading(address) as snapshot:
        if snapshot is None:
            raise SafetyRefusal(f"there is no store {address}; start `cev consume {reaction.name}`")


def _refuse_beside_members(admin: Admin, store: Store) -> None:
    refuse_beside_members(admin, store.name.group)
    if store.members.any_alive():
        raise SafetyRefusal(f"a process uses the store {store.name}; stop it first")


def _positions(admin: Admin, store: Store, reaction: AnyReaction) -> dict[Partition, int]:
    """How far the group has come in each partition."""
    names = [*reaction.reads, *(retry_topic(reaction.name, topic) for topic in reaction.reads)]
    progress = store.progress(partitions_of(admin.topics(), names))
    return {partition: state.position for partition, state in progress.items()}


def _rebuild(
    reaction: AnyReaction,
    batches: Iterator[list[Item]],
    states: RebuiltStates,
    report: Callable[[int], None],
) -> int:
    context = Context(now=now_ms(), first_start_at=0)
    count = 0
    for items in batches:
        for item in items:
            # What cannot be read was a dead letter, and changed no state.
            if type(item) is Decoded:
                _apply(reaction, item, context, states)
        count += len(items)
        report(count)
    return count


def _batches(admin: Admin, codec: Codec, positions: Mapping[Partition, int]) -> Iterator[list[Item]]:
    """All that the group has read, as messages."""
    watermarks = {
        partition: marks._replace(stable=min(marks.stable, positions[partition]))
        for partition, marks in admin.watermarks(positions).items()
    }
    records = (
        ConsumerRecord(
            read.position, source_of(read.position.topic), read.timestamp, read.key, read.value, read.headers
        )
        for read in scan(admin.cluster, watermarks)
    )
    while batch := list(islice(records, _BATCH)):
        yield decode(codec, batch)


def _apply(reaction: AnyReaction, item: Decoded, context: Context, states: RebuiltStates) -> None:
    version, text = states.find(item.order_id) or (0, None)
    record, envelope = item.record, item.envelope
    known = from_json(reaction.state, text) if reaction.state and text else None
    context.begin(envelope, record.position, record.timestamp, known)
    reaction.react(item.message, context)
    if context.saved:
        states.apply(
            StateChange(
                item.order_id,
                version + 1,
                context.state.status,
                to_json(context.state),
                type(item.message).__name__,
                envelope.message_id,
                record.position,
                context.now,
            )
        )


def _keep_old(address: StoreAddress, states: RebuiltStates) -> None:
    with reading(address) as snapshot:
        if snapshot is not None and snapshot.has("order_states"):
            states.keep_old(snapshot.rows("SELECT order_id, version, status, state FROM order_states"))
