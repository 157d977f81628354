"""Waiting for the result fact of one order, which is found by its key.

The key's partition is computed as Kafka's default partitioner does, assigned without a group, and read
read_committed. An order whose id was given may already have a result from an earlier placing: then the
partition is read from its beginning. An order with a fresh id has none, and reading starts at the end.

An order that is to be paid first ends without a dispatch where its payment fails.

I/O: Kafka (reads dispatch_results and payments).
"""

from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import headers_of, partitions_of
from clients.log import Log
from clients.partitioner import partition_of
from schemas.codec import Codec
from schemas.envelope import by_name
from schemas.errors import BrokerUnreachable, Position, UndecodableMessage
from schemas.facts import DispatchExpired, DispatchRejected, PaymentFailed, ProductDispatched
from schemas.framing import encode_key
from schemas.times import rfc3339
from schemas.topics import DISPATCH_RESULTS, PAYMENTS, Message

_POLL_S = 0.2
_LEADER_POLL_S = 0.05
_TOPICS = (DISPATCH_RESULTS, PAYMENTS)


class Result(NamedTuple):
    """The result of an order.

    Attributes:
        type: the result fact's name: ProductDispatched, DispatchRejected, DispatchExpired or PaymentFailed.
        at: when it was decided, in milliseconds since the epoch, UTC.
        reason: why it was not dispatched; None if it was.
    """

    type: str
    at: int
    reason: str | None

    @property
    def good(self) -> bool:
        """Whether this order, with this content, was dispatched."""
        return self.reason is None


class ResultWatch:
    """Waits for one order's result. To be made before the order is placed; a context manager.

    Args:
        cluster: the Kafka cluster.
        codec: decodes the results.
        order_id: of the order.
        address: of the order; a dispatch to another address belongs to another order with the same id.
        fresh: whether the id was just generated, so that no result can exist yet.
        timeout_s: how long the first answer of a broker may take.

    Raises:
        BrokerUnreachable: no broker answered.
        TopicMissing: one of the two topics is not there.
    """

    def __init__(
        self,
        cluster: Cluster,
        codec: Codec,
        *,
        order_id: int,
        address: str,
        fresh: bool,
        timeout_s: float = 10.0,
    ) -> None:
        self._codec = codec
        self._key = encode_key(order_id)
        self._address = address
        self._log = Log()
        self._consumer = Consumer(cluster.reader())
        try:
            counts = partitions_of(self._consumer, _TOPICS, bootstrap=cluster.bootstrap, timeout_s=timeout_s)
            partitions = [
                TopicPartition(topic, partition_of(self._key, count), OFFSET_BEGINNING)
                for topic, count in counts.items()
            ]
            for partition in partitions if fresh else ():
                # To a read_committed client the end is the last stable offset, so no later result is missed.
                partition.offset = self._end_of(partition, cluster.bootstrap, Deadline(timeout_s))
            self._consumer.assign(partitions)
        except BaseException:
            self._consumer.close()
            raise

    def _end_of(self, partition: TopicPartition, bootstrap: str, deadline: Deadline) -> int:
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(partition, deadline.left)[1])
            except KafkaException as error:
                # A topic that was just created has no leader for a moment.
                if deadline.passed:
                    raise BrokerUnreachable(f"no answer from {bootstrap}: {error.args[0].str()}") from error
                self._consumer.poll(_LEADER_POLL_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def wait(self, seconds: float) -> Result | None:
        """The order's first result; None if none came within these seconds.

        Raises:
            RegistryUnreachable: a result was read, but its schema could not be looked up.
        """
        deadline = Deadline(seconds)
        while not deadline.passed:
            message = self._consumer.poll(min(_POLL_S, deadline.left))
            if message is None or message.error() is not None or message.key() != self._key:
                continue
            topic = message.topic() or ""
            position = Position(topic, message.partition() or 0, message.offset() or 0)
            try:
                fact = self._codec.decode(
                    topic, message.key(), message.value(), position, by_name(headers_of(message))
                )
            except UndecodableMessage as error:
                self._log.warning("ignored a record that is no result", why=str(error))
                continue
            result = result_of(fact, self._address)
            if result is not None:
                return result
        return None


def result_of(fact: Message, address: str) -> Result | None:
    """The result that a fact reports for an order to this address; None for any other message."""
    name = type(fact).__name__
    if isinstance(fact, ProductDispatched):
        other = "an order with this id was dispatched to another address; this one is a conflict"
        return Result(name, fact.dispatched_at, None if fact.address == address else other)
    if isinstance(fact, DispatchRejected):
        return Result(name, fact.rejected_at, fact.reason)
    if isinstance(fact, DispatchExpired):
        return Result(name, fact.expired_at, f"it was to be dispatched before {rfc3339(fact.deadline)}")
    if isinstance(fact, PaymentFailed):
        return Result(name, fact.failed_at, f"its payment failed: {fact.reason}")
    return None
