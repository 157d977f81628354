"""Client configuration for librdkafka: what the guarantees need, and what the user may add.

Pure: dictionaries in, dictionaries out. Nothing else in the project writes a librdkafka key, so that one
page shows how every client behaves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from clients.log import LIBRARY_LOG

GroupProtocol = Literal["consumer", "classic"]

OWNED = frozenset(
    {
        "group.id",
        "enable.auto.commit",
        "auto.offset.reset",
        "isolation.level",
        "acks",
        "enable.idempotence",
        "transactional.id",
        "partitioner",
    }
)
"""What the guarantees stand on: a user's value is refused, never overridden in silence (design §8)."""

_ALSO_OWNED = frozenset(
    {
        # librdkafka's other names for settings above
        "request.required.acks",
        "auto.commit.enable",
        # what the clients below write over any value
        "enable.auto.offset.store",
        "enable.partition.eof",
        "group.remote.assignor",
        "message.max.bytes",
        "partition.assignment.strategy",
        "transaction.timeout.ms",
    }
)
_ELSEWHERE = {
    "bootstrap.servers": "--bootstrap-servers or CEV_BOOTSTRAP_SERVERS",
    "metadata.broker.list": "--bootstrap-servers or CEV_BOOTSTRAP_SERVERS",
    "group.protocol": "CEV_GROUP_PROTOCOL",
    "message.timeout.ms": "its other name delivery.timeout.ms",
}

# The broker aborts a dead writer's transaction after this; until then it hides what lies behind (design §7).
TRANSACTION_TIMEOUT_MS = 5_000
# Of a transactional producer: well below the transaction's timeout, so that one attempt can get through.
_LAST_RECONNECT_MS = 1_000
# librdkafka opens no second connection within half of this (rd_kafka_broker.c, sparse connections), and every
# client needs two: its default of 100 ms holds up each start by 50.
_FIRST_RECONNECT_MS = 20
LASTING_RECONNECT_MS = 100
"""librdkafka's own default, for readers that live long: while no broker answers they begin their backoff anew
at each bootstrap, so that 20 ms would be 80 connections a second, and this is 20 (measured)."""
# Dead-letter topics take larger records than any source (design §5), so every client must carry them.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


def check_kafka(settings: Mapping[str, str]) -> list[str]:
    """Faults in the user's own librdkafka settings, one sentence each; empty if there are none."""
    return [fault for key in sorted(settings) if (fault := _fault(key))]


def _fault(key: str) -> str | None:
    if not key:
        return "a kafka setting has no name"
    if key in _ELSEWHERE:
        return f"kafka setting {key} has a place of its own: use {_ELSEWHERE[key]}"
    if key in OWNED or key in _ALSO_OWNED:
        return f"kafka setting {key} is the program's own: its guarantees depend on it"
    return None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """One Kafka cluster, and how to talk to it.

    Attributes:
        bootstrap: `host:port`, comma-separated.
        registry: base URL of a Confluent-compatible schema registry; None writes without one.
        registry_user, registry_password: basic authentication at the registry.
        kafka: librdkafka settings of the user, e.g. `security.protocol`.
        group_protocol: `consumer` is KIP-848 and needs Kafka 4; `classic` works everywhere.
    """

    bootstrap: str
    registry: str | None = field(default=None, repr=False)
    registry_user: str | None = None
    registry_password: str | None = field(default=None, repr=False)
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    group_protocol: GroupProtocol = "consumer"

    def unless_set(self, **wanted: Any) -> dict[str, Any]:
        """Settings that we would like, less those that the user has set; `_` stands for a dot."""
        return {name: value for name, value in _dotted(wanted).items() if name not in self.kafka}

    def _base(self) -> dict[str, Any]:
        # Errors reach us as values: librdkafka's own lines are for who asks for them. They come when a client
        # is polled, and an admin client seldom is.
        return {
            "bootstrap.servers": self.bootstrap,
            "log_level": 2,
            "logger": LIBRARY_LOG,
            "reconnect.backoff.ms": _FIRST_RECONNECT_MS,
            **self.kafka,
        }

    def admin(self) -> dict[str, Any]:
        """Configuration for an admin client."""
        return self._base()

    def producer(self, **more: Any) -> dict[str, Any]:
        """Configuration for an idempotent producer: accepted means stored (design §7, point 1).

        `murmur2_random` is what Java clients and ksqlDB do; librdkafka's default would put one order's
        records on two partitions (design §5).
        """
        return {
            "compression.type": "lz4",
            "linger.ms": 5,
            "delivery.timeout.ms": 30_000,
            **self._base(),
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            **_dotted(more),
        }

    def transactional_producer(self, transactional_id: str, **more: Any) -> dict[str, Any]:
        """Configuration for a transactional producer (KIP-98).

        A user's `delivery.timeout.ms` counts where it is shorter than the transaction may be: librdkafka
        refuses a longer one.
        """
        return self.producer(
            **{
                "delivery.timeout.ms": self._delivery_in_transaction(),
                **self._back_after_a_restart(),
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "transactional.id": transactional_id,
                **more,
            }
        )

    def _back_after_a_restart(self) -> dict[str, Any]:
        """What lets a transactional producer go on soon after its brokers were away.

        When no broker answers, librdkafka bootstraps again and decommissions the brokers that it knew, but
        goes on asking one of them as the group's coordinator (librdkafka #5511): more than 150 s of silence.
        So it shall not: who is cut off for long makes a new producer, and that bootstraps.
        """
        settings = self.unless_set(metadata_recovery_strategy="none")
        if "reconnect.backoff.ms" not in self.kafka:
            # librdkafka refuses a first delay that is longer than the longest.
            settings |= self.unless_set(reconnect_backoff_max_ms=_LAST_RECONNECT_MS)
        return settings

    def _delivery_in_transaction(self) -> int | str:
        wanted = self.kafka.get("delivery.timeout.ms", "")
        # 0 is librdkafka's word for "for ever"; what is no number, librdkafka shall refuse by itself.
        within = not wanted.isdecimal() or 0 < int(wanted) < TRANSACTION_TIMEOUT_MS
        return wanted if wanted and within else TRANSACTION_TIMEOUT_MS

    def consumer(self, group_id: str, **more: Any) -> dict[str, Any]:
        """Configuration for a member of a consumer group; it commits by hand and never resets an offset.

        The assignor is `range`, so that partition p of a command topic and partition p of its fact topic
        sit on the same member (KIP-848 server-side assignor names).
        """
        protocol: dict[str, Any] = {"group.protocol": self.group_protocol}
        if self.group_protocol == "consumer":
            protocol["group.remote.assignor"] = "range"
        else:
            protocol["partition.assignment.strategy"] = "range"
        return {
            **self._base(),
            **self.unless_set(reconnect_backoff_ms=LASTING_RECONNECT_MS),
            **protocol,
            "group.id": group_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            **_dotted(more),
        }

    def reader(self, **more: Any) -> dict[str, Any]:
        """Configuration for a reader that assigns partitions itself, joins no group and commits nothing.

        It reads ahead a few thousand records: librdkafka's defaults are 100,000 records and 64 MB, and each
        record costs 1 kB more than its bytes. A full queue asks again after 5 ms instead of a second.
        """
        return {
            **self._base(),
            **self.unless_set(
                queued_min_messages=4_000,
                queued_max_messages_kbytes=8 * 1024,
                fetch_message_max_bytes=256 * 1024,
                fetch_queue_backoff_ms=5,
            ),
            # librdkafka wants a name even where no group is joined.
            "group.id": "cev-reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            **_dotted(more),
        }


def _dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "."): value for key, value in settings.items()}
