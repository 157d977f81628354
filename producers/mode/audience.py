"""Whether a live consumer dispatches the orders of a mode, as far as the broker knows.

`mode set` warns with it and never refuses: gates that refuse belong to the migration tool (design §6).

I/O: Kafka (describes a consumer group, with a deadline).
"""

from concurrent.futures import TimeoutError as FutureTimeoutError

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from clients.config import Cluster
from schemas.control import Mode
from schemas.topics import BY_NAME, DISPATCH_PRODUCTS, ORDERS

WAREHOUSE = BY_NAME[DISPATCH_PRODUCTS].owner
"""The one group that dispatches, on the command or on the fact."""


def dispatch_topic(mode: Mode) -> str:
    """The topic whose records are dispatched in a mode."""
    return ORDERS if mode is Mode.EVENT else DISPATCH_PRODUCTS


def missing_consumer_warning(cluster: Cluster, mode: Mode, *, timeout_s: float = 10.0) -> str | None:
    """A warning if no live member of the warehouse reads the topic of a mode; None if one does.

    A broker that does not answer in time is a warning too, not an error.
    """
    topic = dispatch_topic(mode)
    nobody = f"{WAREHOUSE} has no live member: orders wait on {topic} until `cev consume {WAREHOUSE}` runs"
    client = AdminClient(cluster.admin())  # in a variable: without a reference it ends before it answers
    try:
        groups = client.describe_consumer_groups([WAREHOUSE], request_timeout=timeout_s)
        members = groups[WAREHOUSE].result(timeout_s).members or []
    except (KafkaException, FutureTimeoutError) as error:
        if isinstance(error, KafkaException) and error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return nobody
        return f"the broker does not say whether {WAREHOUSE} has a live member that reads {topic}"
    read = {p.topic for member in members if member.assignment for p in member.assignment.topic_partitions}
    if topic in read:
        return None
    return f"no live member of {WAREHOUSE} reads {topic}: orders wait there for one" if members else nobody
