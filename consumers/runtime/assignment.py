"""Newly assigned partitions: where each begins, announced before anything is read.

I/O: through the inlet and the store that it is given.
"""

from consumers.runtime import starting_offset
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.reaction import Start
from consumers.runtime.records import Partition
from consumers.runtime.status import MemberStatus
from consumers.runtime.stores.store import Store
from schemas.times import now_ms


class PartitionAssigner:
    """Begins partitions for one member.

    Args:
        store: the group's store.
        start: where the group begins at its very first start.
        pulse: hears of the starts.
        troubles: learns what failed in the partitions before.

    Attributes:
        sent_upto: per partition, the offset below which results are known to be in Kafka.
    """

    def __init__(self, store: Store, start: Start, pulse: MemberStatus, troubles: FailureTracker) -> None:
        self._store = store
        self._edge = 1 if start == "now" else 0
        self.sent_upto: dict[Partition, int] = {}
        self._pulse = pulse
        self._troubles = troubles

    def begin(self, inlet: GroupConsumer, partitions: list[Partition]) -> dict[Partition, int]:
        """Offsets at which newly assigned partitions begin.

        Raises:
            LostOffset, ForeignStore: a partition must not be read.
            Unreachable: the store or the coordinator does not answer.
        """
        committed = inlet.committed(partitions)
        known = self._store.progress(partitions)
        starts: dict[Partition, int] = {}
        fresh: dict[Partition, int] = {}
        for each in partitions:
            new = committed[each] is None and (each not in known or not known[each].started)
            beginning = starting_offset.begin(
                each,
                committed[each],
                known.get(each),
                store=inlet.store,
                first=inlet.edges(each)[self._edge] if new else 0,
            )
            starts[each] = beginning.offset
            self.sent_upto[each] = beginning.sent_upto
            if beginning.first:
                fresh[each] = beginning.offset
        self._announce(inlet, fresh)
        self._troubles.begin(partitions)
        self._pulse.assigned(starts, fresh=len(fresh))
        return starts

    def _announce(self, inlet: GroupConsumer, fresh: dict[Partition, int]) -> None:
        """Commit first positions before anything is read, so that a missing offset later means a lost one."""
        if not fresh:
            return
        at = now_ms()
        self._store.begin(fresh, at, started=False)
        inlet.commit_first(fresh)
        self._store.begin(fresh, at, started=True)
