"""Orders of one record to the broker: the idempotent producer.

An order is placed when the broker's report says so, not when `send` returns (design §7, point 1). A full
queue is waited out, so memory is bounded. A client that broke for good is replaced; what it still held is
reported as not placed.

I/O: Kafka (writes dispatch_products or orders).
"""

from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Producer

from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import CLIENT_ERRORS, FATAL, MSG_TIMED_OUT, delivery_error
from clients.records import ProducerRecord
from producers.placing.pending_order import PendingOrder

QUEUE_KBYTES = 65_536
"""Most that a producer of orders holds in memory, unless the user says otherwise."""

_QUEUE_WAIT_S = 0.05
_CONNECT_S = 1.0


class Publisher:
    """Sends orders that need no transaction. Thread-safe.

    Args:
        cluster: where to.
        deadline_s: how long a record may wait for its acknowledgement.
        linger_ms: how long the client may gather a batch.
    """

    def __init__(self, cluster: Cluster, *, deadline_s: float, linger_ms: int) -> None:
        self._deadline_s = deadline_s
        self._config = cluster.producer(
            **cluster.unless_set(
                delivery_timeout_ms=int(deadline_s * 1000),
                linger_ms=linger_ms,
                queue_buffering_max_kbytes=QUEUE_KBYTES,
            )
        )
        self._producer = Producer(self._config)

    @property
    def client(self) -> Producer:
        """The client, to ask for metadata."""
        return self._producer

    def connect(self) -> None:
        """Connect before the first order; a broker that does not answer shows in that order.

        Asked for a producer id before a broker is connected, librdkafka waits 500 ms until it asks again
        (rd_kafka_idemp_pid_fsm).
        """
        with suppress(*CLIENT_ERRORS):
            self._producer.list_topics(timeout=_CONNECT_S)

    def send(self, order: PendingOrder) -> None:
        """Hand an order over; its fate shows in the order, at the latest after `poll`."""
        try:
            for record in order.records:
                self._produce(record, order)
        except KafkaException as error:
            reason = error.args[0]
            order.error = delivery_error(order.order_id, reason)
            if reason.fatal() or reason.code() == FATAL:
                self._replace()
        order.records = ()

    def poll(self, seconds: float) -> None:
        """Serve reports that are there, and wait up to that long for one."""
        try:
            self._producer.poll(seconds)
        except CLIENT_ERRORS:
            self._replace()

    def _replace(self) -> None:
        self._producer.purge()
        with suppress(*CLIENT_ERRORS):
            self._producer.poll(0)
        self._producer = Producer(self._config)

    def _produce(self, record: ProducerRecord, order: PendingOrder) -> None:
        try:
            self._try_produce(record, order)
        except BufferError:
            self._produce_when_room(record, order)

    def _produce_when_room(self, record: ProducerRecord, order: PendingOrder) -> None:
        deadline = Deadline(self._deadline_s)
        while not deadline.passed:
            self.poll(_QUEUE_WAIT_S)
            try:
                self._try_produce(record, order)
            except BufferError:
                continue
            return
        raise KafkaException(KafkaError(MSG_TIMED_OUT))

    def _try_produce(self, record: ProducerRecord, order: PendingOrder) -> None:
        self._producer.produce(
            record.topic,
            record.value,
            record.key,
            partition=record.partition,
            headers=record.headers,
            on_delivery=order.reported,
        )
