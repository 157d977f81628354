"""Reading `order_mode`: from its beginning, read_committed, without a group.

The broker reports the end (EOF); offsets cannot, because transaction markers take offsets too. A reader that
lives long notices that the topic was made anew, and reads what it says now.

Not here: which record is in force (sequence.py).

I/O: Kafka (reads order_mode; the id of the topic).
"""

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from clients.closing import Closing
from clients.config import LASTING_RECONNECT_MS, Cluster
from clients.errors import AUTO_OFFSET_RESET, PARTITION_EOF, headers_of, partitions_of, unreachable
from clients.log import Log
from clients.topic_id import TopicIdWatch
from producers.mode.sequence import LogEntry, ModeState, following, follows_of
from schemas.codec import Codec
from schemas.control import ModeChanged
from schemas.envelope import by_name
from schemas.errors import DeadlinePassed, Position, RecordError, UndecodableMessage, UnknownType
from schemas.framing import decode_key
from schemas.topics import ORDER_MODE

_POLL_S = 0.1
# How long the broker waits for a record before it answers a fetch with none (librdkafka's default: 500 ms).
# A record is answered at once; this delays only the report of the end, which every short command waits for.
_FETCH_WAIT_MS = 5
_FETCH_WAIT_LIVE_MS = 100


class ModeLog(Closing):
    """The control topic as a stream of mode changes.

    Args:
        cluster: the Kafka cluster.
        codec: decodes the values.
        timeout_s: how long the first answer of a broker may take.
        live: whether it is read on for long: then fetches and reconnections are few, and a topic that is made
            anew is noticed.

    Attributes:
        state: what the topic says, as of the last time that it was read to its end, and all that came since.
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
        self.state = ModeState()
        self._reading = ModeState()
        self._was_at_end = False
        self.at_end = False
        self._topic_id = TopicIdWatch(cluster, ORDER_MODE) if live else None
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
        """Wait for one event; returns the change that is in force because of it, or None.

        Raises:
            RegistryUnreachable: the record's schema could not be looked up; the next call tries again.
        """
        if self._topic_id is not None and self._topic_id.changed():
            self._log.warning("order_mode was made anew: what it says now counts")
            self._rewind()
        message = self._undecoded or self._consumer.poll(timeout_s)
        if message is None:
            return None
        error = message.error()
        if error is not None:
            self._handle_error(error)
            return None
        self.at_end = False
        self._undecoded = message
        before, entry = self._reading, self._entry(message)
        self._undecoded = None
        self._reading = following(before, entry)
        if self._was_at_end:
            self.state = self._reading
            for suspect in self.state.suspects[len(before.suspects) :]:
                self._log.warning("passed over", record=str(suspect.position), reason=suspect.reason)
        return self._reading.change if self._reading.change is not before.change else None

    def to_end(self, deadline_s: float) -> Iterator[ModeChanged]:
        """Every change up to the current end of the log, each of which was in force at a time.

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
        """Read from the beginning; until the end is reached, what was known stays known."""
        self._reading, self._was_at_end, self._undecoded = ModeState(), False, None
        self._consumer.assign([TopicPartition(ORDER_MODE, 0, OFFSET_BEGINNING)])

    def _entry(self, message: Message) -> LogEntry:
        position = Position(ORDER_MODE, message.partition() or 0, message.offset() or 0)
        key, headers = message.key(), headers_of(message)
        follows = follows_of(headers)
        try:
            epoch = decode_key(key, position)
        except RecordError:
            epoch = None
        try:
            change = self._codec.decode(ORDER_MODE, key, message.value(), position, by_name(headers))
        except UndecodableMessage as error:
            return LogEntry(position, epoch, follows, error)
        if isinstance(change, ModeChanged):
            return LogEntry(position, epoch, follows, change)
        other = UnknownType(f"a {type(change).__name__} is no mode", position)
        return LogEntry(position, epoch, follows, other)

    def _handle_error(self, error: KafkaError) -> None:
        if error.code() == PARTITION_EOF:
            self.at_end = self._was_at_end = True
            self.state = self._reading
        elif error.code() == AUTO_OFFSET_RESET:
            # The topic was created again or truncated: read what it holds now, from its beginning.
            self._log.warning("order_mode lost records that were there, reading it again", why=error.str())
            self._rewind()
        else:
            self._log.warning("cannot read the mode, trying again", why=error.str())


def read_log(
    cluster: Cluster, codec: Codec, *, timeout_s: float = 10.0
) -> tuple[list[ModeChanged], ModeState]:
    """Every change that was in force at a time, oldest first, and what the topic says now.

    Raises:
        BrokerUnreachable, TopicMissing, RegistryUnreachable: as `ModeLog`.
    """
    with ModeLog(cluster, codec, timeout_s=timeout_s) as log:
        return list(log.to_end(timeout_s)), log.state


def read_mode(cluster: Cluster, codec: Codec, *, timeout_s: float = 10.0) -> ModeChanged:
    """The change in force now; `INITIAL` if the mode was never set.

    Raises:
        UnreadableMode: a newer change may be there, and cannot be read.
        BrokerUnreachable, TopicMissing, RegistryUnreachable: as `ModeLog`.
    """
    _, state = read_log(cluster, codec, timeout_s=timeout_s)
    return state.in_force
