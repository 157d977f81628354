"""Groups that should run and do not. Pure: what was read of the broker and of the stores goes in.

A group should run if it is a reaction of the registry that has committed offsets or a store.

    cannot-start      its member would stop with exit code 4: offsets that are lost, or of another store
    records-removed   records that it had not read are gone from the log
    store             it has committed offsets and no live member, and its store is not there; the store of
                      one that runs is on another host

Its own store need not say anything: a group that stopped, or whose disk is full, raises no alarm itself.

What is read at one moment may be half of a change: a group that starts, or commits, while we look. So a
condition is an alarm only if a second look finds it again (`lasting`).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from clients.admin import Partition, Watermarks
from consumers.runtime.records import Committed, Progress
from consumers.runtime.starting_offset import starting_offset
from operations.groups import CommittedOffset
from operations.status.alarms import StatusAlarm
from schemas.errors import SafetyRefusal


class GroupState(NamedTuple):
    """What is known of a group, read in this order.

    Attributes:
        group: its id.
        members: how many live members it has.
        watermarks: of the partitions that it reads.
        committed: its offsets there.
        store: where its store should be, for the message.
        store_silent: whether the store cannot be read, so that nothing is known of it.
        store_id: the id of its store; empty if there is no store.
        progress: what its store knows of the partitions.
    """

    group: str
    members: int
    watermarks: Mapping[Partition, Watermarks]
    committed: Mapping[Partition, CommittedOffset]
    store: str
    store_silent: bool
    store_id: str
    progress: Mapping[Partition, Progress]


def of_group(state: GroupState, before: GroupState) -> list[StatusAlarm]:
    """The alarms of one group.

    Args:
        state: what is known now.
        before: the same as it was found first; its offsets are compared with the ends of logs, which only
            move on.
    """
    of_log = [*_removed(state), *_beyond(state, before)]
    return of_log if state.store_silent else [*of_log, *(_no_store(state) or _refused(state))]


def lasting(first: Iterable[StatusAlarm], again: Iterable[StatusAlarm]) -> list[StatusAlarm]:
    """The alarms of a second look that the first one had as well."""
    known = {(alarm.name, alarm.subject) for alarm in first}
    return [alarm for alarm in again if (alarm.name, alarm.subject) in known]


def _removed(state: GroupState) -> list[StatusAlarm]:
    gone: dict[str, list[str]] = {}
    for (topic, number), marks in sorted(state.watermarks.items()):
        offset = state.committed.get((topic, number))
        if offset is not None and offset.offset < marks.low:
            gone.setdefault(topic, []).append(f"{number}:{offset.offset}-{marks.low - 1}")
    return [
        StatusAlarm(
            "records-removed",
            f"{state.group}@{topic}",
            None,
            f"{state.group}: offsets of {topic} were removed before the group read them (partition:offsets "
            f"{', '.join(ranges)}); find out who deletes (retention, kafka-delete-records); the group does "
            f"not pass over them, it stops with exit code 4; {_way_on(state)}",
        )
        for topic, ranges in gone.items()
    ]


def _beyond(state: GroupState, before: GroupState) -> list[StatusAlarm]:
    ends = {
        f"{topic}:{number}": marks.high
        for (topic, number), marks in sorted(state.watermarks.items())
        if (offset := before.committed.get((topic, number))) is not None and offset.offset > marks.high
    }
    return [
        StatusAlarm(
            "cannot-start",
            f"{state.group}@{', '.join(ends)}",
            None,
            f"{state.group}: its committed offsets lie beyond the ends of {', '.join(ends)}: the topic was "
            f"made anew, or lost records; the group stops with exit code 4; {_way_on(state)}",
        )
    ] * bool(ends)


def _way_on(state: GroupState) -> str:
    return f"`cev store adopt {state.group}` shows where it would go on, and sets it there"


def _no_store(state: GroupState) -> list[StatusAlarm]:
    if state.store_id or state.members or not state.committed:
        return []
    store_ids = sorted({offset.metadata for offset in state.committed.values()} - {""})
    text = (
        f"{state.group}: its offsets were committed with the store "
        f"{', '.join(store_ids) or 'of another program'}, and there is no store {state.store}: it cannot "
        "start; name the right place (CEV_DATA_DIR, CEV_DATABASE_URL), or restore the store"
    )
    return [StatusAlarm("store", state.group, None, text)]


def _refused(state: GroupState) -> list[StatusAlarm]:
    """One alarm a group, however many partitions say the same."""
    refusals = [
        refusal
        for partition in sorted(state.committed.keys() | state.progress.keys())
        if (refusal := _refusal(state, partition)) is not None
    ]
    if not refusals or not state.store_id:
        return []
    more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    return [StatusAlarm("cannot-start", state.group, None, f"{state.group}: {refusals[0]}{more}")]


def _refusal(state: GroupState, partition: Partition) -> str | None:
    """Why a member would not begin a partition, as the member says it."""
    offset = state.committed.get(partition)
    try:
        starting_offset(
            partition,
            None if offset is None else Committed(offset.offset, offset.metadata),
            state.progress.get(partition),
            group=state.group,
            store_id=state.store_id,
            first=0,
        )
    except SafetyRefusal as refusal:
        return str(refusal)
    return None
