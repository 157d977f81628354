"""From addresses to a cluster and a codec: how an order service, which has no settings of ours, connects.

Nothing is connected here; the registry's client asks nothing before the first schema.
"""

from collections.abc import Mapping

from clients.config import Cluster
from clients.config_check import kafka_faults
from schemas.codec import Codec
from schemas.errors import InvalidSetting
from schemas.registry import Registry


def cluster_and_codec(
    bootstrap: str, *, registry: str | None, kafka: Mapping[str, str] | None
) -> tuple[Cluster, Codec]:
    """What these addresses name.

    Args:
        bootstrap: Kafka brokers, `host:port`, comma-separated.
        registry: URL of a schema registry; None writes without one.
        kafka: further librdkafka settings, e.g. `security.protocol`.

    Raises:
        InvalidSetting: a setting in `kafka` is the program's own, or librdkafka refuses it.
    """
    cluster = Cluster(bootstrap=bootstrap, registry=registry, kafka=kafka or {})
    if faults := kafka_faults(cluster.kafka, cluster.group_protocol):
        raise InvalidSetting("; ".join(fault.text for fault in faults))
    return cluster, Codec(Registry(registry) if registry else None)
