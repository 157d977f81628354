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
        offset: the first offset to read.
        results_upto: results of offsets below are known to be in Kafka.
        first: this is the partition's very first start; the caller announces it before it reads.
    """

    offset: int
    results_upto: int
    first: bool


def starting_offset(
    partition: Partition, committed: Committed | None, progress: Progress | None, *, store_id: str, first: int
) -> StartingPoint:
    """Decide where a partition begins.

    Args:
        partition: topic and number, for the message.
        committed: the group's committed offset, or None.
        progress: the store's progress, or None.
        store_id: the id of the store in use.
        first: where the group's registry line says to begin.

    Raises:
        LostOffset: the store has worked on the partition and Kafka has no committed offset any more.
        ForeignStore: the offset was committed with another store, or lies beyond what this one knows.
    """
    name = f"{partition[0]}:{partition[1]}"
    if committed is None:
        if progress is None or not progress.started:
            return StartingPoint(first, first, first=True)
        raise LostOffset(
            f"{name}: the store is at offset {progress.position}, but the group's committed offset is gone; "
            f"find out why before you set it again (its metadata is {store_id})"
        )
    if committed.store_id != store_id:
        raise ForeignStore(
            f"{name}: offset {committed.offset} was committed with the store "
            f"{committed.store_id or 'of another program'}, this one is {store_id}; one group has one store"
        )
    if progress is None or committed.offset > progress.position:
        position = "nothing" if progress is None else f"offset {progress.position}"
        raise ForeignStore(
            f"{name}: the group has committed offset {committed.offset}, the store knows {position}: "
            "a restored backup would forget effects; restore a newer one"
        )
    return StartingPoint(committed.offset, max(progress.results_upto, committed.offset), first=False)
