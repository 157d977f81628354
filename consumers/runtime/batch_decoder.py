"""Polled bytes become messages; what lies behind an unknown schema is left alone (invariant 9).

I/O: the schema registry, the store's alarms and Kafka (a pause), through what it is given.
"""

from consumers.runtime.assigned import AssignedPartitions
from consumers.runtime.batch import Batch
from consumers.runtime.decoding import decode
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.records import Item, Partition, is_from
from consumers.runtime.resources import Resources


class BatchDecoder:
    """Decodes batches, for as long as one consumer lives.

    Args:
        resources: see `Resources`.
        consumer: where the batches come from; partitions are paused there.
        assigned: what is known of its partitions; what is to be read again is let go of.
    """

    def __init__(self, resources: Resources, consumer: GroupConsumer, assigned: AssignedPartitions) -> None:
        self._codec = resources.codec
        self._schema_retry_s = resources.config.schema_retry_s
        self._unknown_schemas = resources.failures.unknown_schemas
        self._events = resources.events
        self._consumer = consumer
        self._assigned = assigned

    def decode(self, batch: Batch) -> None:
        """Decode what was polled, once.

        Raises:
            RegistryUnreachable: a schema id is new and the registry did not answer.
        """
        if batch.items is not None:
            return
        items = decode(self._codec, batch.polled.records, batch.polled.broken)
        paused = self._pause(items)
        if paused:
            items = [item for item in items if not is_from(item.record.position, paused)]
        batch.items = items
        batch.next_offsets = batch.polled.next_offsets() | paused

    def _pause(self, items: list[Item]) -> dict[Partition, int]:
        """Pause partitions at unknown schemas, each where it is read again then, and let others go on."""
        pauses, resumed = self._unknown_schemas.inspect(items, self._assigned.waiting.items())
        offsets = {partition: pause.offset for partition, pause in pauses.items()}
        self._assigned.rewind(offsets)
        for partition, pause in pauses.items():
            self._consumer.pause_until(partition, pause.offset, self._schema_retry_s)
            self._events.paused(partition, pause.offset, pause.reason)
        for partition in resumed:
            self._events.resumed(partition)
        return offsets
