"""The producing side of one group member: results, dead letters and offsets in one Kafka transaction.

Promises: all or nothing (KIP-98, KIP-447); a batch that the group no longer grants is aborted and reported as
`StaleBatch`; everything else that stops a transaction is reported as an outage, for the same batch to be
tried again. By then nothing of the failed transaction is open any more: a producer that broke for good has
been claimed again before the error is raised.

I/O: Kafka (one transactional producer).
"""

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import TopicPartition

from clients.closing import Closing
from clients.config import Cluster
from clients.errors import StaleBatch
from clients.records import ProducerRecord
from clients.transactional import TransactionalProducer
from schemas.errors import BrokerUnreachable, CommandEventError, Fenced

_TIMEOUT_S = 60.0
_FENCES = 5
_FENCE_WINDOW_S = 30.0


class ResultProducer(Closing):
    """A transactional producer with a stable id.

    Args:
        cluster: where to.
        transactional_id: stable per store, group and slot: the next process with it ends at once what a
            killed one left open (design §7, point 11).

    Raises:
        BrokerUnreachable: the transaction coordinator does not answer.
    """

    def __init__(self, cluster: Cluster, transactional_id: str) -> None:
        self._id = transactional_id
        self._fenced_at: list[float] = []
        # Nobody asks where a record lies, so a report that it was delivered is not worth a call.
        self._producer = TransactionalProducer(cluster, transactional_id, delivery_report_only_error=True)
        self._claim()

    def send(
        self, records: Sequence[ProducerRecord], offsets: Sequence[TopicPartition], metadata: Any
    ) -> None:
        """Write records and offsets in one transaction.

        Args:
            records: results and dead letters.
            offsets: next offsets, with the store's id as metadata.
            metadata: consumer group metadata as it was when the batch was read.

        Raises:
            StaleBatch: the group moved on; nothing was written.
            BrokerUnreachable: it may be tried again, once the caller knows what the group has committed:
                where the answer to the commit was lost, everything is written.
            Fenced: again and again, another process uses the same transactional id.
        """
        if not self._producer.claimed:
            # Claimed too late for whoever asked before this call what is committed: it must ask once more.
            self._claim()
            raise BrokerUnreachable(f"the transactional id {self._id} had to be claimed again")
        try:
            self._producer.transaction(records, offsets, metadata, timeout_s=_TIMEOUT_S)
        except (CommandEventError, StaleBatch) as error:
            failure = self._failure(error)
            if not self._producer.claimed and not isinstance(failure, Fenced):
                self._claim()
            raise failure from error

    def close(self) -> None:
        """Send nothing more; what is open is ended by the next start, or by its timeout."""
        self._producer.close()

    def _claim(self) -> None:
        try:
            self._producer.claim(_TIMEOUT_S)
        except CommandEventError as error:
            raise BrokerUnreachable(f"no transactions for {self._id}: {error}") from error

    def _failure(self, error: CommandEventError | StaleBatch) -> Exception:
        if isinstance(error, StaleBatch):
            return error
        if not isinstance(error, Fenced):
            return BrokerUnreachable(f"a transaction was aborted: {error}")
        if self._producer.claimed:
            # Nobody took over: the broker ended the transaction of a process that stood still.
            return StaleBatch(str(error))
        # A process that stood still for longer than the transaction's timeout, and one whose broker was
        # restarted, is fenced once. Two copies of one store fence each other at every batch.
        now = time.monotonic()
        self._fenced_at = [at for at in self._fenced_at if now - at < _FENCE_WINDOW_S] + [now]
        if len(self._fenced_at) >= _FENCES:
            return Fenced(
                f"another process writes with the transactional id {self._id}: two copies of one store? "
                "One group has one store"
            )
        return BrokerUnreachable(f"the producer was fenced and replaced: {error}")
