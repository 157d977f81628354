"""Whether a whole group has come to the end of its topics, asked of Kafka itself.

A member knows its own partitions only. After a crash the rest may still belong to a member that is dead and
not yet missed: one who looks at his own share alone would call the group idle.

I/O: Kafka (offsets; joins no group, commits nothing).
"""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException, TopicPartition

from clients.config import Cluster

_TIMEOUT_S = 5.0


def caught_up(cluster: Cluster, group: str, topics: Iterable[str]) -> bool:
    """Whether a group has committed every partition up to its end; False also while nobody answers.

    Args:
        cluster: where.
        group: group id.
        topics: what it subscribes.
    """
    # It names the group to ask for its offsets, and never subscribes, so it is no member.
    consumer = Consumer(cluster.consumer(group))
    try:
        known = consumer.list_topics(timeout=_TIMEOUT_S).topics
        partitions = [TopicPartition(name, number) for name in topics for number in known[name].partitions]
        return all(_at_end(consumer, each) for each in consumer.committed(partitions, timeout=_TIMEOUT_S))
    except (KafkaException, KeyError):
        return False
    finally:
        consumer.close()


def _at_end(consumer: Consumer, committed: TopicPartition) -> bool:
    edges: tuple[int, int] | None = consumer.get_watermark_offsets(committed, timeout=_TIMEOUT_S)
    return edges is not None and (edges[0] == edges[1] or committed.offset >= edges[1])
