"""The relay's end at the broker: a batch of rows is one Kafka transaction, and the batch's name with it.

The name travels as the metadata of an offset that the transaction commits for a group of the outbox's own, in
which nobody reads. So "these records are committed" and "this batch was the last one" are one fact, and
`claim` can tell after any crash whether the batch in doubt got through.

`claim` comes first, and after everything that went wrong: `init_transactions` with the outbox's one
transactional id fences whoever relayed before, and ends what it left open. Only then is the last batch asked
for, and then the answer is final: nobody else can commit any more (KIP-98).

I/O: Kafka (writes dispatch_products and orders; the offset of a group without members).
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import (
    CLIENT_ERRORS,
    LIBRARY_LOG,
    is_fenced,
    kafka_error_of,
    partitions_of,
    retry_transactional,
)
from clients.records import ProducerRecord
from schemas.errors import BrokerUnreachable, Fenced
from schemas.topics import DISPATCH_PRODUCTS, ORDER_MODE, ORDERS

GROUP_PREFIX = "cev-relay-"
"""Of the transactional id and of the group whose offset names the last batch; the outbox's id follows."""

_ANSWER_S = 10.0
_BATCH_S = 15.0
_AGAIN_S = 0.1
_SPACE_S = 0.05
_QUEUE_KBYTES = 65_536

# The record itself is at fault, whoever sends it and whenever. Everything else can be mended from outside.
_REFUSALS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
    }
)
# A coordinator that is only just being elected, or loading; the client's own retries do not cover them all.
_MOVING = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
_PLACE = ORDER_MODE, 0


class Row(NamedTuple):
    """A row of the outbox: its number, its order and what to write for it."""

    id: int
    order_id: int
    records: tuple[ProducerRecord, ...]


class Batch(NamedTuple):
    """Rows that go to Kafka together, under a name that is never used twice."""

    name: str
    rows: tuple[Row, ...]


class BatchPublisher:
    """Writes batches. For one thread.

    Args:
        cluster: where to.
        outbox_id: of the outbox; its transactional id and group are made of it.
        answer_s: how long the broker may take for an answer.
    """

    def __init__(self, cluster: Cluster, outbox_id: str, *, answer_s: float = _ANSWER_S) -> None:
        self._cluster = cluster
        self._answer_s = answer_s
        self._name = f"{GROUP_PREFIX}{outbox_id}"
        self._producer: Producer | None = None
        self._consumer: Consumer | None = None

    def check(self) -> None:
        """See that a broker answers and has the topics of orders.

        Raises:
            BrokerUnreachable, TopicMissing.
        """
        self._check(Producer(self._cluster.producer(), logger=LIBRARY_LOG))

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
        config = self._cluster.transactional_producer(
            self._name, **self._cluster.unless_set(queue_buffering_max_kbytes=_QUEUE_KBYTES)
        )
        producer = Producer(config, logger=LIBRARY_LOG)
        self._check(producer)
        try:
            producer.init_transactions(self._answer_s)
            self._consumer = Consumer(self._cluster.reader(group_id=self._name), logger=LIBRARY_LOG)
            last = self._last(self._consumer)
        except CLIENT_ERRORS as error:
            raise self._meaning(kafka_error_of(error)) from error
        self._producer = producer
        return last

    def publish(self, batch: Batch) -> dict[int, str]:
        """Write a batch: all of it or nothing. After anything but an empty answer, `claim` comes first.

        Returns:
            What Kafka will not take, by row, with its reason; then nothing of the batch is written.

        Raises:
            BrokerUnreachable: it is not known whether the batch is written; `claim` will tell.
            Fenced: another relay took over; nothing is written.
        """
        producer, consumer = self._producer, self._consumer
        if producer is None or consumer is None:
            raise BrokerUnreachable("the outbox's transactional id is not claimed")
        deadline = Deadline(_BATCH_S)
        try:
            refused = self._send(producer, batch, deadline)
            if not refused:
                place = TopicPartition(*_PLACE, 0, batch.name)
                group = consumer.consumer_group_metadata()
                producer.send_offsets_to_transaction([place], group, max(deadline.left, 0.1))
                retry_transactional(producer.commit_transaction, deadline)
        except CLIENT_ERRORS as error:
            raise self._meaning(kafka_error_of(error)) from error
        return refused

    def close(self) -> None:
        """Let go of the connections; what a transaction left open ends with the next claim, or in 5 s."""
        if self._producer is not None:
            self._producer.purge()
        if self._consumer is not None:
            self._consumer.close()
        self._producer = self._consumer = None

    def _check(self, client: Producer) -> None:
        partitions_of(
            client,
            (DISPATCH_PRODUCTS, ORDERS, ORDER_MODE),
            bootstrap=self._cluster.bootstrap,
            timeout_s=self._answer_s,
        )

    def _last(self, consumer: Consumer) -> str:
        deadline = Deadline(self._answer_s)
        while True:
            try:
                # A read_committed client waits for the end of a transaction that is just being committed.
                (found,) = consumer.committed([TopicPartition(*_PLACE)], timeout=self._answer_s)
            except KafkaException as error:
                if error.args[0].code() not in _MOVING or deadline.passed:
                    raise
                time.sleep(_AGAIN_S)
            else:
                return found.metadata or ""

    def _send(self, producer: Producer, batch: Batch, deadline: Deadline) -> dict[int, str]:
        refused: dict[int, str] = {}
        faults: list[KafkaError] = []
        producer.begin_transaction()
        for row in batch.rows:
            report = _reporter(row.id, refused, faults)
            for record in row.records:
                fault = _produce(producer, record, report, deadline)
                if fault is not None:
                    refused.setdefault(row.id, fault.str())
        # Without it the broker answers CONCURRENT_TRANSACTIONS to the offsets, and librdkafka backs off.
        left = producer.flush(deadline.left)
        if not refused and (faults or left):
            raise KafkaException(faults[0] if faults else KafkaError(KafkaError.REQUEST_TIMED_OUT))
        return refused

    def _meaning(self, fault: KafkaError) -> BrokerUnreachable | Fenced:
        if is_fenced(fault):
            return Fenced("another relay of this outbox took over at the broker")
        return BrokerUnreachable(f"Kafka at {self._cluster.bootstrap} did not take the batch ({fault.str()})")


def _reporter(
    row_id: int, refused: dict[int, str], faults: list[KafkaError]
) -> Callable[[KafkaError | None, Message], None]:
    def report(error: KafkaError | None, _message: Message) -> None:
        if error is None:
            return
        if error.code() in _REFUSALS:
            refused.setdefault(row_id, error.str())
        else:
            faults.append(error)

    return report


def _produce(
    producer: Producer,
    record: ProducerRecord,
    report: Callable[[KafkaError | None, Message], None],
    deadline: Deadline,
) -> KafkaError | None:
    """Queue a record; the client's reason if it will not take it at all."""
    while True:
        try:
            producer.produce(
                record.topic, record.value, record.key, headers=record.headers, on_delivery=report
            )
        except BufferError as error:
            if deadline.passed:
                raise KafkaException(KafkaError(KafkaError.REQUEST_TIMED_OUT)) from error
            producer.poll(_SPACE_S)
        except KafkaException as error:
            fault: KafkaError = error.args[0]
            if fault.code() not in _REFUSALS:
                raise
            return fault
        else:
            return None
