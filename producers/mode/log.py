"""Reading `order_mode`: from its beginning, read_committed, without a group.

A record that cannot be decoded is no mode: it is logged and ignored, because a broken record on the control
topic must not stop the shop. The broker reports the end (EOF); offsets cannot, because transaction markers
take offsets too.

I/O: Kafka (reads order_mode).
"""

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from clients.closing import Closing
from clients.config import LASTING_RECONNECT_MS, Cluster
from clients.errors import AUTO_OFFSET_RESET, PARTITION_EOF, headers_of, partitions_of, unreachable
from clients.log import Log
from schemas.codec import Codec
from schemas.control import INITIAL, ModeChanged
from schemas.errors import DeadlinePassed, NoRegistry, Position, SafetyRefusal, UndecodableMessage
from schemas.topics import ORDER_MODE

_POLL_S = 0.1
# How long the broker waits for a record before it answers a fetch with none (librdkafka's default: 500 ms).
# A record is answered at once; this delays only the report of the end, which every short command waits for.
_FETCH_WAIT_MS = 5
_FETCH_WAIT_LIVE_MS = 100


class UnreadableMode(SafetyRefusal):
    """The mode cannot be read; placing an order in a guessed one would break the switch."""


class ModeLog(Closing):
    """The control topic as a stream of mode changes.

    Args:
        cluster: the Kafka cluster.
        codec: decodes the values.
        timeout_s: how long the first answer of a broker may take.
        live: whether it is read on for long, so that fetches and reconnections should be few.

    Attributes:
        at_end: whether the broker last reported the end of the log.

    Raises:
        BrokerUnreachable: no broker answered.
        TopicMissing: the control topic does not exist.
    """

    def __init__(self, cluster: Cluster, codec: Codec, *, timeout_s: float, live: bool = False) -> None:
        lasting = {"fetch_wait_max_ms": _FETCH_WAIT_LIVE_MS, "reconnect_backoff_ms": LASTING_RECONNECT_MS}
        settings = cluster.unless_set(**(lasting if live else {"fetch_wait_max_ms": _FETCH_WAIT_MS}))
        self._bootstrap = cluster.bootstrap
        self._codec = codec
        self._log = Log(topic=ORDER_MODE)
        self._undecoded: Message | None = None
        self.at_end = False
        self._consumer = Consumer(cluster.reader(**settings))
        try:
            partitions_of(self._consumer, (ORDER_MODE,), bootstrap=cluster.bootstrap, timeout_s=timeout_s)
            self._rewind()
        except BaseException:
            self._consumer.close()
            raise

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def poll(self, timeout_s: float = _POLL_S) -> ModeChanged | None:
        """Wait for one event; returns the mode change that it is, None if it is none or none came in time.

        Raises:
            RegistryUnreachable: the record's schema could not be looked up; the next call tries again.
        """
        message = self._undecoded or self._consumer.poll(timeout_s)
        if message is None:
            return None
        error = message.error()
        if error is not None:
            self._handle_error(error)
            return None
        self.at_end = False
        self._undecoded = message
        change = self._decoded(message)
        self._undecoded = None
        return change

    def to_end(self, deadline_s: float) -> Iterator[ModeChanged]:
        """Every change up to the current end of the log.

        Raises:
            BrokerUnreachable: the end was not reached in time.
            RegistryUnreachable: a record's schema could not be looked up.
        """
        until = time.monotonic() + deadline_s
        self.at_end = False
        while not self.at_end:
            if time.monotonic() > until:
                raise unreachable(self._bootstrap, deadline_s)
            change = self.poll()
            if change is not None:
                yield change

    def until_epoch(self, epoch: int, deadline_s: float) -> None:
        """Read on until a reader sees this epoch.

        Raises:
            DeadlinePassed: the reader did not see it in time.
        """
        until = time.monotonic() + deadline_s
        while time.monotonic() < until:
            change = self.poll()
            if change is not None and change.epoch >= epoch:
                return
        raise DeadlinePassed(f"epoch {epoch} is written, but readers do not see it yet; ask `cev mode show`")

    def _rewind(self) -> None:
        self._consumer.assign([TopicPartition(ORDER_MODE, 0, OFFSET_BEGINNING)])

    def _decoded(self, message: Message) -> ModeChanged | None:
        position = Position(ORDER_MODE, message.partition() or 0, message.offset() or 0)
        try:
            change = self._codec.decode(
                ORDER_MODE, message.key(), message.value(), position, headers_of(message)
            )
        except NoRegistry as error:
            # If this were ignored, orders would be placed in the previous mode, and nobody would notice.
            raise UnreadableMode(
                f"{position}: the mode was written with a schema registry; name it with --schema-registry-url"
            ) from error
        except UndecodableMessage as error:
            self._log.warning("ignored a record that is no mode", error=str(error))
            return None
        return change if isinstance(change, ModeChanged) else None

    def _handle_error(self, error: KafkaError) -> None:
        if error.code() == PARTITION_EOF:
            self.at_end = True
        elif error.code() == AUTO_OFFSET_RESET:
            # The topic was created again or truncated: read what it holds now, from its beginning.
            self._log.warning("order_mode lost records that were there, reading it again", error=error.str())
            self._rewind()
        else:
            self._log.warning("cannot read the mode, trying again", error=error.str())


def in_force(known: ModeChanged, change: ModeChanged) -> ModeChanged:
    """The change that counts: the one with the higher epoch, of equal ones the first written (design §6)."""
    return change if change.epoch > known.epoch else known


def read_history(cluster: Cluster, codec: Codec, *, timeout_s: float = 10.0) -> list[ModeChanged]:
    """Every mode change, oldest first; empty if the mode was never set.

    Raises:
        BrokerUnreachable, TopicMissing, RegistryUnreachable: as `ModeLog`.
    """
    with ModeLog(cluster, codec, timeout_s=timeout_s) as log:
        return list(log.to_end(timeout_s))


def read_mode(cluster: Cluster, codec: Codec, *, timeout_s: float = 10.0) -> ModeChanged:
    """The change in force now; `INITIAL` if the mode was never set.

    Raises:
        BrokerUnreachable, TopicMissing, RegistryUnreachable: as `ModeLog`.
    """
    known = INITIAL
    for change in read_history(cluster, codec, timeout_s=timeout_s):
        known = in_force(known, change)
    return known
