"""What Kafka says of a cluster and of a group as a whole: its id, its topics, and whether a group is done.

I/O: Kafka (metadata, offsets; joins no group, commits nothing).
"""

from collections.abc import Collection, Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from clients.config import Cluster
from schemas.errors import BrokerUnreachable, TopicMissing

_METADATA_TIMEOUT_S = 10.0
_OFFSETS_TIMEOUT_S = 5.0


def cluster_id(cluster: Cluster, topics: Iterable[str]) -> str:
    """The cluster's id, after checking that the topics are there.

    Raises:
        TopicMissing: one is not; the message says what creates it.
        BrokerUnreachable: nobody answers.
    """
    return str(_metadata(cluster, topics).cluster_id)


def partition_counts(cluster: Cluster, topics: Collection[str]) -> dict[str, int]:
    """How many partitions each of the topics has; raises as `cluster_id` does."""
    there = _metadata(cluster, topics).topics
    return {topic: len(there[topic].partitions) for topic in topics}


def _metadata(cluster: Cluster, topics: Iterable[str]) -> Any:
    consumer = Consumer(cluster.reader())
    try:
        metadata = consumer.list_topics(timeout=_METADATA_TIMEOUT_S)
    except KafkaException as error:
        raise BrokerUnreachable(f"no broker answers at {cluster.bootstrap}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    missing = sorted(set(topics) - set(metadata.topics))
    if missing:
        raise TopicMissing(f"topic {missing[0]} is missing; `cev topics create` creates it")
    return metadata


def caught_up(cluster: Cluster, group: str, topics: Iterable[str]) -> bool:
    """Whether a group has committed every partition up to its end; False also while nobody answers.

    Kafka is asked because a member knows its own partitions only: after a crash the others may still belong
    to a dead member whose session has not timed out yet.

    Args:
        cluster: where the group is.
        group: group id.
        topics: topics that the group subscribes to.
    """
    # The client names the group to ask for its offsets; it never subscribes, so it is no member.
    consumer = Consumer(cluster.consumer(group))
    try:
        metadata = consumer.list_topics(timeout=_OFFSETS_TIMEOUT_S).topics
        partitions = [TopicPartition(name, number) for name in topics for number in metadata[name].partitions]
        committed = consumer.committed(partitions, timeout=_OFFSETS_TIMEOUT_S)
        return all(_at_end(consumer, partition) for partition in committed)
    except (KafkaException, KeyError):
        return False
    finally:
        consumer.close()


def _at_end(consumer: Consumer, committed: TopicPartition) -> bool:
    watermarks: tuple[int, int] | None = consumer.get_watermark_offsets(committed, timeout=_OFFSETS_TIMEOUT_S)
    if watermarks is None:
        return False
    low, high = watermarks
    return low == high or committed.offset >= high
