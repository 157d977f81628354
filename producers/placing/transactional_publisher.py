"""Orders of two records to the broker: both or neither, many orders to one Kafka transaction (design §6).

A transaction is open only while it is being written. It is never open while we wait for input, because an
open one hides what lies behind it from every read_committed reader.

A transaction that failed is written again until the deadline: nothing of it is stored, or, where the answer
to the commit got lost, everything is, and then the same orders under the same ids cause nothing twice. The
transactional id is fresh per process and kept for its life, so that a new attempt ends what the last one left
open instead of waiting for the broker's timeout.

I/O: Kafka (writes dispatch_products and orders).
"""

import time
import uuid
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Producer

from clients.config import TRANSACTION_TIMEOUT_MS, Cluster
from clients.deadline import Deadline
from clients.errors import (
    CLIENT_ERRORS,
    LIBRARY_LOG,
    TIMED_OUT,
    delivery_error,
    is_no_answer,
    kafka_error_of,
    retry_transactional,
)
from clients.records import ProducerRecord
from producers.placing.pending_order import PendingOrder
from producers.placing.publisher import unless_set
from schemas.errors import NotAcknowledged
from schemas.topics import ORDERS

_BACKOFF_S = 0.2
_SPACE_S = 0.05
_ABORT_S = 5.0
_QUEUE_KBYTES = 65_536


class TransactionalPublisher:
    """Writes batches of orders, each in one transaction. For one thread at a time.

    Connects at the first batch: who never places in shadow has no transactional id.

    Args:
        cluster: where to.
        deadline_s: how long a batch may take, with all its attempts.
    """

    def __init__(self, cluster: Cluster, *, deadline_s: float) -> None:
        self._cluster = cluster
        self._deadline_s = deadline_s
        self._id = f"cev-place-{uuid.uuid4().hex}"
        self._producer: Producer | None = None

    def write(self, batch: Sequence[PendingOrder]) -> None:
        """Store these orders. Afterwards each of them is done: stored, or with its error."""
        deadline = Deadline(self._deadline_s)
        waiting = [write for write in batch if not write.done]
        while waiting:
            fault = self._attempt(waiting, deadline)
            waiting = [write for write in waiting if not write.done]
            if fault is None:
                break
            if deadline.passed or not _worth_repeating(fault):
                for write in waiting:
                    write.error = _unstored(write, fault)
                break
            time.sleep(min(_BACKOFF_S, deadline.left))

    def _attempt(self, batch: list[PendingOrder], deadline: Deadline) -> KafkaError | None:
        drafts: list[tuple[PendingOrder, PendingOrder]] = []
        try:
            producer = self._ready(deadline)
            producer.begin_transaction()
            for write in batch:
                # Reports of an attempt that failed come late, so each attempt fills drafts of its own.
                draft = PendingOrder(write.order_id, write.mode, write.epoch, write.records)
                self._send(producer, draft, deadline)
                drafts.append((write, draft))
            # Without it the broker answers CONCURRENT_TRANSACTIONS and librdkafka backs off: 3 times slower.
            producer.flush(deadline.left)
            retry_transactional(producer.commit_transaction, deadline)
        except CLIENT_ERRORS as error:
            fault = kafka_error_of(error)
            self._recover(fault)
            return fault
        for write, draft in drafts:
            write.error = draft.error
            write.positions = sorted(draft.positions)
            write.missing = 0
            write.records = ()
        return None

    def _ready(self, deadline: Deadline) -> Producer:
        if self._producer is None:
            config = self._cluster.transactional_producer(
                self._id, **unless_set(self._cluster, queue_buffering_max_kbytes=_QUEUE_KBYTES)
            )
            producer = Producer(config, logger=LIBRARY_LOG)
            producer.init_transactions(max(deadline.left, 1.0))
            self._producer = producer
        return self._producer

    def _send(self, producer: Producer, draft: PendingOrder, deadline: Deadline) -> None:
        # The fact first: only it can be too large, and then the order fails alone, with nothing sent.
        for number, record in enumerate(sorted(draft.records, key=lambda record: record.topic != ORDERS)):
            try:
                self._produce(producer, record, draft, deadline)
            except KafkaException as error:
                fault = error.args[0]
                if number > 0 or fault.fatal() or fault.txn_requires_abort():
                    raise
                draft.error = delivery_error(draft.order_id, fault)
                return

    def _produce(
        self, producer: Producer, record: ProducerRecord, draft: PendingOrder, deadline: Deadline
    ) -> None:
        while True:
            try:
                producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    headers=record.headers,
                    on_delivery=draft.reported,
                )
            except BufferError as error:
                if deadline.passed:
                    raise KafkaException(KafkaError(TIMED_OUT)) from error
                producer.poll(_SPACE_S)
            else:
                return

    def _recover(self, fault: KafkaError) -> None:
        producer, kept = self._producer, False
        if producer is not None and fault.txn_requires_abort():
            try:
                # librdkafka #4849: an abort right after produce can fail for good; let reports come first.
                producer.flush(min(_ABORT_S, TRANSACTION_TIMEOUT_MS / 1000))
                producer.abort_transaction(_ABORT_S)
                kept = True
            except CLIENT_ERRORS:
                kept = False
        if producer is not None and not kept:
            producer.purge()
            self._producer = None


def _worth_repeating(fault: KafkaError) -> bool:
    return is_no_answer(fault) or fault.retriable() or fault.txn_requires_abort() or fault.fatal()


def _unstored(write: PendingOrder, fault: KafkaError) -> NotAcknowledged:
    return NotAcknowledged(
        f"order {write.order_id}: its transaction did not come through ({fault.str()}), so it may not be "
        "stored; placing it again under the same id is safe"
    )
