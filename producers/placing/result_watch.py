"""Waiting for what became of one order: its result fact, found by its key.

The key's partition is computed as Kafka's default partitioner does, assigned without a group, and read
read_committed. An order whose id was given may have its result already, from an earlier placing: then the
partition is read from its beginning. An order with a fresh id cannot, and reading starts at the end.

I/O: Kafka (reads dispatch_results).
"""

from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import partitions_of
from clients.log import Log
from clients.partitioner import partition_of
from schemas.codec import Codec
from schemas.errors import Position, UndecodableMessage
from schemas.facts import DispatchExpired, DispatchRejected, ProductDispatched
from schemas.framing import encode_key
from schemas.times import rfc3339
from schemas.topics import DISPATCH_RESULTS, Message

_STEP_S = 0.2


class Result(NamedTuple):
    """What became of an order.

    Attributes:
        type: the result fact's name: ProductDispatched, DispatchRejected or DispatchExpired.
        at: when, in milliseconds since the epoch.
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
    """Looks for one order's result. Made before the order is placed; a context manager.

    Args:
        cluster: where.
        codec: reads the results.
        order_id: the order's.
        address: the order's; a dispatch to another one belongs to another order with the same id.
        fresh: whether the id was just made, so that no result can exist yet.
        timeout_s: how long the first answer of a broker may take.

    Raises:
        BrokerUnreachable: no broker answered.
        TopicMissing: `dispatch_results` is not there.
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
        self._log = Log(topic=DISPATCH_RESULTS)
        self._consumer = Consumer(cluster.reader())
        try:
            count = partitions_of(
                self._consumer, (DISPATCH_RESULTS,), bootstrap=cluster.bootstrap, timeout_s=timeout_s
            )[DISPATCH_RESULTS]
            place = TopicPartition(DISPATCH_RESULTS, partition_of(self._key, count), OFFSET_BEGINNING)
            if fresh:
                # To a read_committed client the end is the last stable offset: never behind a result to come.
                place.offset = self._consumer.get_watermark_offsets(place, timeout_s)[1]
            self._consumer.assign([place])
        except BaseException:
            self._consumer.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()

    def wait(self, seconds: float) -> Result | None:
        """The order's first result; None if none came in time.

        Raises:
            RegistryUnreachable: the result is there, but its schema could not be asked for.
        """
        deadline = Deadline(seconds)
        while not deadline.passed:
            message = self._consumer.poll(min(_STEP_S, deadline.left))
            if message is None or message.error() is not None or message.key() != self._key:
                continue
            where = Position(DISPATCH_RESULTS, message.partition() or 0, message.offset() or 0)
            try:
                fact = self._codec.decode(DISPATCH_RESULTS, message.key(), message.value(), where)
            except UndecodableMessage as error:
                self._log.warning("ignored a record that is no result", error=str(error))
                continue
            return result_of(fact, self._address)
        return None


def result_of(fact: Message, address: str) -> Result | None:
    """What a result fact says about an order that is to go to an address; None for any other message."""
    name = type(fact).__name__
    if isinstance(fact, ProductDispatched):
        other = "an order with this id was dispatched to another address; this one is a conflict"
        return Result(name, fact.dispatched_at, None if fact.address == address else other)
    if isinstance(fact, DispatchRejected):
        return Result(name, fact.rejected_at, fact.reason)
    if isinstance(fact, DispatchExpired):
        return Result(name, fact.expired_at, f"it was to be dispatched before {rfc3339(fact.deadline)}")
    return None
