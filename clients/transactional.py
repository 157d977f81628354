"""The one transactional producer: records, and offsets with them, all or nothing (KIP-98, KIP-447).

The calls, and why in this order:

    claim          init_transactions: fences whoever used the transactional id before, and ends what is open
    begin
    produce        every record; a full queue is waited out
    flush          first, for a broker that is still adding partitions answers CONCURRENT_TRANSACTIONS to what
                   follows, and librdkafka backs off: three times slower
    send offsets   with the metadata of the consumer group
    commit         or, after any error, abort

A call that failed retriably is made again until the deadline. A client that broke for good is dropped, and
the next `claim` makes a new one. A transaction never claims by itself: what its caller has read since it
claimed would no longer be the last word.

Not here: whether a failed transaction is written again, and what its failure means to an order or a mode.

I/O: Kafka (one transactional producer).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from clients.bounded_call import CallAbandoned, within_timeout
from clients.closing import Closing
from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import (
    CLIENT_ERRORS,
    FATAL,
    STALE_MEMBER,
    STATE,
    TIMED_OUT,
    StaleBatch,
    is_fenced,
    is_no_answer,
    is_record_refused,
    is_topic_missing,
    kafka_error_of,
    partitions_of,
    retry_transactional,
)
from clients.records import ProducerRecord
from schemas.errors import BrokerUnreachable, Fenced, NotAcknowledged, Position, TopicMissing

_QUEUE_WAIT_S = 0.05
_FLUSH_STEP_S = 1.0
# The broker aborts by itself after `TRANSACTION_TIMEOUT_MS`, so there is no point in trying for longer.
_ABORT_S = 5.0
_CLOSE_S = 1.0
_CONNECT_S = 1.0
_SAYS_LITTLE = (FATAL, STATE)

OnDelivery = Callable[[KafkaError | None, Message], None]


class RecordsRefused(NotAcknowledged):
    """Records are at fault themselves; nothing of their transaction is written.

    The broker refuses all records that were sent in one request with a bad one: a record that was refused in
    company may be taken when it comes alone.

    Attributes:
        errors: by index, the client's or the broker's reason.
    """

    def __init__(self, errors: dict[int, KafkaError], total: int) -> None:
        first = next(iter(errors.values()))
        super().__init__(f"{len(errors)} of {total} records were refused ({first.str()})")
        self.errors = errors


class TransactionalProducer(Closing):
    """A producer with a transactional id. For one thread at a time; connects when it is first needed.

    Args:
        cluster: where to.
        transactional_id: of all producers with it, the last to claim is the only one that can commit.
        settings: further librdkafka settings; `_` stands for a dot.

    Attributes:
        claimed: whether a transaction can be written; false again once the client broke for good.
    """

    def __init__(self, cluster: Cluster, transactional_id: str, **settings: Any) -> None:
        self._bootstrap = cluster.bootstrap
        self._id = transactional_id
        self._config = cluster.transactional_producer(transactional_id, **settings)
        self._client: Producer | None = None
        self.claimed = False

    def partitions_of(self, topics: tuple[str, ...], timeout_s: float) -> dict[str, int]:
        """How many partitions each topic has; raises as `clients.errors.partitions_of`."""
        return partitions_of(self._connected(), topics, bootstrap=self._bootstrap, timeout_s=timeout_s)

    def claim(self, timeout_s: float) -> None:
        """Fence every other producer with this id, and end what it, or this one, left open.

        Args:
            timeout_s: how long the transaction coordinator may take.

        Raises:
            Fenced: another producer claimed at the same moment.
            BrokerUnreachable: no answer in time.
            NotAcknowledged: the broker refused it.
        """
        if self.claimed:
            self._drop()
        client = self._connected()
        deadline = Deadline(timeout_s)
        with suppress(*CLIENT_ERRORS):
            # Asked for the coordinator before a broker is connected, librdkafka may wait 500 ms until it asks
            # again (rd_kafka_idemp_pid_fsm). A broker that does not answer shows in the next call.
            client.list_topics(timeout=min(timeout_s, _CONNECT_S))
        try:
            retry_transactional(client.init_transactions, deadline)
            self.claimed = True
        except CLIENT_ERRORS as error:
            raise self._error_of(kafka_error_of(error)) from error
        finally:
            if not self.claimed:
                self._drop()

    def transaction(
        self,
        records: Sequence[ProducerRecord],
        offsets: Sequence[TopicPartition] = (),
        metadata: Any = None,
        *,
        timeout_s: float,
    ) -> list[Position]:
        """Write records, and commit offsets with them: all or nothing. After any error it is aborted.

        Args:
            records: what to write, in this order per partition.
            offsets: next offsets of a consumer group.
            metadata: of that group, as it was when the offsets were read.
            timeout_s: how long it may take.

        Returns:
            Where each record lies; nothing where the settings have `delivery_report_only_error`.

        Raises:
            RecordsRefused: nothing is written; it says which records are at fault.
            StaleBatch: nothing is written; the group moved on since `metadata` was taken.
            TopicMissing, Fenced: nothing is written; fenced because another producer claimed since.
            BrokerUnreachable: no answer in time, or never claimed. Where that was the answer to the commit,
                only the next `claim` and a look at the log tell whether everything is written or nothing.
            NotAcknowledged: the same, where the broker gave another reason.
        """
        client = self._client
        if client is None or not self.claimed:
            raise BrokerUnreachable(f"the transactional id {self._id} is not claimed")
        deadline = Deadline(timeout_s)
        reports = _DeliveryReports(len(records))
        try:
            client.begin_transaction()
            _send(client, records, reports, deadline)
            if offsets:
                send = partial(client.send_offsets_to_transaction, list(offsets), metadata)
                retry_transactional(partial(within_timeout, send), deadline)
            retry_transactional(client.commit_transaction, deadline)
        except CLIENT_ERRORS as error:
            raise self._failed(client, kafka_error_of(error), reports) from error
        except CallAbandoned as error:
            # The call still uses the client, so it is not closed. It cannot commit: the next claim fences it.
            self._client, self.claimed = None, False
            raise BrokerUnreachable(f"no answer from {self._bootstrap}: {error}") from error
        except BaseException:
            # Left open, it would hide what lies behind it from every read_committed reader until its timeout.
            self._abort(client)
            raise
        return [position for position in reports.positions if position is not None]

    def close(self) -> None:
        """Let go of the connection; what is open is ended by the next claim, or by its timeout."""
        self._drop()

    def _connected(self) -> Producer:
        if self._client is None:
            self._client = Producer(self._config)
        return self._client

    def _drop(self) -> None:
        client, self._client, self.claimed = self._client, None, False
        if client is not None:
            # A client that broke for good says so again here, and would hide what it is dropped for.
            with suppress(*CLIENT_ERRORS):
                client.purge()
                client.flush(_CLOSE_S)

    def _failed(self, client: Producer, error: KafkaError, reports: "_DeliveryReports") -> Exception:
        if error.fatal():
            self._drop()
            return self._error_of(error)
        # A call in a transaction that failed before only says so; why it failed, another one says.
        broken = self._abort(client)
        causes = [cause for cause in (error, reports.failure, broken) if cause is not None]
        cause = next((cause for cause in causes if cause.code() not in _SAYS_LITTLE), error)
        if reports.refused and not is_fenced(cause):
            return RecordsRefused(reports.refused, len(reports.positions))
        return self._error_of(cause)

    def _abort(self, client: Producer) -> KafkaError | None:
        """Abort the open transaction; where that fails the client is dropped, and the reason returned."""
        try:
            # Aborting right behind a produce can be fatal (librdkafka #4849): let the reports come first.
            _flush(client, Deadline(_ABORT_S))
            retry_transactional(client.abort_transaction, Deadline(_ABORT_S))
        except CLIENT_ERRORS as error:
            self._drop()
            return kafka_error_of(error)
        return None

    def _error_of(self, error: KafkaError) -> Exception:
        """What a client error means: the one place that says it."""
        if is_fenced(error):
            return Fenced(f"another producer took over the transactional id {self._id} ({error.str()})")
        if error.code() in STALE_MEMBER:
            return StaleBatch(error.str())
        if is_topic_missing(error):
            return TopicMissing(f"{error.str()}; `cev topics create` creates topics")
        if is_no_answer(error) or error.retriable():
            return BrokerUnreachable(f"no answer from {self._bootstrap}: {error.str()}")
        return NotAcknowledged(f"refused: {error.str()}")


class _DeliveryReports:
    """What became of the records of one transaction; a report that comes late changes no other one's."""

    def __init__(self, total: int) -> None:
        self.positions: list[Position | None] = [None] * total
        self.refused: dict[int, KafkaError] = {}
        self.failure: KafkaError | None = None

    def take(self, index: int, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.positions[index] = Position(message.topic(), message.partition(), message.offset())  # type: ignore[arg-type]  # a delivered record has all three
        elif is_record_refused(error):
            self.refused[index] = error
        elif self.failure is None:
            self.failure = error

    def check(self, undelivered: int) -> None:
        """Raise unless every record was delivered."""
        if self.refused:
            raise KafkaException(next(iter(self.refused.values())))
        if self.failure is not None or undelivered:
            raise KafkaException(self.failure or KafkaError(TIMED_OUT))


def _send(
    client: Producer, records: Sequence[ProducerRecord], reports: _DeliveryReports, deadline: Deadline
) -> None:
    for index, record in enumerate(records):
        refusal = _produce(client, record, partial(reports.take, index), deadline)
        if refusal is not None:
            # The others are sent all the same, so that the caller learns of all that are at fault.
            reports.refused[index] = refusal
    reports.check(_flush(client, deadline))


def _produce(
    client: Producer, record: ProducerRecord, on_delivery: OnDelivery, deadline: Deadline
) -> KafkaError | None:
    """Queue a record; the client's reason if it refuses it."""
    while True:
        try:
            client.produce(
                record.topic,
                record.value,
                record.key,
                partition=record.partition,
                headers=record.headers,
                on_delivery=on_delivery,
            )
        except BufferError as error:
            if deadline.passed:
                raise KafkaException(KafkaError(TIMED_OUT)) from error
            client.poll(_QUEUE_WAIT_S)
        except KafkaException as error:
            refusal: KafkaError = error.args[0]
            if not is_record_refused(refusal):
                raise
            return refusal
        else:
            return None


def _flush(client: Producer, deadline: Deadline) -> int:
    """Wait for the reports; how many are missing at the deadline."""
    while (missing := client.flush(min(deadline.left, _FLUSH_STEP_S))) and not deadline.passed:
        pass
    return missing
