"""A client that knows nothing of the program: plain confluent-kafka, and keys unpacked by hand.

I/O: Kafka.
"""

import struct
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from tests.support.kafka.log import edges

_TIMEOUT_S = 20


class Record(NamedTuple):
    """A committed record: its key as a Long, and its value."""

    order_id: int
    value: bytes


def ends(bootstrap: str, topic: str) -> dict[int, int]:
    """Where each partition of a topic ends now."""
    client = _reader(bootstrap)
    try:
        found = client.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        return {number: edges(client, TopicPartition(topic, number), _TIMEOUT_S)[1] for number in found}
    finally:
        client.close()


def committed(bootstrap: str, topic: str, since: dict[int, int]) -> list[Record]:
    """Every committed record from these offsets to the end, as a read_committed client sees them."""
    client = _reader(bootstrap)
    try:
        client.assign([TopicPartition(topic, number, offset) for number, offset in since.items()])
        records: list[Record] = []
        left = set(since)
        while left:
            message = client.poll(_TIMEOUT_S)
            assert message is not None, f"the end of {topic} was not reached in time"
            error = message.error()
            if error is None:
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                assert isinstance(value, bytes)
                records.append(Record(struct.unpack(">q", key)[0], value))
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left.discard(message.partition())
        return records
    finally:
        client.close()


def _reader(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "raw",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
