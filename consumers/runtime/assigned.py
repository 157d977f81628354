"""What a member knows of the partitions that it owns, from their assignment until they are revoked.

How far they were read and settled, which of their records wait, and what Kafka is owed for them. None of it
is stored: what is forgotten here comes again from Kafka and from the store.

I/O: Kafka (`start_over` seeks), through the consumer that it is given.
"""

from collections.abc import Collection, Mapping

from clients.records import ProducerRecord
from consumers.runtime.batch import Step
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.offset_tracker import OffsetTracker
from consumers.runtime.records import Partition, is_from
from consumers.runtime.retry_queue import RetryQueue
from consumers.runtime.unsent import UnsentRecords
from schemas.errors import Position


class AssignedPartitions:
    """The partitions of one consumer.

    Args:
        consumer: whose.
        longest_wait_ms: see `RetryQueue`.

    Attributes:
        tracker: how far they were read and settled.
        waiting: their records that wait.
        delivering: their records whose deliveries are under way, begun since the assignment.
        unsent: results and dead letters that Kafka does not have yet.
        generation: the consumer's, at the last `follow`.
    """

    def __init__(self, consumer: GroupConsumer, longest_wait_ms: int) -> None:
        self._consumer = consumer
        self.generation = 0
        self.tracker = OffsetTracker()
        self.waiting = RetryQueue(longest_wait_ms=longest_wait_ms)
        self.delivering: set[Position] = set()
        self.unsent = UnsentRecords()

    @property
    def current(self) -> bool:
        """Whether the group is as it was at the last `follow`: nothing was assigned or revoked since."""
        return self._consumer.generation == self.generation

    def follow(self) -> None:
        """Follow the group: forget partitions that were revoked, and begin with new ones (invariant 4)."""
        if self.current:
            return
        self._forget(self.tracker.partitions - self._consumer.owned_since(self.generation))
        self.generation = self._consumer.generation
        new = self._consumer.owned - self.tracker.partitions
        self.tracker = self.tracker.begin(
            {partition: self._consumer.start_offsets[partition] for partition in new}
        )

    def start_over(self) -> None:
        """Read everything again that is not committed."""
        self.follow()
        committed = self.tracker.committed()
        self._forget(committed.keys())
        self.tracker = self.tracker.begin(committed)
        self._consumer.seek_back(committed)

    def rewind(self, offsets: Mapping[Partition, int]) -> None:
        """Let go of what was read of these partitions from an offset on; the caller has it read again."""
        self.tracker = self.tracker.rewind(offsets)
        self._let_go(offsets)

    def stored(
        self, step: Step, tracker: OffsetTracker, owed: Collection[tuple[Position, ProducerRecord]]
    ) -> None:
        """Take over a step that the store has.

        Args:
            step: the step.
            tracker: how far everything is settled now.
            owed: what Kafka is owed for it.
        """
        self.tracker = tracker
        # The answer to a delivery may come when its partition is another member's, who sends its results.
        self.unsent.add([entry for entry in owed if entry[0].topic_partition in tracker.partitions])
        self.delivering -= step.results.positions
        self.delivering |= {task.record.position for task in step.plan.deliveries}
        waiting = step.waiting()
        if waiting or len(self.waiting):
            self.waiting.settle(step.settled())
            self.waiting.put(waiting)
            self.waiting.wait(step.until())
            self.waiting.wake(step.results.positions - step.ended)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """These offsets are committed, with everything that Kafka was owed below them."""
        self.tracker = self.tracker.after_commit(offsets)
        self.unsent.drop_below(offsets)

    def _forget(self, partitions: Collection[Partition]) -> None:
        self.tracker = self.tracker.forget(partitions)
        self._let_go(dict.fromkeys(partitions, 0))

    def _let_go(self, offsets: Mapping[Partition, int]) -> None:
        self.waiting.forget(offsets)
        self.unsent.forget(offsets)
        self.delivering = {position for position in self.delivering if not is_from(position, offsets)}
