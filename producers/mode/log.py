"""Reading `order_mode`: from its beginning, read_committed, without a group.

A record that cannot be decoded is no mode: it is reported on the log and ignored, because a broken record on
the control topic must not stop the shop. Ends are told by the broker (EOF), never by offsets: transaction
markers take offsets too.

I/O: Kafka (reads order_mode).
"""

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from clients.closing import Closing
from clients.config import Cluster
from clients.errors import AUTO_OFFSET_RESET, PARTITION_EOF, partitions_of, unreachable
from clients.log import Log
from schemas.codec import Codec
from schemas.control import INITIAL, ModeChanged
from schemas.errors import DeadlinePassed, NoRegistry, Position, SafetyRefusal, UndecodableMessage
from schemas.topics import ORDER_MODE

_STEP_S = 0.1
# How long the broker keeps a question about the end open. It answers at once when a record comes; this only
# delays the news that none is there, which every short command waits for (librdkafka's default is 500 ms).
_FETCH_WAIT_MS = 100


class UnreadableMode(SafetyRefusal):
    """The mode cannot be known: placing in a guessed one would break the switch."""


class ModeLog(Closing):
    """The control topic as a stream of mode changes.

    Args:
        cluster: where.
        codec: reads the values.
        timeout_s: how long the first answer of a broker may take.

    Attributes:
        at_end: whether the last thing that the broker said is that there is no more.

    Raises:
        BrokerUnreachable: no broker answered.
        TopicMissing: the control topic is not there.
    """

    def __init__(self, cluster: Cluster, codec: Codec, *, timeout_s: float) -> None:
        wait = {} if "fetch.wait.max.ms" in cluster.kafka else {"fetch.wait.max.ms": _FETCH_WAIT_MS}
        self._bootstrap = cluster.bootstrap
        self._codec = codec
        self._log = Log(topic=ORDER_MODE)
        self._held: Message | None = None
        self.at_end = False
        self._consumer = Consumer(cluster.reader(**wait))
        try:
            partitions_of(self._consumer, (ORDER_MODE,), bootstrap=cluster.bootstrap, timeout_s=timeout_s)
            self._rewind()
        except BaseException:
            self._consumer.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def step(self, timeout_s: float = _STEP_S) -> ModeChanged | None:
        """Wait for one event: the next mode change, or None when it was something else.

        Raises:
            RegistryUnreachable: the record's schema could not be asked for; the next step tries again.
        """
        message = self._held or self._consumer.poll(timeout_s)
        if message is None:
            return None
        error = message.error()
        if error is not None:
            self._trouble(error)
            return None
        self.at_end = False
        self._held = message
        change = self._decoded(message)
        self._held = None
        return change

    def to_end(self, deadline_s: float) -> Iterator[ModeChanged]:
        """Every change up to the end of the log as it is now.

        Raises:
            BrokerUnreachable: the end was not reached in time.
            RegistryUnreachable: a record's schema could not be asked for.
        """
        until = time.monotonic() + deadline_s
        self.at_end = False
        while not self.at_end:
            if time.monotonic() > until:
                raise unreachable(self._bootstrap, deadline_s)
            change = self.step()
            if change is not None:
                yield change

    def until_epoch(self, epoch: int, deadline_s: float) -> None:
        """Read on until readers can see an epoch.

        Raises:
            DeadlinePassed: it did not show in time.
        """
        until = time.monotonic() + deadline_s
        while time.monotonic() < until:
            change = self.step()
            if change is not None and change.epoch >= epoch:
                return
        raise DeadlinePassed(f"epoch {epoch} is written, but readers do not see it yet; ask `cev mode show`")

    def _rewind(self) -> None:
        self._consumer.assign([TopicPartition(ORDER_MODE, 0, OFFSET_BEGINNING)])

    def _decoded(self, message: Message) -> ModeChanged | None:
        where = Position(ORDER_MODE, message.partition() or 0, message.offset() or 0)
        try:
            change = self._codec.decode(ORDER_MODE, message.key(), message.value(), where)
        except NoRegistry as error:
            # Without it the orders would go out in the mode of before, and nobody would know.
            raise UnreadableMode(
                f"{where}: the mode was written with a schema registry; name it with --schema-registry-url"
            ) from error
        except UndecodableMessage as error:
            self._log.warning("ignored a record that is no mode", error=str(error))
            return None
        return change if isinstance(change, ModeChanged) else None

    def _trouble(self, error: KafkaError) -> None:
        if error.code() == PARTITION_EOF:
            self.at_end = True
        elif error.code() == AUTO_OFFSET_RESET:
            # The topic was made anew, or cut: what it says now counts, from its beginning.
            self._log.warning("order_mode lost records that were there, reading it again", error=error.str())
            self._rewind()
        else:
            self._log.warning("cannot read the mode, trying on", error=error.str())


def in_force(known: ModeChanged, change: ModeChanged) -> ModeChanged:
    """Which of two changes counts: the highest epoch, and of equal ones the first written (design §6)."""
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
