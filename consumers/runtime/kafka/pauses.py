"""What a consumer does not hand out for now, and why.

    all    something takes long, or is down: every partition, until the next reading; polling goes on
           meanwhile, so that the group keeps us (`max.poll.interval.ms`)
    one    a partition stands still at records of an unknown schema: until a moment; the others are read

A partition may be paused for both reasons; it is read again when neither is left.

librdkafka keeps a pause of ours across a rebalance: a partition that went while it was paused comes back
paused. So what comes is told which it is, each time.

I/O: Kafka (pauses and resumes on the consumer that it is given).
"""

from collections.abc import Collection

from confluent_kafka import Consumer, TopicPartition

from consumers.runtime.records import Partition


class PausedPartitions:
    """The pauses of one consumer.

    Attributes:
        until: partitions that are paused alone, each with its end in monotonic seconds.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._all = False
        self.until: dict[Partition, float] = {}

    def all(self, owned: Collection[Partition]) -> None:
        """Pause everything that is ours, also what comes later, until `end`."""
        if not self._all and owned:
            self._consumer.pause(_named(owned))
            self._all = True

    def one(self, partition: Partition, until: float) -> None:
        """Pause one partition until a moment."""
        self.until[partition] = until
        self._consumer.pause(_named([partition]))

    def came(self, partitions: Collection[Partition]) -> None:
        """These are newly ours."""
        self.went(partitions)
        if partitions:
            change = self._consumer.pause if self._all else self._consumer.resume
            change(_named(partitions))

    def went(self, partitions: Collection[Partition]) -> None:
        """These are not ours any more, and neither is what stood still in them."""
        for each in partitions:
            self.until.pop(each, None)

    def end(self, owned: Collection[Partition], now: float) -> None:
        """Read again: everything, but what is paused alone and not for long enough."""
        over = {each for each, until in self.until.items() if until <= now} if self.until else set()
        for each in over:
            del self.until[each]
        if self._all:
            over = set(owned) - self.until.keys()
            self._all = False
        if over:
            self._consumer.resume(_named(over))


def _named(partitions: Collection[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*each) for each in partitions]
