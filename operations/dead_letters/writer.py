"""Writing decisions about one dead-letter topic: one writer at a time, each batch in one transaction.

The order of the steps is the promise, as for the mode (producers/mode/change.py):

    1. claim    `init_transactions` with the topic's fixed transactional id: fences every other writer, and
                ends what a killed one left open
    2. read     what is decided already (decisions.read_index_for_sure, by the caller)
    3. write    batches; who was fenced meanwhile learns it here, and has written nothing of the batch

So a letter is decided once, whoever dies or comes in between. No transaction is open while anybody waits.

I/O: Kafka (writes a retry topic).
"""

import time
from collections.abc import Sequence

from clients.admin import Admin, Partition
from clients.closing import Closing
from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import unreachable
from clients.records import ProducerRecord
from clients.transactional import TransactionalProducer
from operations.dead_letters.decisions import retry_of
from schemas.errors import BrokerUnreachable, CommandEventError, DeadlinePassed, Fenced, NotAcknowledged
from schemas.topics import Topic

TRANSACTIONAL_ID = "cev-redrive-{topic}"
"""The same for every writer of decisions about a dead-letter topic, for ever: that is what fences."""

TIMEOUT_S = 15.0
_POLL_S = 0.05
_AGAIN = "the same command again goes on from there, and does nothing twice"


class Writer(Closing):
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
        self._producer = TransactionalProducer(cluster, TRANSACTIONAL_ID.format(topic=topic.name))
        self.partitions = self._producer.partitions_of((self.retry_topic,), timeout_s)[self.retry_topic]

    def close(self) -> None:
        """Let go of the connection."""
        self._producer.close()

    def claim(self) -> None:
        """Become the one writer.

        Raises:
            Fenced: somebody else claimed at the same moment.
            BrokerUnreachable: no answer in time.
        """
        try:
            self._producer.claim(self._timeout_s)
        except CommandEventError as error:
            raise self._failure(error) from error

    def write(self, batch: Sequence[ProducerRecord]) -> None:
        """Write a batch: all of it, or nothing.

        Raises:
            Fenced: another writer claimed since; nothing of the batch was written.
            BrokerUnreachable, NotAcknowledged: it is not known to be written.
        """
        try:
            positions = self._producer.transaction(batch, timeout_s=self._timeout_s)
        except CommandEventError as error:
            raise self._failure(error) from error
        for position in positions:
            partition = position.topic_partition
            self._ends[partition] = max(position.offset + 1, self._ends.get(partition, 0))

    def until_seen(self, admin: Admin) -> None:
        """Wait until every reader sees what was written: a commit is confirmed before its marker is there.

        Raises:
            DeadlinePassed: it is written, but readers do not see it yet.
            BrokerUnreachable, OperationFailed: the ends cannot be asked for.
        """
        deadline = Deadline(self._timeout_s)
        while self._ends:
            watermarks = admin.watermarks(self._ends)
            self._ends = {
                partition: end for partition, end in self._ends.items() if watermarks[partition].stable < end
            }
            if self._ends and deadline.passed:
                raise DeadlinePassed(
                    f"everything is written to {self.retry_topic}, but readers do not see it yet: has "
                    "somebody else an open transaction there?"
                )
            time.sleep(_POLL_S if self._ends else 0)

    def _failure(self, error: CommandEventError) -> CommandEventError:
        if isinstance(error, Fenced):
            return Fenced(
                f"another run took over the dead letters of {self._topic}, or this one stood still for "
                f"longer than a transaction may: what it did is done; {_AGAIN}"
            )
        if isinstance(error, BrokerUnreachable):
            no_answer = unreachable(self._bootstrap, self._timeout_s)
            return BrokerUnreachable(f"{no_answer} What is done is done; {_AGAIN}")
        return NotAcknowledged(f"a batch for {self.retry_topic} was not confirmed ({error}); {_AGAIN}")
