"""The configuration of one Kafka node of n: `server.properties`, its ports, its log configuration. Pure.

Promise: every path is relative to the node's own directory (the process starts there), so a data directory
may be moved, and may have any character in its name. Everything listens on 127.0.0.1 and nowhere else.
Not here: topic settings (retention and sizes of topics are set when topics are created).
"""

from collections.abc import Mapping
from typing import NamedTuple

HOST = "127.0.0.1"
MAX_BROKERS = 9
_REPLICATED = 3  # the smallest cluster in which one copy may be lost and two are left

# A record put aside in a dead-letter topic carries more headers than it came with, so these topics allow more
# than the broker's default of 1 MiB. Followers must be able to copy what the largest of them holds.
LARGEST_COPY_BYTES = 16 * 1024 * 1024

# Fail over and restart in seconds: with Kafka's defaults a killed member holds its partitions for 45 to 66 s
# (KIP-848 session, then the open transaction).
_FAST_FAILOVER = {
    "group.consumer.min.session.timeout.ms": "3000",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.min.heartbeat.interval.ms": "1000",
    "group.consumer.heartbeat.interval.ms": "2000",
    "group.min.session.timeout.ms": "3000",
    "group.initial.rebalance.delay.ms": "0",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}

# One small machine: 50 partitions of each internal topic and 128 MiB for the log cleaner are meant for large
# ones.
_SMALL = {
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "8",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


class Ports(NamedTuple):
    """Where each process listens: one port a broker, one a controller, one for the registry."""

    brokers: tuple[int, ...]
    controllers: tuple[int, ...]
    registry: int

    def bootstrap(self) -> str:
        """The brokers' addresses, as clients take them."""
        return ",".join(f"{HOST}:{port}" for port in self.brokers)


def registry_url(port: int) -> str:
    """The address of the registry's Confluent-compatible interface, which confluent-kafka's client speaks."""
    return f"http://{HOST}:{port}/apis/ccompat/v7"


def controllers_of(brokers: int) -> int:
    """How many nodes vote: three survive the loss of one; with two, a second vote is a second way to stop."""
    return 3 if brokers >= _REPLICATED else 1


def ports_needed(brokers: int) -> int:
    """How many ports a cluster of so many brokers takes, the registry's included."""
    return brokers + controllers_of(brokers) + 1


def ports_of(numbers: tuple[int, ...], brokers: int) -> Ports:
    """Deal out `ports_needed(brokers)` numbers: brokers first, so that they start at the port asked for."""
    return Ports(numbers[:brokers], numbers[brokers:-1], numbers[-1])


def server_properties(node: int, ports: Ports) -> dict[str, str]:
    """The settings of node `node`, counted from 1, in a cluster of `len(ports.brokers)`.

    Replication is 3 with at least 2 in sync where there are three brokers or more, so that acks=all survives
    the loss of one.
    """
    brokers = len(ports.brokers)
    return {
        **_network(node, ports),
        **_durability(brokers),
        **_FAST_FAILOVER,
        **_SMALL,
        **_fencing(brokers),
        "log.dirs": "data",
        "auto.create.topics.enable": "false",
        # A committed offset is never forgotten: a lost one stops a group (auto.offset.reset=error). The
        # largest int there is.
        "offsets.retention.minutes": "2147483647",
        "replica.fetch.max.bytes": str(LARGEST_COPY_BYTES),
        "replica.fetch.response.max.bytes": str(LARGEST_COPY_BYTES),
    }


def _network(node: int, ports: Ports) -> dict[str, str]:
    listeners = [f"PLAINTEXT://{HOST}:{ports.brokers[node - 1]}"]
    votes = node <= len(ports.controllers)
    if votes:
        listeners.append(f"CONTROLLER://{HOST}:{ports.controllers[node - 1]}")
    return {
        "node.id": str(node),
        "process.roles": "broker,controller" if votes else "broker",
        "controller.quorum.voters": ",".join(
            f"{voter}@{HOST}:{port}" for voter, port in enumerate(ports.controllers, start=1)
        ),
        "listeners": ",".join(listeners),
        "advertised.listeners": listeners[0],
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }


def _durability(brokers: int) -> dict[str, str]:
    replication, in_sync = str(min(brokers, _REPLICATED)), "2" if brokers >= _REPLICATED else "1"
    return {
        "default.replication.factor": replication,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replication,
        "transaction.state.log.replication.factor": replication,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replication,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def _fencing(brokers: int) -> dict[str, str]:
    """How soon a silent broker counts as dead, 9 s by default.

    Until then nobody else leads its partitions, and it may not come back itself: a lone broker that was
    killed waits for its own session to end. It shares its process, and so its pauses, with the controller
    that judges it; brokers that compete with each other for two cores are given more time.
    """
    session = "3000" if brokers == 1 else "4000"
    return {"broker.session.timeout.ms": session, "broker.heartbeat.interval.ms": "500"}


def render(settings: Mapping[str, str]) -> str:
    """The text of a properties file; no key or value here needs escaping."""
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def log_settings(file: str) -> str:
    """Log4j 2 properties that keep at most 40 MB of log at `file`, relative to the process's directory."""
    return render(
        {
            "status": "warn",
            "appender.file.type": "RollingFile",
            "appender.file.name": "file",
            "appender.file.fileName": file,
            "appender.file.filePattern": f"{file}.%i",
            "appender.file.layout.type": "PatternLayout",
            "appender.file.layout.pattern": "%d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %-5p %m (%c{1})%n",
            "appender.file.policies.type": "Policies",
            "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
            "appender.file.policies.size.size": "10MB",
            "appender.file.strategy.type": "DefaultRolloverStrategy",
            "appender.file.strategy.max": "3",
            "rootLogger.level": "info",
            "rootLogger.appenderRef.file.ref": "file",
            # Hundreds of lines a start that repeat server.properties and every default.
            "logger.config.name": "org.apache.kafka.common.config.AbstractConfig",
            "logger.config.level": "warn",
        }
    )
