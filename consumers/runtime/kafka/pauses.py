"""Which partitions a consumer does not hand out for now, and why.

    all    something takes long, or is down: every partition, until the next poll for records; polling goes on
           meanwhile, so that the group keeps the member (`max.poll.interval.ms`)
    one    a partition is paused at records of an unknown schema: until a moment; the others are read
    held   a partition was read too far beyond a record that waits: until that record is settled

A partition may be paused for several reasons; it is read again when none is left.

librdkafka keeps an application's pause across a rebalance: a partition that was revoked while it was paused
is still paused when it is assigned again. So each newly assigned partition is paused or resumed explicitly.

I/O: Kafka (pauses and resumes on the consumer that it is given).
"""

from collections.abc import Collection

from confluent_kafka import Consumer, TopicPartition

from consumers.runtime.records import Partition


class PausedPartitions:
    """The paused partitions of one consumer.

    Attributes:
        until: partitions that are paused by themselves, each with its end in monotonic seconds.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._all = False
        self.until: dict[Partition, float] = {}
        self._held: set[Partition] = set()

    def pause_all(self, owned: Collection[Partition]) -> None:
        """Pause all owned partitions, and those assigned later, until `resume_due`."""
        if not self._all and owned:
            self._consumer.pause(_topic_partitions(owned))
            self._all = True

    def pause(self, partition: Partition, until: float) -> None:
        """Pause one partition until a moment (monotonic seconds)."""
        self.until[partition] = until
        self._consumer.pause(_topic_partitions([partition]))

    def hold(self, partitions: set[Partition]) -> None:
        """Read nothing of exactly these partitions; those that were held before go on."""
        if partitions == self._held:
            return
        released = self._held - partitions - self.until.keys()
        self._consumer.pause(_topic_partitions(partitions - self._held))
        self._held = set(partitions)
        if released and not self._all:
            self._consumer.resume(_topic_partitions(released))

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Pause or resume newly assigned partitions, as all others are."""
        self.revoked(partitions)
        if partitions:
            change = self._consumer.pause if self._all else self._consumer.resume
            change(_topic_partitions(partitions))

    def revoked(self, partitions: Collection[Partition]) -> None:
        """Forget the pauses of partitions that are no longer owned."""
        for partition in partitions:
            self.until.pop(partition, None)
            self._held.discard(partition)

    def resume_due(self, owned: Collection[Partition], now: float) -> None:
        """Resume all owned partitions, except those paused by themselves for longer than now."""
        due = {partition for partition, until in self.until.items() if until <= now} if self.until else set()
        for partition in due:
            del self.until[partition]
        if self._all:
            due = set(owned) - self.until.keys()
            self._all = False
        due -= self._held
        if due:
            self._consumer.resume(_topic_partitions(due))


def _topic_partitions(partitions: Collection[Partition]) -> list[TopicPartition]:
    return [TopicPartition(*partition) for partition in partitions]
