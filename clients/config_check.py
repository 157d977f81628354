"""What is wrong with a user's librdkafka settings, found before anything connects.

librdkafka itself is asked: it makes each kind of client that the program uses, without any broker, and
refuses unknown names, values of the wrong kind, and settings that do not go together. Its words are kept
where they help, never with a secret in them.

I/O: makes Kafka clients that connect to nothing.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from clients.config import Cluster, GroupProtocol, check_kafka
from clients.config_secrets import shown_value
from schemas.suggestions import did_you_mean

# What a misspelled name may have meant; librdkafka has more names, and tells nobody which.
_OFTEN_SET = """
broker.address.family client.dns.lookup client.id client.rack compression.type
connections.max.idle.ms debug delivery.timeout.ms enable.ssl.certificate.verification
fetch.max.bytes fetch.wait.max.ms group.instance.id heartbeat.interval.ms linger.ms
log.connection.close log_level max.in.flight.requests.per.connection max.poll.interval.ms
metadata.max.age.ms queued.max.messages.kbytes reconnect.backoff.max.ms reconnect.backoff.ms retries
retry.backoff.ms sasl.kerberos.keytab sasl.kerberos.principal sasl.kerberos.service.name
sasl.mechanism sasl.oauthbearer.client.id sasl.oauthbearer.client.secret sasl.oauthbearer.config
sasl.oauthbearer.method sasl.oauthbearer.scope sasl.oauthbearer.token.endpoint.url sasl.password
sasl.username security.protocol session.timeout.ms socket.connection.setup.timeout.ms
socket.keepalive.enable socket.timeout.ms ssl.ca.location ssl.ca.pem ssl.certificate.location
ssl.certificate.pem ssl.endpoint.identification.algorithm ssl.key.location ssl.key.password
ssl.key.pem statistics.interval.ms
"""

_CALLBACKS = ("logger", "on_commit", "on_delivery")
_FILES = ("ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location")
_CHECK = "cev-check"
# How librdkafka begins where settings are well-formed and do not go together.
_NOT_MADE = "Failed to create"


class KafkaFault(NamedTuple):
    """What is wrong, and with which settings."""

    keys: tuple[str, ...]
    text: str


def kafka_faults(kafka: Mapping[str, str], protocol: GroupProtocol) -> list[KafkaFault]:
    """All faults of single settings; where there are none, the first of several that do not go together.

    Args:
        kafka: librdkafka's settings by name.
        protocol: of consumer groups; each refuses settings of the other.
    """
    alone = [KafkaFault((key,), fault) for key in sorted(kafka) if (fault := _fault_alone(key, kafka[key]))]
    if alone:
        return alone
    refusal = _refusal(kafka, protocol)
    if refusal is None:
        return []
    keys = tuple(key for key in sorted(kafka) if _refusal(_without(kafka, key), protocol) != refusal)
    return [KafkaFault(keys, _explained_together(kafka, refusal))]


def _fault_alone(key: str, value: str) -> str | None:
    if faults := check_kafka({key: value}):
        return faults[0]
    if key.endswith("_cb") or key in _CALLBACKS:
        return f"kafka setting {key} is a function, which only a program can give"
    if key in _FILES and value != "probe" and not Path(value).exists():
        return f"kafka setting {key}: there is no file {value}"
    reason = _refused(AdminClient, {"log_level": 0, key: value})
    # Whether it goes with the others is not asked yet.
    return None if reason is None or reason.startswith(_NOT_MADE) else _explained(key, value, reason)


def _explained(key: str, value: str, reason: str) -> str:
    shown = shown_value(key, value)
    if reason.startswith("No such configuration property"):
        return f"librdkafka has no setting {key}{did_you_mean(key, _OFTEN_SET.split())}"
    if outside := re.search(r"outside allowed range (\S+?)\.\.(\S+)", reason):
        return f"kafka setting {key} is {shown}, and must be from {outside[1]} to {outside[2]}"
    if reason.startswith("Expected bool value"):
        return f"kafka setting {key} is true or false, not {shown}"
    if reason.startswith("Invalid value"):
        return f"kafka setting {key} cannot be {shown}"
    return f"kafka setting {key} cannot be used: {reason}"


def _explained_together(kafka: Mapping[str, str], refusal: str) -> str:
    if "not supported for `group.protocol=consumer`" in refusal:
        return "the broker decides it in the group protocol consumer; CEV_GROUP_PROTOCOL=classic takes it"
    if "GSSAPI" in refusal and not kafka.keys() & {"sasl.mechanism", "sasl.mechanisms"}:
        return "kafka setting sasl.mechanism is missing: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
    return f"librdkafka refuses it: {re.sub(f'^{_NOT_MADE}[^:]*: ', '', refusal)}"


def _refusal(kafka: Mapping[str, str], protocol: GroupProtocol) -> str | None:
    """Why the first kind of client cannot be made of all settings together."""
    cluster = Cluster(bootstrap="", kafka=kafka, group_protocol=protocol)
    kinds: tuple[tuple[Callable[[dict[str, Any]], Any], dict[str, Any]], ...] = (
        (AdminClient, cluster.admin()),
        (Producer, cluster.producer()),
        (Producer, cluster.transactional_producer(_CHECK)),
        (Consumer, cluster.consumer(_CHECK)),
        (Consumer, cluster.reader()),
    )
    return next((reason for kind, config in kinds if (reason := _refused(kind, config))), None)


def _refused(kind: Callable[[dict[str, Any]], Any], config: dict[str, Any]) -> str | None:
    try:
        client = kind({name: value for name, value in config.items() if name != "bootstrap.servers"})
    except KafkaException as error:
        return " ".join(error.args[0].str().split())
    except (AttributeError, TypeError, ValueError):
        return "it is a setting of programs"  # the binding reads it, and wants an object
    if isinstance(client, Consumer):
        client.close()
    return None


def _without(kafka: Mapping[str, str], key: str) -> dict[str, str]:
    return {name: value for name, value in kafka.items() if name != key}
