"""The consuming side of one group member: batches in, offsets out, and what the group does to us.

Promises: a batch carries the group metadata that was in force when it was asked for (design §7, point 4:
metadata taken later would let a stopped and continued member commit a stale batch); records of partitions
that are no longer ours are not handed out; every partition begins where `assignment.begin` says.

I/O: Kafka (one consumer; all calls from one thread).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from clients.config import Cluster
from consumers.runtime.kafka.pauses import PausedPartitions
from consumers.runtime.kafka.polled import PolledRecords, from_messages
from consumers.runtime.records import Partition
from consumers.runtime.starting_offset import Committed
from schemas.errors import BrokerUnreachable, CommandEventError

_TIMEOUT_S = 10.0
_PROBE_S = 2.0
_SPARE_S = 5.0
STALE = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_MEMBER_EPOCH,
    KafkaError.STALE_MEMBER_EPOCH,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._FENCED,  # noqa: SLF001 - librdkafka's local code
)

Begin = Callable[["GroupConsumer", list[Partition]], dict[Partition, int]]
"""Given an inlet and its newly assigned partitions, says at which offset each begins, or raises."""


class StaleBatch(Exception):
    """The group moved on since the batch was read; nothing of it may be committed."""


class GroupConsumer:
    """One member of a consumer group.

    Args:
        cluster: where.
        group: group id.
        sources: subscribed topics, each with the catalogue topic whose records it carries.
        begin: decides where partitions begin.
        store: id of the group's store; travels as metadata with every offset.

    Attributes:
        owned: partitions that are ours now.
        ends: of those, the ones read to their end, and the end's offset.
        joined: whether the group ever granted an assignment.
        rebalances: how many there were.
        pauses: what is not handed out for now.
    """

    def __init__(
        self, cluster: Cluster, group: str, sources: Mapping[str, str], begin: Begin, store: str
    ) -> None:
        self._consumer = Consumer({**cluster.consumer(group), "error_cb": self._on_error})
        self._sources = sources
        self._begin = begin
        self.store = store
        self.rebalances = 0
        self._revoked: dict[Partition, int] = {}
        self._failure: CommandEventError | None = None
        self._stash: list[Message] = []
        self.pauses = PausedPartitions(self._consumer)
        self.ends: dict[Partition, int] = {}
        self.owned: set[Partition] = set()
        self.joined = False
        self._spare_at = float("inf")
        self._silent = False
        incremental = cluster.group_protocol == "consumer"
        self._assign = self._consumer.incremental_assign if incremental else self._consumer.assign
        self._incremental = incremental

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            list(self._sources), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )
        self._spare_at = time.monotonic() + _SPARE_S

    def read(self, limit: int, timeout_s: float) -> PolledRecords:
        """The next records, without waiting for a batch to fill.

        Args:
            limit: most records to return.
            timeout_s: longest wait for the first one.

        Raises:
            LostOffset, ForeignStore: a partition must not be read.
            TopicMissing: a topic was deleted meanwhile.
        """
        self.pauses.end(self.owned, time.monotonic())
        metadata = self._consumer.consumer_group_metadata()
        before = self.rebalances
        messages = self._take(limit, timeout_s)
        if self.rebalances != before:
            # The rebalance was served in this very call: what came with it belongs to the new assignment.
            metadata = self._consumer.consumer_group_metadata()
        self._raise_failure()
        outage = None if messages else self._look_around()
        reading = from_messages(messages, self.owned, self.ends, self._sources)
        return replace(
            reading,
            metadata=metadata,
            ended=self.joined and all(each in self.ends for each in self.owned),
            outage=outage,
            rebalances=self.rebalances,
        )

    def held(self, since: int) -> set[Partition]:
        """Partitions that have been ours all the time since a reading that saw so many rebalances.

        One that went away and came back is not among them: another member may have passed what we read.
        """
        return {each for each in self.owned if self._revoked.get(each, 0) <= since}

    def keep_alive(self, timeout_s: float) -> None:
        """Stay in the group without reading: while something takes long, or is down.

        `max.poll.interval` is kept by polling with every partition paused.
        """
        self.pauses.all(self.owned)
        message = self._consumer.poll(timeout_s)
        if message is not None:
            self._stash.append(message)
        self._raise_failure()

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Commit offsets plainly, for work that owes Kafka nothing else.

        Raises:
            StaleBatch: we are not (or no more) a member that may.
            BrokerUnreachable: the coordinator does not answer.
        """
        mine = {each: offset for each, offset in positions.items() if each in self.owned}
        if mine:
            self._commit(mine)

    def _commit(self, positions: Mapping[Partition, int]) -> None:
        try:
            done = self._consumer.commit(offsets=self.offsets(positions), asynchronous=False)
        except KafkaException as error:
            raise _commit_error(error.args[0]) from error
        for each in done or []:
            if each.error is not None:
                raise _commit_error(each.error)

    def commit_first(self, positions: Mapping[Partition, int]) -> None:
        """Commit where newly assigned partitions begin, before they are read; raises as `commit` does."""
        self._commit(positions)

    def offsets(self, positions: Mapping[Partition, int]) -> list[TopicPartition]:
        """Offsets for a commit, each with the store's id as metadata (design §7, point 5)."""
        return [TopicPartition(topic, number, at, self.store) for (topic, number), at in positions.items()]

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Committed | None]:
        """The group's committed offsets.

        Raises:
            BrokerUnreachable: the coordinator does not answer.
        """
        try:
            found = self._consumer.committed(
                [TopicPartition(*each) for each in partitions], timeout=_TIMEOUT_S
            )
        except KafkaException as error:
            raise BrokerUnreachable(f"the group's offsets cannot be read: {error.args[0].str()}") from error
        return {
            (each.topic, each.partition): Committed(each.offset, each.metadata or "")
            if each.offset >= 0
            else None
            for each in found
        }

    def edges(self, partition: Partition) -> tuple[int, int]:
        """The lowest and the next offset of a partition, asked of the broker."""
        try:
            found = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise BrokerUnreachable(f"{partition[0]} cannot be read: {error.args[0].str()}") from error
        if found is None:
            raise BrokerUnreachable(f"{partition[0]}:{partition[1]} did not answer within {_TIMEOUT_S:.0f} s")
        return found

    def rewind(self, positions: Mapping[Partition, int], since: int) -> None:
        """Read these partitions again from these offsets, where they have been ours since then (`held`)."""
        held = self.held(since)
        back = {each: offset for each, offset in positions.items() if each in held}
        self._forget(set(back))
        for each, offset in back.items():
            self._consumer.seek(TopicPartition(*each, offset))

    def suspend(self, partition: Partition, offset: int, seconds: float) -> None:
        """Read nothing of a partition of ours for so long, and then go on at this offset."""
        self._forget({partition})
        self._consumer.seek(TopicPartition(*partition, offset))
        self.pauses.one(partition, time.monotonic() + seconds)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _take(self, limit: int, timeout_s: float) -> list[Message]:
        taken, self._stash = self._stash, []
        if not taken:
            first = self._consumer.poll(timeout_s)
            taken = [] if first is None else [first]
        if not taken:
            return []
        since = self.rebalances
        more = self._consumer.consume(limit, 0)
        # A partition may leave and come back within that call: another member may have passed what we took.
        return [each for each in taken if self._revoked.get(_partition(each), 0) <= since] + more

    def _look_around(self) -> str | None:
        """With nothing to read: is anybody there, and are we a spare member? Says what is down, or None."""
        try:
            if self._silent:
                self._consumer.list_topics(next(iter(self._sources)), timeout=_PROBE_S)
                self._silent = False
            if not self.joined and time.monotonic() > self._spare_at:
                # KIP-848 tells a member without partitions nothing: that the coordinator answers has to do.
                self.committed([(next(iter(self._sources)), 0)])
                self.joined = True
        except KafkaException as error:
            return f"no broker answers: {error.args[0].str()}"
        except BrokerUnreachable as error:
            return str(error)
        return None

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's local code
            self._silent = True

    def _on_assign(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.rebalances += 1
        self.joined = True
        # An exception inside librdkafka's callback would lose its way: it is kept and raised after the poll.
        try:
            new = [(each.topic, each.partition) for each in partitions]
            starts = self._begin(self, new) if new else {}
        except StaleBatch as stale:
            self._failure = BrokerUnreachable(f"the group moved on while partitions began: {stale}")
            return
        except CommandEventError as error:
            self._failure = error
            return
        self._assign([TopicPartition(*each, offset) for each, offset in starts.items()])
        self.owned |= set(starts)
        self.pauses.came(starts)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.rebalances += 1
        gone = {(each.topic, each.partition) for each in partitions}
        self.owned -= gone
        self._revoked |= dict.fromkeys(gone, self.rebalances)
        self._forget(gone)
        self.pauses.went(gone)
        if self._incremental:
            consumer.incremental_unassign(partitions)
        else:
            consumer.unassign()

    def _forget(self, partitions: set[Partition]) -> None:
        """Drop what was polled of these; of any other it would be lost, for it is not read twice."""
        self._stash = [each for each in self._stash if _partition(each) not in partitions]
        for each in partitions:
            self.ends.pop(each, None)

    def _raise_failure(self) -> None:
        # Said again until we leave: whoever waits out an outage would go on without the partitions.
        if self._failure is not None:
            raise self._failure


def _partition(message: Message) -> Partition:
    return message.topic() or "", message.partition() or 0


def _commit_error(error: KafkaError) -> Exception:
    if error.code() in STALE:
        return StaleBatch(error.str())
    return BrokerUnreachable(f"offsets cannot be committed: {error.str()}")
