"""Reading topics from somewhere to their end as it was at the start of the reading, and no further.

Promises: read_committed; `assign()` only, so no group is joined and nothing is committed; constant memory;
ends although others keep writing; a reading that makes no progress for half a minute is `BrokerUnreachable`.
A record that the client cannot hand over appears without key and value, so that no reader skips it
unnoticed.

I/O: Kafka (one consumer per reading).
"""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from clients.admin import Partition, Watermarks
from clients.config import Cluster
from clients.errors import AUTO_OFFSET_RESET, PARTITION_EOF, headers_of, unreachable
from schemas.envelope import Headers
from schemas.errors import OperationFailed, Position

STALL_S = 30.0
_POLL_S = 0.2
_BATCH = 2_000
_BROKEN = (KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION)  # noqa: SLF001 - librdkafka's local codes


class LogRecord(NamedTuple):
    """One record as it lies on its topic; `timestamp` in ms since the epoch, UTC."""

    position: Position
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def scan(
    cluster: Cluster,
    watermarks: Mapping[Partition, Watermarks],
    *,
    starts: Mapping[Partition, int] | None = None,
    stall_s: float = STALL_S,
) -> Generator[LogRecord, None, None]:
    """Every committed record between the watermarks; in order within a partition.

    Args:
        cluster: where.
        watermarks: the partitions to read, and where they begin and end.
        starts: first offsets, where they are not the partitions' beginnings.
        stall_s: longest time without progress.

    Raises:
        BrokerUnreachable: no progress for `stall_s`.
        OperationFailed: records were deleted while they were read.
    """
    begin = {
        partition: max(marks.low, (starts or {}).get(partition, marks.low))
        for partition, marks in watermarks.items()
    }
    open_ends = {
        partition: marks.stable for partition, marks in watermarks.items() if begin[partition] < marks.stable
    }
    if not open_ends:
        return
    with _assigned(cluster, {partition: begin[partition] for partition in open_ends}) as consumer:
        for message in _messages(consumer, cluster, stall_s):
            partition, record = _from_message(message)
            if partition not in open_ends:
                continue
            if record is not None and record.position.offset < open_ends[partition]:
                yield record
            if record is None or record.position.offset >= open_ends[partition] - 1:
                del open_ends[partition]
                if not open_ends:
                    return
                consumer.incremental_unassign([TopicPartition(*partition)])


def first_records(
    cluster: Cluster, starts: Mapping[Partition, int], *, stall_s: float = STALL_S
) -> dict[Partition, LogRecord | None]:
    """The first record at or after an offset, per partition; None where only transaction markers follow.

    Raises:
        BrokerUnreachable: no progress for `stall_s`.
        OperationFailed: an offset lies outside its log.
    """
    records: dict[Partition, LogRecord | None] = {}
    if not starts:
        return records
    # One record of each is enough: a broker sends at least one batch, however small the limit.
    one = cluster.unless_set(queued_min_messages=1, fetch_message_max_bytes=1_024)
    with _assigned(cluster, starts, **one) as consumer:
        for message in _messages(consumer, cluster, stall_s):
            partition, record = _from_message(message)
            records.setdefault(partition, record)
            if len(records) == len(starts):
                break
    return records


@contextmanager
def _assigned(cluster: Cluster, starts: Mapping[Partition, int], **more: Any) -> Iterator[Consumer]:
    # The broker holds a question at the end of a log open for this long: short, as every end is waited for.
    consumer = Consumer(cluster.reader(**{"fetch.wait.max.ms": 100}, **more))
    try:
        consumer.incremental_assign(
            [TopicPartition(*partition, offset) for partition, offset in starts.items()]
        )
        yield consumer
    finally:
        consumer.close()


def _messages(consumer: Consumer, cluster: Cluster, stall_s: float) -> Iterator[Message]:
    deadline = time.monotonic() + stall_s
    while True:
        # A poll waits for the first record; `consume` would wait for a full batch.
        first = consumer.poll(_POLL_S)
        if first is None:
            if time.monotonic() > deadline:
                raise unreachable(cluster.bootstrap, stall_s)
            continue
        for message in [first, *consumer.consume(_BATCH, 0)]:
            error = message.error()
            if error is None or error.code() == PARTITION_EOF or error.code() in _BROKEN:
                yield message
                # After the yield: time that the caller takes with a record is no silence of the broker.
                deadline = time.monotonic() + stall_s
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise OperationFailed(
                    f"{message.topic()} may not be read by this user ({error.str()}): the cluster's access "
                    "rules (ACLs) decide"
                )
            elif error.code() == AUTO_OFFSET_RESET:
                raise OperationFailed(
                    f"{message.topic()}: records were deleted while they were read ({error.str()})"
                )


def _from_message(message: Message) -> tuple[Partition, LogRecord | None]:
    """A message's partition, and its record; None is the end of the partition."""
    position = Position(message.topic() or "", message.partition() or 0, message.offset() or 0)
    error = message.error()
    if error is None:
        record = LogRecord(
            position, message.timestamp()[1], message.key(), message.value(), headers_of(message) or ()
        )
        return position.topic_partition, record
    if error.code() == PARTITION_EOF:
        return position.topic_partition, None
    return position.topic_partition, LogRecord(position, 0, None, None, ())
