"""Which cluster this is, and whether it has what a member needs.

I/O: Kafka (metadata).
"""

from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaException

from clients.config import Cluster
from schemas.errors import BrokerUnreachable, TopicMissing

_TIMEOUT_S = 10.0


def cluster_id(cluster: Cluster, topics: Iterable[str]) -> str:
    """The cluster's id, after checking that the topics are there.

    Raises:
        TopicMissing: one is not; the message says what creates it.
        BrokerUnreachable: nobody answers.
    """
    consumer = Consumer(cluster.reader())
    try:
        found = consumer.list_topics(timeout=_TIMEOUT_S)
    except KafkaException as error:
        raise BrokerUnreachable(f"no broker answers at {cluster.bootstrap}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    missing = sorted(set(topics) - set(found.topics))
    if missing:
        raise TopicMissing(f"topic {missing[0]} is missing; `cev topics create` creates it")
    return str(found.cluster_id)
