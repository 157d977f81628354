"""Writing decisions about one dead-letter topic: one writer at a time, each batch in one transaction.

The order of the steps is the promise, as for the mode (producers/mode/change.py):

    1. claim    `init_transactions` with the topic's fixed transactional id: fences every other writer, and
                ends what a killed one left open
    2. read     what is decided already (decisions.decided_for_sure, by the caller)
    3. write    batches; who was fenced meanwhile learns it here, and has written nothing of the batch

So a letter is decided once, whoever dies or comes in between. No transaction is open while anybody waits.

I/O: Kafka (writes a retry topic).
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from clients.admin import Admin, Partition
from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import (
    CLIENT_ERRORS,
    LIBRARY_LOG,
    TIMED_OUT,
    is_fenced,
    is_no_answer,
    kafka_error_of,
    partitions_of,
    retry_transactional,
    unreachable,
)
from clients.records import ProducerRecord
from operations.dead_letters.decisions import retry_of
from schemas.errors import BrokerUnreachable, CommandEventError, DeadlinePassed, Fenced, NotAcknowledged
from schemas.topics import Topic

TRANSACTIONAL_ID = "cev-redrive-{topic}"
"""The same for every writer of decisions about a dead-letter topic, for ever: that is what fences."""

TIMEOUT_S = 15.0
_FLUSH_S = 5.0
_SPACE_S = 0.05
_LOOK_S = 0.05
_AGAIN = "the same command again goes on from there, and does nothing twice"


class Writer:
    """The one writer of decisions about a dead-letter topic; a context manager.

    Args:
        cluster: where.
        topic: the dead-letter topic.
        timeout_s: how long each step may take.

    Attributes:
        retry_topic: where decisions are written.
        partitions: how many the retry topic has.

    Raises:
        BrokerUnreachable: no broker answered.
        TopicMissing: the retry topic is not there.
    """

    def __init__(self, cluster: Cluster, topic: Topic, *, timeout_s: float = TIMEOUT_S) -> None:
        self._bootstrap = cluster.bootstrap
        self._topic = topic.name
        self.retry_topic = retry_of(topic)
        self._timeout_s = timeout_s
        self._ends: dict[Partition, int] = {}
        config = cluster.transactional_producer(TRANSACTIONAL_ID.format(topic=topic.name))
        self._producer = Producer(config, logger=LIBRARY_LOG)
        names = (self.retry_topic,)
        found = partitions_of(self._producer, names, bootstrap=cluster.bootstrap, timeout_s=timeout_s)
        self.partitions = found[self.retry_topic]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            with suppress(*CLIENT_ERRORS):
                # Left open it would hide what others write here until its timeout. Aborting right behind a
                # produce can fail for good (librdkafka #4849): hear of the deliveries first.
                self._producer.flush(_FLUSH_S)
                self._producer.abort_transaction(_FLUSH_S)

    def claim(self) -> None:
        """Become the one writer.

        Raises:
            Fenced: somebody else claimed at the same moment.
            BrokerUnreachable: no answer in time.
        """
        try:
            retry_transactional(self._producer.init_transactions, Deadline(self._timeout_s))
        except CLIENT_ERRORS as error:
            raise self._meaning(kafka_error_of(error)) from error

    def write(self, batch: Sequence[ProducerRecord]) -> None:
        """Write a batch: all of it, or nothing.

        Raises:
            Fenced: another writer claimed since; nothing of the batch was written.
            BrokerUnreachable, NotAcknowledged: it is not known to be written.
        """
        try:
            self._producer.begin_transaction()
            for record in batch:
                self._produce(record)
            # Without it the broker answers CONCURRENT_TRANSACTIONS and librdkafka backs off.
            self._producer.flush(_FLUSH_S)
            retry_transactional(self._producer.commit_transaction, Deadline(self._timeout_s))
        except CLIENT_ERRORS as error:
            raise self._meaning(kafka_error_of(error)) from error

    def until_seen(self, admin: Admin) -> None:
        """Wait until every reader sees what was written: a commit is confirmed before its marker is there.

        Raises:
            DeadlinePassed: it is written, but readers do not see it yet.
            BrokerUnreachable, OperationFailed: the ends cannot be asked for.
        """
        deadline = time.monotonic() + self._timeout_s
        while self._ends:
            edges = admin.watermarks(self._ends)
            self._ends = {each: end for each, end in self._ends.items() if edges[each].stable < end}
            if self._ends and time.monotonic() > deadline:
                raise DeadlinePassed(
                    f"everything is written to {self.retry_topic}, but readers do not see it yet: has "
                    "somebody else an open transaction there?"
                )
            time.sleep(_LOOK_S if self._ends else 0)

    def _produce(self, record: ProducerRecord) -> None:
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    partition=record.partition,
                    headers=record.headers,
                    on_delivery=self._delivered,
                )
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(TIMED_OUT)) from error
                self._producer.poll(_SPACE_S)
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        # A record that failed fails its transaction: the commit says so.
        if error is None:
            where = (message.topic() or "", message.partition() or 0)
            self._ends[where] = max((message.offset() or 0) + 1, self._ends.get(where, 0))

    def _meaning(self, fault: KafkaError) -> CommandEventError:
        if is_fenced(fault):
            return Fenced(
                f"another run took over the dead letters of {self._topic}, or this one stood still for "
                f"longer than a transaction may: what it did is done; {_AGAIN}"
            )
        if is_no_answer(fault):
            silence = unreachable(self._bootstrap, self._timeout_s)
            return BrokerUnreachable(f"{silence} What is done is done; {_AGAIN}")
        return NotAcknowledged(f"a batch for {self.retry_topic} was not confirmed ({fault.str()}); {_AGAIN}")
