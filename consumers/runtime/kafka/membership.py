"""Whether the group has its member: what the client reported about itself, and whether a broker answers.

librdkafka reports most of what is wrong without raising it: as a message without a topic, as a message of a
partition, or to its error callback. All of it is noticed here.

    fatal               the client works no more, whatever is called: the member must leave and join again
    refused             the group does not take the member, or a partition may not be read; the client goes on
                        trying, and reports a refusal once
    no broker answers   every connection is down, or a question after a silence has no answer

I/O: Kafka (metadata requests on the consumer that it is given; all calls from the polling thread).
"""

import time
from collections.abc import Iterable

from confluent_kafka import Consumer, KafkaError, KafkaException

from clients.errors import ALL_BROKERS_DOWN, FATAL
from consumers.runtime.records import Partition
from schemas.errors import BrokerUnreachable, CommandEventError, Fenced, InvalidSetting

SILENCE_S = 5.0
"""After so long without a message a broker is asked whether it answers: a broken line is silent as well."""
_PROBE_TIMEOUT_S = 2.0
_NO_PARTITION: Partition = ("", 0)
_FENCED_INSTANCE = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
# What a broker answers that knows the classic protocol only; librdkafka has its own words for an older one.
_OLD_BROKER = (
    KafkaError(KafkaError.UNSUPPORTED_VERSION).str(),
    KafkaError(KafkaError._UNSUPPORTED_FEATURE).str(),  # noqa: SLF001 - librdkafka's local code
)


class Membership:
    """The state of one consumer as a member of its group.

    Args:
        group: group id.
        bootstrap: the brokers' address, for messages.
        topic: a topic that every probe may ask for.

    Attributes:
        failure: why the consumer is of no use any more, or None.
    """

    def __init__(self, group: str, bootstrap: str, topic: str) -> None:
        self._group = group
        self._bootstrap = bootstrap
        self._topic = topic
        self._refusals: dict[Partition, str] = {}
        self._all_brokers_down = False
        self._probe_at = time.monotonic() + SILENCE_S
        self.failure: CommandEventError | None = None

    def on_error(self, error: KafkaError) -> None:
        """What the client says to its error callback."""
        if error.code() == ALL_BROKERS_DOWN:
            self._all_brokers_down = True
        elif error.fatal() or error.code() == FATAL:
            self.failure = self._fatal(error)

    def reported(self, partition: Partition, error: KafkaError) -> None:
        """What the client says in a message: fatal, or a refusal."""
        if error.fatal() or error.code() == FATAL:
            self.failure = self._fatal(error)
        elif error.code() != KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001 - librdkafka's local code
            # After that one the client joins again by itself, in the next poll.
            self._refusals[partition] = self._refusal(partition, error)

    def joined(self) -> None:
        """The group granted an assignment."""
        self._refusals.pop(_NO_PARTITION, None)

    def heard(self, partitions: Iterable[Partition] = ()) -> None:
        """Messages arrived, of these partitions; or they left."""
        self._probe_at = time.monotonic() + SILENCE_S
        if self._refusals:
            for partition in partitions:
                self._refusals.pop(partition, None)

    def outage(self, consumer: Consumer) -> BrokerUnreachable | None:
        """With nothing to read: what is wrong, or None."""
        if self._all_brokers_down or time.monotonic() >= self._probe_at:
            try:
                consumer.list_topics(self._topic, timeout=_PROBE_TIMEOUT_S)
            except KafkaException as error:
                return BrokerUnreachable(f"no broker answers at {self._bootstrap}: {error.args[0].str()}")
            self._all_brokers_down = False
            self._probe_at = time.monotonic() + SILENCE_S
        return self.refusal

    @property
    def refusal(self) -> BrokerUnreachable | None:
        """What the group or a broker refuses, or None."""
        return BrokerUnreachable(next(iter(self._refusals.values()))) if self._refusals else None

    def _refusal(self, partition: Partition, error: KafkaError) -> str:
        if partition == _NO_PARTITION:
            return f"group {self._group} does not take this member: {error.str()}"
        return f"{partition[0]}:{partition[1]} cannot be read: {error.str()}"

    def _fatal(self, error: KafkaError) -> CommandEventError:
        reason = error.str()
        if _FENCED_INSTANCE in reason:
            return Fenced(
                f"another process is in group {self._group} under the same group.instance.id; "
                "give each process its own"
            )
        if any(answer in reason for answer in _OLD_BROKER):
            return InvalidSetting(
                f"the brokers at {self._bootstrap} do not know the group protocol consumer (Kafka 4): "
                "set CEV_GROUP_PROTOCOL=classic"
            )
        return BrokerUnreachable(f"the client of group {self._group} gave up: {reason}")
