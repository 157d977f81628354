"""The relay's writer to Kafka: a batch of rows is one Kafka transaction, and the batch's name goes with it.

The name travels as the metadata of an offset that the transaction commits for a group of the outbox's own, in
which nobody reads. So "these records are committed" and "this batch was the last one" are one fact, and
`claim` can tell after any crash whether the batch in doubt got through.

`claim` comes first, and after everything that went wrong: `init_transactions` with the outbox's one
transactional id fences whoever relayed before, and ends what it left open. Only then is the last batch asked
for, and then the answer is final: nobody else can commit any more (KIP-98).

I/O: Kafka (writes dispatch_products and orders; the offset of a group without members).
"""

import time
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from clients.closing import Closing
from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import StaleBatch
from clients.records import ProducerRecord
from clients.transactional import RecordsRefused, TransactionalProducer
from producers.placing.publisher import QUEUE_KBYTES
from schemas.errors import BrokerUnreachable, CommandEventError, Fenced
from schemas.topics import DISPATCH_PRODUCTS, ORDER_MODE, ORDERS

GROUP_PREFIX = "cev-relay-"
"""Of the transactional id and of the group whose offset names the last batch; the outbox's id follows."""

_TOPICS = (DISPATCH_PRODUCTS, ORDERS, ORDER_MODE)
_ANSWER_S = 10.0
_BATCH_S = 15.0
_RETRY_S = 0.1

# A coordinator that is only just being elected, or loading; the client's own retries do not cover them all.
_MOVING = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
_NAMED_PARTITION = ORDER_MODE, 0


class Row(NamedTuple):
    """A row of the outbox: its number, its order and what to write for it."""

    id: int
    order_id: int
    records: tuple[ProducerRecord, ...]


class Batch(NamedTuple):
    """Rows that go to Kafka together, under a name that is never used twice."""

    name: str
    rows: tuple[Row, ...]


class BatchPublisher(Closing):
    """Writes batches. For one thread.

    Args:
        cluster: where to.
        outbox_id: of the outbox; its transactional id and group are made of it.
        answer_s: how long the broker may take for an answer.
    """

    def __init__(self, cluster: Cluster, outbox_id: str, *, answer_s: float = _ANSWER_S) -> None:
        self._cluster = cluster
        self._answer_s = answer_s
        self._group = f"{GROUP_PREFIX}{outbox_id}"
        settings = cluster.unless_set(queue_buffering_max_kbytes=QUEUE_KBYTES)
        self._producer = TransactionalProducer(cluster, self._group, **settings)
        self._consumer: Consumer | None = None

    def check(self) -> None:
        """See that a broker answers and has the topics of orders.

        Raises:
            BrokerUnreachable, TopicMissing.
        """
        self._producer.partitions_of(_TOPICS, self._answer_s)

    def claim(self) -> str:
        """Become the one writer of this outbox.

        Returns:
            The name of the last batch that is committed; empty if there was none, or Kafka has forgotten it
            (it keeps the offsets of an idle group for `offsets.retention.minutes`, seven days).

        Raises:
            BrokerUnreachable: no broker answered, or it did not do it.
            TopicMissing: a topic of orders is not there.
            Fenced: another relay claimed at the same moment.
        """
        self.close()
        self.check()
        try:
            self._producer.claim(self._answer_s)
        except CommandEventError as error:
            raise self._failure(error) from error
        self._consumer = Consumer(self._cluster.reader(group_id=self._group))
        try:
            return self._last_batch(self._consumer)
        except KafkaException as error:
            self.close()
            raise BrokerUnreachable(
                f"Kafka at {self._cluster.bootstrap} does not name the last batch ({error.args[0].str()})"
            ) from error

    def publish(self, batch: Batch) -> dict[int, str]:
        """Write a batch: all of it or nothing. After anything but an empty answer, `claim` comes first.

        Returns:
            What Kafka will not take, by row, with its reason; then nothing of the batch is written.

        Raises:
            BrokerUnreachable: it is not known whether the batch is written; `claim` will tell.
            Fenced: another relay took over; nothing is written.
        """
        if self._consumer is None:
            raise BrokerUnreachable("the outbox's transactional id is not claimed")
        owners = [row.id for row in batch.rows for _ in row.records]
        try:
            self._producer.transaction(
                [record for row in batch.rows for record in row.records],
                [TopicPartition(*_NAMED_PARTITION, 0, batch.name)],
                self._consumer.consumer_group_metadata(),
                timeout_s=_BATCH_S,
            )
        except RecordsRefused as error:
            return {owners[index]: reason.str() for index, reason in error.errors.items()}
        except (CommandEventError, StaleBatch) as error:
            raise self._failure(error) from error
        return {}

    def close(self) -> None:
        """Let go of the connections; what a transaction left open ends with the next claim, or in 5 s."""
        self._producer.close()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _last_batch(self, consumer: Consumer) -> str:
        deadline = Deadline(self._answer_s)
        partition = TopicPartition(*_NAMED_PARTITION)
        while True:
            try:
                # A read_committed client waits for the end of a transaction that is just being committed.
                (offset,) = consumer.committed([partition], timeout=self._answer_s)
            except KafkaException as error:
                if error.args[0].code() not in _MOVING or deadline.passed:
                    raise
                time.sleep(_RETRY_S)
            else:
                return offset.metadata or ""

    def _failure(self, error: CommandEventError | StaleBatch) -> BrokerUnreachable | Fenced:
        if isinstance(error, Fenced):
            return Fenced("another relay of this outbox took over at the broker")
        return BrokerUnreachable(f"Kafka at {self._cluster.bootstrap} did not take the batch ({error})")
