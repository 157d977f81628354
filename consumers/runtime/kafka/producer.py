"""The producing side of one group member: results, dead letters and offsets in one Kafka transaction.

Promises: all or nothing (KIP-98, KIP-447); a batch that the group no longer grants is aborted and reported as
`StaleBatch`; a transaction that the broker timed out is aborted and reported as an outage, to be tried again.

I/O: Kafka (one transactional producer).
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import (
    CLIENT_ERRORS,
    LIBRARY_LOG,
    STALE_MEMBER,
    StaleBatch,
    is_fenced,
    kafka_error_of,
    retry_transactional,
)
from clients.records import ProducerRecord
from schemas.errors import BrokerUnreachable, Fenced

_STEP_S = 10.0
_DEADLINE_S = 60.0
_FENCES = 5
_FENCE_WINDOW_S = 30.0


class ResultProducer:
    """A transactional producer with a stable id.

    Args:
        cluster: where.
        transactional_id: stable per store, group and slot: the next process with it ends at once what a
            killed one left open (design §7, point 11).

    Raises:
        BrokerUnreachable: the transaction coordinator does not answer.
    """

    def __init__(self, cluster: Cluster, transactional_id: str) -> None:
        self._cluster = cluster
        self._id = transactional_id
        self._fenced_at: list[float] = []
        self._producer = self._open()

    def _open(self) -> Producer:
        producer = Producer(self._cluster.transactional_producer(self._id), logger=LIBRARY_LOG)
        try:
            self._step(lambda: producer.init_transactions(_STEP_S))
        except CLIENT_ERRORS as error:
            raise BrokerUnreachable(
                f"no transactions for {self._id}: {kafka_error_of(error).str()}"
            ) from error
        return producer

    def send(self, records: Sequence[ProducerRecord], offsets: list[TopicPartition], metadata: Any) -> None:
        """Write records and offsets in one transaction.

        Args:
            records: results and dead letters.
            offsets: next offsets, with the store's id as metadata.
            metadata: consumer group metadata as it was when the batch was read.

        Raises:
            StaleBatch: the group moved on; nothing was written.
            BrokerUnreachable: it may be tried again; nothing was written.
            Fenced: again and again, another process uses the same transactional id.
        """
        try:
            self._producer.begin_transaction()
            for record in records:
                self._produce(record)
            # Flushing first is three times as fast as sending the offsets right after the begin.
            self._flush()
            self._step(lambda: self._producer.send_offsets_to_transaction(offsets, metadata, _STEP_S))
            self._step(lambda: self._producer.commit_transaction(_STEP_S))
        except (*CLIENT_ERRORS, BrokerUnreachable) as error:
            raise self._undo(error) from error

    def close(self) -> None:
        """Send nothing more; what is open is aborted by the next start, or by its timeout."""
        with suppress(*CLIENT_ERRORS):
            # A producer that broke for good says so again here, and would hide why the member ended.
            self._producer.purge()
            self._producer.flush(1.0)

    def _produce(self, record: ProducerRecord) -> None:
        while True:
            try:
                self._producer.produce(record.topic, record.value, record.key, headers=record.headers)
            except BufferError:
                self._producer.poll(0.05)
            else:
                return

    def _flush(self) -> None:
        deadline = time.monotonic() + _DEADLINE_S
        while self._producer.flush(1.0) > 0:
            if time.monotonic() > deadline:
                raise BrokerUnreachable(f"records were not acknowledged within {_DEADLINE_S:.0f} s")

    def _step(self, call: Callable[[], object]) -> None:
        try:
            retry_transactional(lambda _: call(), Deadline(_DEADLINE_S))
        except KafkaException as error:
            if error.args[0].retriable():
                raise BrokerUnreachable(
                    f"the transaction coordinator does not answer: {error.args[0].str()}"
                ) from error
            raise

    def _undo(self, cause: Exception) -> Exception:
        error = None if isinstance(cause, BrokerUnreachable) else kafka_error_of(cause)
        if error is not None and error.fatal():
            return self._reopen(error)
        try:
            # Aborting right behind a produce can be fatal (librdkafka #4849): hear of the deliveries first.
            self._producer.flush(_STEP_S)
            self._step(lambda: self._producer.abort_transaction(_STEP_S))
        except (*CLIENT_ERRORS, BrokerUnreachable):
            self._producer = self._open()
        if error is not None and error.code() in STALE_MEMBER:
            return StaleBatch(error.str())
        return BrokerUnreachable(f"a transaction was aborted: {error.str() if error is not None else cause}")

    def _reopen(self, error: KafkaError) -> Exception:
        if is_fenced(error):
            # A process that stood still for longer than the transaction's timeout, and one whose broker was
            # restarted, is fenced once. Two copies of one store fence each other at every batch.
            now = time.monotonic()
            self._fenced_at = [each for each in self._fenced_at if now - each < _FENCE_WINDOW_S] + [now]
            if len(self._fenced_at) >= _FENCES:
                return Fenced(
                    f"another process writes with the transactional id {self._id}: two copies of one store? "
                    "One group has one store"
                )
        self._producer = self._open()
        return BrokerUnreachable(f"the producer was replaced after: {error.str()}")
