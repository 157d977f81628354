"""The log as tests see it: records written by hand, read back as a read_committed reader does, and emptied.

I/O: Kafka.

Group ids and topic names are fixed, so tests cannot keep apart by name. Each test gets an empty log instead:
`empty` deletes the groups of ours and the records of their topics.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, its stub only lacks the re-exports
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from clients.admin import Admin
from clients.config import Cluster
from consumers.registry import REACTIONS, all_topics
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import Position
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.times import now_ms
from schemas.topics import BY_NAME, DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS, Message

PATIENCE_S = 40.0
_SETTLE_S = 2.0
HOME = "1 Streetford Road"


def until(happened: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Wait until something is truthy, and return it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := happened():
            return found
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def _partitions(topic: str) -> int:
    return BY_NAME[topic].partitions if topic in BY_NAME else 6


def edges(consumer: Consumer, where: TopicPartition, seconds: float) -> tuple[int, int]:
    """The lowest and the next offset of a partition.

    Raises:
        KafkaException: no answer in time.
    """
    found = consumer.get_watermark_offsets(where, timeout=seconds)
    if found is None:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"the edges of {where.topic} were not told"))
    return found


_NOT_YET = (
    KafkaError.NON_EMPTY_GROUP,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


class Seen(NamedTuple):
    """One record of a topic, as a read_committed reader sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def message(self) -> Message:
        return Codec().decode(self.topic, self.key, self.value, Position(*self[:3]))

    def header(self, name: str) -> bytes | None:
        return dict(self.headers).get(name)


class Log:
    """The topics of a broker, and what groups committed on them."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        # A broker holds an empty fetch for half a second by default; tests ask about empty topics a lot.
        self.cluster = Cluster(bootstrap=bootstrap, kafka={"fetch.wait.max.ms": "20"})
        self.admin = AdminClient(self.cluster.admin())
        self._ends = Admin(self.cluster, timeout_s=PATIENCE_S)
        self.producer = Producer(self.cluster.producer(linger_ms=0))

    def command(self, order_id: int, address: str | None = HOME, **headers: str) -> None:
        """Write a `DispatchProduct`."""
        self.write(DISPATCH_PRODUCTS, DispatchProduct(order_id, address, 1), [*headers.items()])

    def fact(self, order_id: int, address: str = HOME, *, partition: int = -1, **more: Any) -> None:
        """Write an `OrderPlaced`, of epoch 1 unless it says otherwise.

        What is on one partition before a member comes is read at once; of several, some may be read first.
        """
        fields = {"placed_at": now_ms(), "mode_epoch": 1, **more}
        self.write(ORDERS, OrderPlaced(order_id, address, **fields), partition=partition)

    def shadow(self, order_id: int, address: str = HOME) -> None:
        """Write the fact of an order that its command decides."""
        self.fact(order_id, address, shadow_of=(DISPATCH_PRODUCTS,))

    def write(
        self,
        topic: str,
        message: Message,
        headers: Sequence[tuple[str, str | bytes | None]] = (),
        partition: int = -1,
    ) -> None:
        """Write a message; `flush` waits for it."""
        self.raw(topic, encode_key(message[0]), Codec().encode(topic, message), headers, partition)

    def raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, str | bytes | None]] = (),
        partition: int = -1,
    ) -> None:
        """Write bytes as they are; `flush` waits for them."""
        self.producer.produce(topic, value, key, partition=partition, headers=list(headers))
        self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(PATIENCE_S) == 0

    def results(self) -> list[tuple[int, str]]:
        """Order id and type of every result, read_committed, as often as it is there."""
        return [(seen.message[0], type(seen.message).__name__) for seen in self.read(DISPATCH_RESULTS)]

    def read(self, topic: str) -> list[Seen]:
        """Every record of a topic that is committed."""
        self._settle(topic)
        consumer = Consumer(self.cluster.reader())
        partitions = _partitions(topic)
        # Asked to find the beginning itself, librdkafka waits half a second before it asks a leader.
        every = [TopicPartition(topic, n) for n in range(partitions)]
        lows = [edges(consumer, each, PATIENCE_S)[0] for each in every]
        consumer.assign([TopicPartition(topic, n, low) for n, low in enumerate(lows)])
        found: list[Seen] = []
        left, deadline = set(range(partitions)), time.monotonic() + PATIENCE_S
        while left:
            assert time.monotonic() < deadline, f"{topic} does not end"
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                where = message.topic() or "", message.partition() or 0, message.offset() or 0
                headers: Any = message.headers() or []
                found.append(Seen(*where, message.key(), message.value(), headers))
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left.discard(message.partition())  # an end that moves is told again
        consumer.close()
        return sorted(found, key=lambda seen: seen[:3])

    def _settle(self, topic: str) -> None:
        """Let markers come that are on their way: a commit is confirmed before they are written (KIP-98).

        Of a transaction that stays open nothing comes; so this waits for a moment and not for all of them.
        """
        where = [(topic, n) for n in range(_partitions(topic))]
        deadline = time.monotonic() + _SETTLE_S
        while time.monotonic() < deadline:
            if all(each.stable == each.high for each in self._ends.watermarks(where).values()):
                return
            time.sleep(0.01)

    def committed(self, group: str, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """A group's committed offsets."""
        found = self._committed(group, topics)
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    def metadata(self, group: str, topic: str) -> set[str | None]:
        """What travels with a group's committed offsets."""
        return {each.metadata for each in self._committed(group, [topic])}

    def _committed(self, group: str, topics: Sequence[str]) -> list[TopicPartition]:
        consumer = Consumer(self.cluster.reader(group_id=group))
        wanted = [TopicPartition(topic, n) for topic in topics for n in range(6)]

        def told() -> list[TopicPartition] | None:
            # A broker that was started a moment ago may have no coordinator for the group yet.
            try:
                return consumer.committed(wanted, timeout=PATIENCE_S)
            except KafkaException as error:
                if error.args[0].code() not in _NOT_YET:
                    raise
                return None

        try:
            found: list[TopicPartition] = until(told, f"the offsets of {group} are told")
        finally:
            consumer.close()
        return found

    def lag(self, group: str, topics: Sequence[str]) -> int:
        """Offsets, markers included, between what a group committed and the topics' ends."""
        done = self.committed(group, topics)
        return sum(high - done.get(each, low) for each, (low, high) in self.edges(*topics).items())

    def edges(self, *topics: str) -> dict[tuple[str, int], tuple[int, int]]:
        """The lowest and the next offset of every partition."""
        consumer = Consumer(self.cluster.reader())
        found = {}
        try:
            for each in [TopicPartition(topic, n) for topic in topics for n in range(6)]:
                found[each.topic, each.partition] = edges(consumer, each, PATIENCE_S)
        finally:
            consumer.close()
        return found

    def members(self, group: str) -> int:
        """How many members a group has now."""
        try:
            found = self.admin.describe_consumer_groups([group])[group].result(PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            raise
        return len(found.members)

    def empty(self) -> None:
        """Forget every group of ours and every record of its topics."""
        # Asking about a group that never was can take long: its coordinator may not be there yet.
        there = {each.group_id for each in self.admin.list_consumer_groups().result(PATIENCE_S).valid}
        for reaction in REACTIONS:
            if reaction.name in there:
                self.forget_offsets(reaction.name)
        every = [
            TopicPartition(each.name, n, OFFSET_END) for each in all_topics() for n in range(each.partitions)
        ]
        until(lambda: self._emptied(every), "the topics are empty")

    def _emptied(self, ends: list[TopicPartition]) -> bool:
        try:
            for future in self.admin.delete_records(ends).values():
                future.result(PATIENCE_S)
        except KafkaException as error:
            # Topics that were made a moment ago may have no leader yet.
            if not error.args[0].retriable() and error.args[0].code() not in _NOT_YET:
                raise
            return False
        return True

    def forget_offsets(self, group: str) -> None:
        """Delete a group, and with it its committed offsets."""
        until(lambda: self._deleted(group), f"group {group} is deleted")

    def _deleted(self, group: str) -> bool:
        try:
            self.admin.delete_consumer_groups([group])[group].result(PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() in _NOT_YET:
                return False
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise
        return True


def prepare(bootstrap: str) -> None:
    """A broker with every topic of ours, whoever used it before."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    new = [NewTopic(each.name, each.partitions, 1, config=each.config) for each in all_topics()]
    for future in admin.create_topics(new).values():
        try:
            future.result(PATIENCE_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
    for reaction in REACTIONS:
        _forget_members_soon(admin, reaction.name)


def renew(bootstrap: str, topic: str) -> None:
    """A topic of ours whose log begins at offset 0 again, whoever used it before."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([topic])[topic].result(PATIENCE_S)

    def gone() -> bool:
        return topic not in admin.list_topics(timeout=PATIENCE_S).topics

    until(gone, f"{topic} is deleted")
    prepare(bootstrap)


def _forget_members_soon(admin: AdminClient, group: str) -> None:
    """A killed member is out of its group after three seconds, the least that the broker allows."""
    settings = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in (
            ("consumer.session.timeout.ms", "3000"),
            ("consumer.heartbeat.interval.ms", "100"),
        )
    ]
    resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=settings)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(PATIENCE_S)
