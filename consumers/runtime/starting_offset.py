"""Where a newly assigned partition begins, and when it must not begin at all (design §7, points 5 and 12).

Pure: what Kafka has committed and what the store knows go in, an offset or a refusal comes out.
"""

from typing import NamedTuple

from consumers.runtime.records import Partition
from consumers.runtime.stores.store import Progress
from schemas.errors import ForeignStore, LostOffset


class Committed(NamedTuple):
    """A committed offset, and the store id that travels with it as metadata."""

    offset: int
    store: str


class Beginning(NamedTuple):
    """Where to read on.

    Attributes:
        offset: the first offset to read.
        sent_upto: results of offsets below are known to be in Kafka.
        first: this is the partition's very first start; the caller announces it before it reads.
    """

    offset: int
    sent_upto: int
    first: bool


def begin(
    partition: Partition, committed: Committed | None, known: Progress | None, *, store: str, first: int
) -> Beginning:
    """Decide where a partition begins.

    Args:
        partition: topic and number, for the message.
        committed: the group's committed offset, or None.
        known: the store's progress, or None.
        store: the id of the store in use.
        first: where the group's registry line says to begin.

    Raises:
        LostOffset: the store has worked on the partition and Kafka knows no offset any more.
        ForeignStore: the offset was committed with another store, or lies beyond what this one knows.
    """
    name = f"{partition[0]}:{partition[1]}"
    if committed is None:
        if known is None or not known.started:
            return Beginning(first, first, first=True)
        raise LostOffset(
            f"{name}: the store is at offset {known.position}, but the group's committed offset is gone; "
            f"find out why before you set it again (its metadata is {store})"
        )
    if committed.store != store:
        raise ForeignStore(
            f"{name}: offset {committed.offset} was committed with the store "
            f"{committed.store or 'of another program'}, this one is {store}; one group has one store"
        )
    if known is None or committed.offset > known.position:
        has = "nothing" if known is None else f"offset {known.position}"
        raise ForeignStore(
            f"{name}: the group has committed offset {committed.offset}, the store knows {has}: "
            "a restored backup would forget effects; restore a newer one"
        )
    return Beginning(committed.offset, max(known.results_upto, committed.offset), first=False)
