"""Committed offsets that somebody sets by hand.

I/O: Kafka.
"""

from collections.abc import Mapping

from confluent_kafka import Consumer, TopicPartition

from clients.config import Cluster


def set_offsets(cluster: Cluster, group: str, offsets: Mapping[tuple[str, int], int], metadata: str) -> None:
    """Commit offsets of a group without members, as an operator's script does."""
    consumer = Consumer(cluster.reader(group_id=group))
    try:
        done = consumer.commit(
            offsets=[TopicPartition(*partition, offset, metadata) for partition, offset in offsets.items()],
            asynchronous=False,
        )
        assert [entry.error for entry in done or []] == [None] * len(offsets)
    finally:
        consumer.close()
