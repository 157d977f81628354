"""The consuming side of one group member: records in, offsets out, and the group's rebalances.

Promises: polled records carry the group metadata that was in force when they were asked for (invariant
4: metadata taken later would let a stopped and continued member commit a stale batch); records of partitions
that are no longer owned are not handed out; every partition begins where the `assign` callback says.

I/O: Kafka (one consumer; all calls from one thread).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from clients.config import Cluster
from clients.errors import FATAL, StaleBatch, commit_error
from consumers.runtime.kafka.membership import Membership
from consumers.runtime.kafka.pauses import PausedPartitions
from consumers.runtime.kafka.polled import PolledRecords, from_messages, is_read, partition_of
from consumers.runtime.records import Committed, Partition
from schemas.errors import BrokerUnreachable, CommandEventError

T = TypeVar("T")

_TIMEOUT_S = 10.0
IDLE_MEMBER_GRACE_S = 5.0
"""A member that got no partition for this long asks whether the coordinator answers, and counts as joined."""

Assign = Callable[["GroupConsumer", list[Partition]], dict[Partition, int]]
"""Given a consumer and its newly assigned partitions, says at which offset each begins, or raises."""


class GroupConsumer:
    """One member of a consumer group.

    Args:
        cluster: where the group is.
        group: group id.
        sources: subscribed topics, each with the catalogue topic whose records it carries.
        assign: decides where newly assigned partitions begin.
        store_id: id of the group's store; travels as metadata with every offset.

    Attributes:
        owned: partitions that are assigned to this member now.
        start_offsets: of those, where each of them began.
        end_offsets: of those, the ones read to their end, and the end's offset.
        joined: whether the group ever granted an assignment.
        generation: how many assignments and revocations there were.
        pauses: partitions that are not handed out for now.
    """

    def __init__(
        self, cluster: Cluster, group: str, sources: Mapping[str, str], assign: Assign, store_id: str
    ) -> None:
        self._membership = Membership(group, cluster.bootstrap, next(iter(sources)))
        self._consumer = Consumer({**cluster.consumer(group), "error_cb": self._membership.on_error})
        self._sources = sources
        self._start_offsets = assign
        self.store_id = store_id
        self.generation = 0
        self._revoked_in: dict[Partition, int] = {}
        self._failure: CommandEventError | None = None
        self._metadata: Any = None
        self._buffered: list[Message] = []
        self.pauses = PausedPartitions(self._consumer)
        self.end_offsets: dict[Partition, int] = {}
        self.owned: set[Partition] = set()
        self.start_offsets: dict[Partition, int] = {}
        self.joined = False
        self._idle_member_at = float("inf")
        incremental = cluster.group_protocol == "consumer"
        self._assign = self._consumer.incremental_assign if incremental else self._consumer.assign
        self._incremental = incremental

    def subscribe(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            list(self._sources), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )
        if self._incremental:
            self._idle_member_at = time.monotonic() + IDLE_MEMBER_GRACE_S

    def poll(self, limit: int, timeout_s: float) -> PolledRecords:
        """The next records, without waiting for a batch to fill.

        Args:
            limit: most records to return.
            timeout_s: longest wait for the first one.

        Raises:
            LostOffset, ForeignStore: a partition must not be read.
            TopicMissing: a topic was deleted meanwhile.
            BrokerUnreachable: an assignment could not begin, or the client gave up for good.
            Fenced, InvalidSetting: another process took its place; the brokers do not know its protocol.
        """
        self.pauses.resume_due(self.owned, time.monotonic())
        messages = self._with_metadata(lambda: self._take(limit, timeout_s))
        self._raise_failure()  # why an assignment was refused says more than what librdkafka finds in it
        polled = from_messages(
            messages, self.owned, self.end_offsets, self._sources, self._membership.reported
        )
        self._raise_failure()
        outage = self._heard(messages) if messages else self._check_idle()
        return replace(
            polled,
            metadata=self._metadata,
            at_end=self.joined and outage is None and self.owned <= self.end_offsets.keys(),
            outage=outage,
        )

    def _with_metadata(self, call: Callable[[], T]) -> T:
        """Call the client, and keep the metadata that goes with the assignment it leaves (invariant 4)."""
        metadata, generation = self._consumer.consumer_group_metadata(), self.generation
        result = call()
        # A rebalance that was served in this very call: what came with it belongs to the new assignment.
        served = self.generation != generation
        self._metadata = self._consumer.consumer_group_metadata() if served else metadata
        return result

    def unread(self) -> PolledRecords:
        """No records, with the metadata of the last poll."""
        return PolledRecords([], [], metadata=self._metadata)

    def owned_since(self, generation: int) -> set[Partition]:
        """Partitions that were owned all the time since a generation.

        One that was revoked and assigned again is not among them (invariant 4): another member may have
        passed it.
        """
        return {partition for partition in self.owned if self.owns_since(partition, generation)}

    def owns_since(self, partition: Partition, generation: int) -> bool:
        """Whether one partition is among them; for any thread."""
        return partition in self.owned and self._revoked_in.get(partition, 0) <= generation

    def poll_paused(self, timeout_s: float) -> PolledRecords:
        """Stay in the group without reading, while something takes long or is down (invariant 13).

        Polling with every partition paused keeps within `max.poll.interval.ms`.
        """
        self.pauses.pause_all(self.owned)
        message = self._with_metadata(lambda: self._consumer.poll(timeout_s))
        if message is not None:
            error = message.error()
            if error is not None and error.code() == FATAL:
                self._membership.reported(partition_of(message), error)
            self._buffered.append(message)
        self._raise_failure()
        return self.unread()

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Commit offsets without a transaction, where Kafka is owed nothing else.

        Raises:
            StaleBatch: this member is not, or no longer, allowed to commit.
            BrokerUnreachable: the coordinator does not answer.
        """
        try:
            committed = self._consumer.commit(offsets=self.offsets(positions), asynchronous=False)
        except KafkaException as error:
            raise commit_error(error.args[0]) from error
        for partition in committed or []:
            if partition.error is not None:
                raise commit_error(partition.error)

    def offsets(self, positions: Mapping[Partition, int]) -> list[TopicPartition]:
        """Offsets for a commit, each with the store's id as metadata (design §7, point 5)."""
        return [TopicPartition(*partition, offset, self.store_id) for partition, offset in positions.items()]

    def committed(self, partitions: Iterable[Partition]) -> dict[Partition, Committed | None]:
        """The group's committed offsets; None where a partition has none.

        Raises:
            BrokerUnreachable: the coordinator does not answer.
        """
        try:
            requested = [TopicPartition(*partition) for partition in partitions]
            offsets = self._consumer.committed(requested, timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise BrokerUnreachable(f"the group's offsets cannot be read: {error.args[0].str()}") from error
        return {
            (entry.topic, entry.partition): Committed(entry.offset, entry.metadata or "")
            if entry.offset >= 0
            else None
            for entry in offsets
        }

    def watermarks(self, partition: Partition) -> tuple[int, int]:
        """The low and the high watermark of a partition, asked of the broker.

        Raises:
            BrokerUnreachable: it does not answer.
        """
        try:
            watermarks = self._consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_TIMEOUT_S)
        except KafkaException as error:
            raise BrokerUnreachable(f"{partition[0]} cannot be read: {error.args[0].str()}") from error
        if watermarks is None:
            raise BrokerUnreachable(f"{partition[0]}:{partition[1]} did not answer within {_TIMEOUT_S:.0f} s")
        return watermarks

    def seek_back(self, positions: Mapping[Partition, int]) -> None:
        """Read owned partitions again from these offsets."""
        offsets = {partition: offset for partition, offset in positions.items() if partition in self.owned}
        self._drop_buffered(set(offsets))
        for partition, offset in offsets.items():
            self._consumer.seek(TopicPartition(*partition, offset))

    def pause_until(self, partition: Partition, offset: int, seconds: float) -> None:
        """Read nothing of an owned partition for this long, then go on at this offset."""
        self._drop_buffered({partition})
        self._consumer.seek(TopicPartition(*partition, offset))
        self.pauses.pause(partition, time.monotonic() + seconds)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _take(self, limit: int, timeout_s: float) -> list[Message]:
        messages, self._buffered = self._buffered, []
        if not messages:
            message = self._consumer.poll(timeout_s)
            if message is None:
                return []
            messages = [message]
        generation = self.generation
        more = self._consumer.consume(limit, 0)
        # A partition may be revoked and assigned again within that call: another member may have passed what
        # was polled before.
        messages = [m for m in messages if self._revoked_in.get(partition_of(m), 0) <= generation]
        return messages + more

    def _heard(self, messages: list[Message]) -> BrokerUnreachable | None:
        """After messages: what is refused all the same, or None."""
        self._membership.heard(partition_of(m) for m in messages if is_read(m))
        return self._membership.refusal

    def _check_idle(self) -> BrokerUnreachable | None:
        """With nothing to read: what is wrong, or None; and whether this is a spare member."""
        outage = self._membership.outage(self._consumer)
        if outage is None and not self.joined and time.monotonic() > self._idle_member_at:
            # KIP-848 tells a member without partitions nothing: that the coordinator answers has to do.
            try:
                self.committed([(next(iter(self._sources)), 0)])
            except BrokerUnreachable as error:
                return error
            self.joined = True
        return outage

    def _on_assign(self, _consumer: Consumer, assigned: list[TopicPartition]) -> None:
        self.generation += 1
        self.joined = True
        self._membership.joined()
        # An exception inside librdkafka's callback would be lost: it is kept and raised after the poll.
        try:
            partitions = [(entry.topic, entry.partition) for entry in assigned]
            offsets = self._start_offsets(self, partitions) if partitions else {}
        except StaleBatch as stale:
            self._failure = BrokerUnreachable(f"the group moved on while partitions began: {stale}")
            return
        except CommandEventError as error:
            self._failure = error
            return
        self._assign([TopicPartition(*partition, offset) for partition, offset in offsets.items()])
        self.owned |= set(offsets)
        self.start_offsets |= offsets
        self.pauses.assigned(offsets)

    def _on_revoke(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self.generation += 1
        partitions = {(entry.topic, entry.partition) for entry in revoked}
        self.owned -= partitions
        self.start_offsets = {key: at for key, at in self.start_offsets.items() if key not in partitions}
        self._revoked_in |= dict.fromkeys(partitions, self.generation)
        self._drop_buffered(partitions)
        self._membership.heard(partitions)
        self.pauses.revoked(partitions)
        if self._incremental:
            consumer.incremental_unassign(revoked)
        else:
            consumer.unassign()

    def _drop_buffered(self, partitions: set[Partition]) -> None:
        """Drop buffered messages of these partitions only: the client does not read others a second time."""
        self._buffered = [message for message in self._buffered if partition_of(message) not in partitions]
        for partition in partitions:
            self.end_offsets.pop(partition, None)

    def _raise_failure(self) -> None:
        # Raised on every call until close, so that a member waiting out an outage cannot continue without its
        # partitions.
        failure = self._membership.failure or self._failure
        if failure is not None:
            raise failure
