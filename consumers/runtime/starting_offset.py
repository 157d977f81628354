"""Where a partition begins, and when it must not begin at all (invariant 14). Pure.

What Kafka has committed and what the store knows go in, an offset or a refusal comes out. `assignment` asks
it before it reads; `cev status` asks it as well, to say that a group could not start.
"""

from typing import NamedTuple

from consumers.runtime.records import Committed, Partition, Progress
from schemas.errors import ForeignStore, LostOffset


class StartingPoint(NamedTuple):
    """Where a partition begins.

    Attributes:
        offset: the first offset to read; results of offsets below are known to be in Kafka.
        stored: the store has handled everything below; above the offset, whether Kafka has the results of
            what lies between is in doubt.
        first: this is the partition's very first start; the caller announces it before it reads.
    """

    offset: int
    stored: int
    first: bool


def way_on(group: str) -> str:
    """What an error about a group's position names as its remedy."""
    return f"`cev store adopt {group}` shows where the group would go on, and sets it there"


def starting_offset(
    partition: Partition,
    committed: Committed | None,
    progress: Progress | None,
    *,
    group: str,
    store_id: str,
    first: int,
) -> StartingPoint:
    """Decide where a partition begins.

    Args:
        partition: topic and number, for the message.
        committed: the group's committed offset, or None.
        progress: the store's progress, or None.
        group: the group's id, for the message.
        store_id: the id of the store in use.
        first: where the group's registry line says to begin.

    Raises:
        LostOffset: the store has worked on the partition; the committed offset is gone or was set back.
        ForeignStore: the offset was committed with another store, or lies beyond what this one knows.
    """
    name = f"{partition[0]}:{partition[1]}"
    remedy = way_on(group)
    if committed is None:
        if progress is None or not progress.started:
            return StartingPoint(first, first, first=True)
        raise LostOffset(
            f"{name}: the store is at offset {progress.position}, but the group's committed offset is gone: "
            f"the group was deleted, or its offsets were, or the topic was made anew; {remedy}"
        )
    if committed.store_id != store_id:
        raise ForeignStore(
            f"{name}: offset {committed.offset} was committed with the store "
            f"{committed.store_id or 'of another program'}, this one is {store_id}; one group has one store: "
            f"use that one; if it is lost, {remedy}"
        )
    if progress is None or committed.offset > progress.position:
        position = "nothing" if progress is None else f"offset {progress.position}"
        raise ForeignStore(
            f"{name}: the group has committed offset {committed.offset}, the store knows {position}: "
            f"a restored backup would forget effects; restore a newer one; if there is none, {remedy}"
        )
    if committed.offset < progress.results_upto:
        raise LostOffset(
            f"{name}: the group's committed offset is {committed.offset}, and it had committed "
            f"{progress.results_upto}: somebody set it back; {remedy}"
        )
    return StartingPoint(committed.offset, progress.position, first=False)
