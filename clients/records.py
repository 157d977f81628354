"""A record on its way to Kafka. Pure."""

from typing import NamedTuple

ANY_PARTITION = -1
"""Leaves the choice to the producer's partitioner (librdkafka's `RD_KAFKA_PARTITION_UA`)."""


class ProducerRecord(NamedTuple):
    """A record to write, as bytes.

    Attributes:
        topic: where to.
        key, value: bytes of the wire; None is Kafka's null.
        headers: names and values, in order; a name may occur more than once.
        partition: which one, or `ANY_PARTITION`.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]
    partition: int = ANY_PARTITION
