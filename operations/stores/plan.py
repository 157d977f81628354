"""Where a group would go on with its store, per partition: what it would skip, and what repeat. Pure.

the topic is the one that the store knows        where the store knows results to be in Kafka; what lies
                                                 between there and its progress comes again and does nothing
the topic was made anew, or is another cluster's where it begins; orders that have their effect are
                                                 duplicates
the group has committed more than the store has  somebody must say: skip those records, or repeat them
"""

from typing import Literal, NamedTuple

from clients.admin import Partition, Watermarks
from consumers.runtime.records import Committed, Progress

Unknown = Literal["skip", "repeat"]
"""What becomes of records that the group has committed, and of which the store knows nothing."""


class PartitionState(NamedTuple):
    """What is known of one partition.

    Attributes:
        partition: topic and number.
        progress: what the store knows; None if nothing.
        committed: what the group has committed; None if nothing.
        watermarks: where the log begins and ends.
        anew: whether the topic is another one than the store's.
    """

    partition: Partition
    progress: Progress | None
    committed: Committed | None
    watermarks: Watermarks
    anew: bool


class Step(NamedTuple):
    """Where one partition goes on. All counts are of offsets, markers included.

    Attributes:
        state: what is known of it.
        start: the offset to commit.
        progress: what the store knows from then on.
        anew: whether the topic is another one than the store's.
        skips: how many lie before the start that no member of this store has handled.
        repeats: how many come again that one has handled.
        unknown: how many the group has committed, and the store does not know.
    """

    state: PartitionState
    start: int
    progress: Progress
    anew: bool
    skips: int
    repeats: int
    unknown: int

    @property
    def partition(self) -> Partition:
        """Topic and number."""
        return self.state.partition


def is_anew(stored_id: str | None, topic_id: str | None, committed: Committed | None) -> bool:
    """Whether a topic is another one than the store's.

    Where the store does not know its id, a committed offset tells: Kafka deletes those with their topic. With
    neither it may be another one, and a log that is read from its beginning loses nothing.

    Args:
        stored_id: the id that the store knows, or None.
        topic_id: the id that the topic has; None on a broker that is older than 2.8.
        committed: what the group has committed there.
    """
    if stored_id is None:
        return committed is None
    return stored_id != topic_id


def step(state: PartitionState, *, store_id: str, unknown: Unknown | None) -> Step | None:
    """Where a partition goes on; None where nothing was begun, so that its first start is yet to come.

    Args:
        state: the partition.
        store_id: of the store.
        unknown: what becomes of records that the store does not know; None repeats them.
    """
    committed, (low, _, high) = state.committed, state.watermarks
    progress = state.progress if state.progress is not None and state.progress.started else None
    if progress is None and committed is None:
        return None
    if progress is not None and (state.anew or progress.position > high):
        return Step(state, low, Progress(low, low, started=True), True, 0, 0, 0)
    known, settled = (low, low) if progress is None else (progress.position, progress.results_upto)
    claimed = known if committed is None else min(committed.offset, high)
    gap = max(0, claimed - max(known, low))
    if gap and unknown == "skip":
        start = claimed
    elif committed is not None and committed.store_id == store_id and settled <= committed.offset <= known:
        start = max(committed.offset, low)
    else:
        start = max(settled, low)
    after = Progress(max(known, start), start, started=True)
    return Step(state, start, after, False, max(0, start - known), max(0, known - start), gap)
