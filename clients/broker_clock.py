"""The broker's clock, as the records tell that it stamps itself.

A broker cannot be asked for its time. But it stamps the facts that it appends, and the records of
`__consumer_offsets`: each offset that a group commits, and each member that joins, is one. So the newest
record of a group's partition there is from after the group's last commit.

I/O: Kafka (reads the end of one partition; joins no group). Where that may not be read, nobody knows.
"""

import time

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from clients.config import Cluster
from clients.errors import PARTITION_EOF

_TOPIC = "__consumer_offsets"
_LAST_OFFSETS = 50
"""How far from the end to look: a transaction's markers take offsets too."""
_INT, _LEAST_INT = 2**32, 2**31


def clock_offset_ms(stamped_at: int, *, asked_at: int, answered_at: int) -> int:
    """How far the broker's clock is ahead of ours at least, or, below zero, behind it. Pure.

    Args:
        stamped_at: when the broker stamped a record, by its own clock, ms.
        asked_at: our clock before the record was made.
        answered_at: our clock when the record was read.
    """
    return min(max(0, stamped_at - answered_at), stamped_at - asked_at)


def newest_group_record_at(cluster: Cluster, group: str, *, timeout_s: float = 3.0) -> int | None:
    """When the broker wrote the newest record about a group, or about one that shares its partition.

    Returns: milliseconds since the epoch by the broker's clock; None if it does not let us read that in time.
    """
    deadline = time.monotonic() + timeout_s
    consumer = Consumer(cluster.reader(**{"isolation.level": "read_uncommitted", "fetch.wait.max.ms": 10}))
    try:
        metadata = consumer.list_topics(_TOPIC, timeout=timeout_s).topics[_TOPIC]
        if not metadata.partitions:
            return None
        partition = TopicPartition(_TOPIC, partition_of_group(group, len(metadata.partitions)))
        low, high = consumer.get_watermark_offsets(partition, timeout=timeout_s)
        partition.offset = max(low, high - _LAST_OFFSETS)
        consumer.assign([partition])
        return _newest(consumer, deadline)
    except (KafkaException, TypeError):  # no watermarks in time are None
        return None
    finally:
        consumer.close()


def _newest(consumer: Consumer, deadline: float) -> int | None:
    newest = None
    while time.monotonic() < deadline:
        message: Message | None = consumer.poll(0.1)
        if message is None:
            continue
        error = message.error()
        if error is None:
            newest = message.timestamp()[1]
        else:
            return newest if error.code() == PARTITION_EOF else None
    return None


def partition_of_group(group: str, partitions: int) -> int:
    """The partition of `__consumer_offsets` that a group's records are on.

    As Kafka's `GroupCoordinatorService.partitionFor`: the amount of Java's `String.hashCode`.
    """
    code = 0
    for letter in group:  # ASCII, as group ids of ours are (design §5)
        code = (31 * code + ord(letter)) % _INT
    return min(code, _INT - code) % _LEAST_INT % partitions  # Kafka takes 0 for the amount of the least int
