"""Questions to the cluster as a whole, each with a deadline: which topics, where they begin and end.

Promise: an unreachable broker is `BrokerUnreachable` at the first question, a leader that is not found in
time `LeaderUnavailable`, anything else that the broker refuses `OperationFailed` with its words. Not here:
changing topics (operations/topics), groups (operations/groups.py), records (log_reader.py).

I/O: Kafka (admin client).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition, Uuid
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names that it imports without __all__
    AdminClient,
    ListOffsetsResultInfo,
    OffsetSpec,
)

from clients.config import Cluster
from clients.errors import is_no_answer, is_topic_missing, unreachable
from schemas.errors import CommandEventError, LeaderUnavailable, OperationFailed

TIMEOUT_S = 10.0
_RETRY_S = 0.1
# New or failed-over partitions and coordinators answer so until every broker has heard who leads.
_MOVING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_CONTROLLER,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.INVALID_REPLICATION_FACTOR,  # of a new topic, while brokers are still fenced
    }
)

_NO_TOPIC_ID = str(Uuid(0, 0))

Partition = tuple[str, int]
"""Topic and partition number."""

T = TypeVar("T")


class Watermarks(NamedTuple):
    """Where a partition's log begins and ends.

    Attributes:
        low: the lowest offset that is there.
        stable: the end for read_committed readers; an open transaction holds it back.
        high: the end for everybody else.
    """

    low: int
    stable: int
    high: int


class TopicState(NamedTuple):
    """A topic as the cluster has it.

    Attributes:
        partitions: how many.
        replication: the fewest replicas that a partition has.
        leaderless: partitions that nobody leads at the moment.
    """

    partitions: int
    replication: int
    leaderless: tuple[int, ...]


class Brokers(NamedTuple):
    """The cluster's id, and the numbers of its living brokers."""

    cluster_id: str
    ids: tuple[int, ...]


class Admin:
    """An admin client of one cluster; opens no connection before the first question."""

    def __init__(self, cluster: Cluster, *, timeout_s: float = TIMEOUT_S) -> None:
        self.cluster = cluster
        self.timeout_s = timeout_s
        self.client = AdminClient(cluster.admin())

    def answer(self, future: "Future[T]") -> T:
        """The result of an admin call.

        Raises:
            BrokerUnreachable: nobody answered in time.
            OperationFailed: the broker refused; the message carries its words.
        """
        return self.ask(lambda: future, retry_s=0.0)

    def ask(self, question: "Callable[[], Future[T]]", *, retry_s: float | None = None) -> T:
        """The answer to a question, asked again while a leader or coordinator is moving or loading.

        Args:
            question: sends it once.
            retry_s: how long to ask again; None is the client's timeout.

        Raises:
            BrokerUnreachable, OperationFailed: as `answer`.
        """
        deadline = time.monotonic() + (self.timeout_s if retry_s is None else retry_s)
        while True:
            try:
                return question().result(self.timeout_s + 1)
            except KafkaException as error:
                if not moving(error) or time.monotonic() >= deadline:
                    raise self.fault(error) from error
                time.sleep(_RETRY_S)
            except FutureTimeout as error:
                raise unreachable(self.cluster.bootstrap, self.timeout_s) from error

    def fault(self, error: KafkaException) -> CommandEventError:
        """The error of ours that stands for a client error."""
        kafka_error = error.args[0]
        if is_no_answer(kafka_error):
            return unreachable(self.cluster.bootstrap, self.timeout_s)
        if moving(error):
            return LeaderUnavailable(
                f"the cluster at {self.cluster.bootstrap} is not ready ({kafka_error.str()}); are all its "
                "brokers up?"
            )
        return OperationFailed(f"the broker at {self.cluster.bootstrap} refused: {kafka_error.str()}")

    def brokers(self) -> Brokers:
        """The cluster id and the brokers that answer; raises BrokerUnreachable."""
        metadata = self._metadata()
        return Brokers(str(metadata.cluster_id), tuple(sorted(metadata.brokers)))

    def topics(self) -> dict[str, TopicState]:
        """Every topic of the cluster; raises BrokerUnreachable."""
        return {
            name: TopicState(
                len(topic.partitions),
                min((len(partition.replicas) for partition in topic.partitions.values()), default=0),
                tuple(
                    sorted(partition.id for partition in topic.partitions.values() if partition.leader < 0)
                ),
            )
            for name, topic in self._metadata().topics.items()
            if topic.error is None
        }

    def topic_ids(self, names: Iterable[str]) -> dict[str, str]:
        """The ids of topics (KIP-516); without those that are not there, or have none on an old broker.

        Raises:
            BrokerUnreachable, OperationFailed.
        """
        wanted = TopicCollection(list(names))
        ids = {}
        for name, future in self.client.describe_topics(wanted, request_timeout=self.timeout_s).items():
            try:
                ids[name] = str(self.answer(future).topic_id)
            except OperationFailed as error:
                if not is_topic_missing(error.__cause__.args[0]):  # type: ignore[union-attr]  # see `ask`
                    raise
        return {name: topic_id for name, topic_id in ids.items() if topic_id != _NO_TOPIC_ID}

    def watermarks(self, partitions: Iterable[Partition]) -> dict[Partition, Watermarks]:
        """Where these partitions begin and end; the beginnings are asked last, so they are never too low.

        Raises:
            BrokerUnreachable, OperationFailed.
        """
        wanted = list(partitions)
        if not wanted:
            return {}
        stable = self._offsets(wanted, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)  # type: ignore[no-untyped-call]  # the client has no types here
        high = self._offsets(wanted, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)  # type: ignore[no-untyped-call]  # the client has no types here
        low = self._offsets(wanted, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)  # type: ignore[no-untyped-call]  # the client has no types here
        return {
            partition: Watermarks(low[partition], max(stable[partition], low[partition]), high[partition])
            for partition in wanted
        }

    def offsets_since(self, partitions: Iterable[Partition], timestamp: int) -> dict[Partition, int | None]:
        """Per partition, the first offset whose record has that timestamp or a later one; None without one.

        Args:
            partitions: which.
            timestamp: ms since the epoch, UTC.

        Raises:
            BrokerUnreachable, OperationFailed.
        """
        spec = OffsetSpec.for_timestamp(timestamp)
        offsets = self._offsets(list(partitions), spec, IsolationLevel.READ_UNCOMMITTED)
        return {partition: offset if offset >= 0 else None for partition, offset in offsets.items()}

    def _metadata(self) -> Any:
        try:
            return self.client.list_topics(timeout=self.timeout_s)
        except KafkaException as error:
            raise self.fault(error) from error

    def _offsets(
        self, wanted: list[Partition], spec: OffsetSpec, isolation: IsolationLevel
    ) -> Mapping[Partition, int]:
        deadline = time.monotonic() + self.timeout_s
        offsets: dict[Partition, int] = {}
        while missing := [partition for partition in wanted if partition not in offsets]:
            futures = self.client.list_offsets(
                {TopicPartition(*partition): spec for partition in missing},
                isolation_level=isolation,
                request_timeout=self.timeout_s,
            )
            for partition, future in futures.items():
                if (offset := self._offset(future, deadline)) is not None:
                    offsets[partition.topic, partition.partition] = offset
            time.sleep(0 if len(offsets) == len(wanted) else _RETRY_S)
        return offsets

    def _offset(self, future: "Future[ListOffsetsResultInfo]", deadline: float) -> int | None:
        """One answer; None while the partition's leader is moving."""
        try:
            return int(future.result(self.timeout_s + 1).offset)
        except KafkaException as error:
            if moving(error) and time.monotonic() < deadline:
                return None
            raise self.fault(error) from error
        except FutureTimeout as error:
            raise unreachable(self.cluster.bootstrap, self.timeout_s) from error


def partitions_of(topics: Mapping[str, TopicState], names: Iterable[str]) -> list[Partition]:
    """The partitions of those topics that are there, in the order of the names."""
    return [(name, number) for name in names if name in topics for number in range(topics[name].partitions)]


def moving(error: KafkaException) -> bool:
    """Whether a leader or coordinator is being found or loaded, so that asking again soon will do."""
    return error.args[0].code() in _MOVING
