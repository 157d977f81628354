"""The records that contestants read, and the raw producer that writes them.

I/O: Kafka.
"""

from collections.abc import Iterable, Iterator

from confluent_kafka import Producer

from clients.config import Cluster
from clients.partitioner import partition_of
from clients.transactional import OnDelivery
from producers.bulk.sample_orders import sample_orders
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.envelope import Envelope, new_traceparent, to_headers
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.times import now_ms, rfc3339
from schemas.topics import DISPATCH_PRODUCTS, ORDERS, PARTITIONS, dead_letter_topic

_FLUSH_S = 120.0


def facts(count: int) -> Iterator[OrderPlaced]:
    """Orders of one to four items, as `cev order load` places them; their ids are 0 and up."""
    now = now_ms()
    for order_id, request in zip(range(count), sample_orders(1), strict=False):
        yield OrderPlaced(
            order_id,
            request.address,
            now,
            request.customer,
            request.email,
            request.phone,
            items=tuple(request.items),
            mode_epoch=1,
        )


def commands(count: int) -> Iterator[DispatchProduct]:
    """The commands of the same orders."""
    for fact in facts(count):
        yield DispatchProduct(fact.order_id, fact.address, 1)


def messages(topic: str, count: int) -> Iterator[OrderPlaced | DispatchProduct]:
    """Facts or commands, as the topic carries them."""
    return commands(count) if topic == DISPATCH_PRODUCTS else facts(count)


def on_partition_0(count: int) -> Iterator[OrderPlaced]:
    """Facts of orders whose key belongs to partition 0, without a phone: one mail each is owed."""
    order_ids = (number for number in range(count * PARTITIONS * 2) if is_on_0(number))
    for order_id, fact in zip(order_ids, facts(count), strict=False):
        yield fact._replace(order_id=order_id, phone=None)


def is_on_0(order_id: int) -> bool:
    """Whether an order's records go to partition 0."""
    return partition_of(encode_key(order_id), PARTITIONS) == 0


def write(cluster: Cluster, topic: str, records: Iterable[OrderPlaced | DispatchProduct]) -> None:
    """Write records with the headers that a placer gives them, and wait until all are stored.

    Raises:
        SystemExit: the broker did not take them.
    """
    codec, producer = Codec(), Producer(cluster.producer())
    for record in records:
        produce(producer, topic, record.order_id, codec.encode(topic, record), headers_of(record))
    if producer.flush(_FLUSH_S):
        raise SystemExit(f"the broker did not take every record within {_FLUSH_S:g} s")


def warm_producer(cluster: Cluster) -> Producer:
    """A producer that is connected and has its producer id, as ours is when its clock starts.

    A new one stands still for up to a second at its first record. What it writes here lies on a dead-letter
    topic, where nobody counts.

    Raises:
        SystemExit: the broker did not take the record.
    """
    producer = Producer(cluster.producer())
    producer.list_topics(timeout=_FLUSH_S)
    producer.produce(dead_letter_topic("warehouse", ORDERS), b"")
    if producer.flush(_FLUSH_S):
        raise SystemExit(f"the broker took no record within {_FLUSH_S:g} s")
    return producer


def headers_of(record: OrderPlaced | DispatchProduct) -> list[tuple[str, str | bytes | None]]:
    """The headers of a record, as a placer makes them."""
    envelope = Envelope(f"bench-{record.order_id}", f"bench-{record.order_id}", traceparent=new_traceparent())
    return [*to_headers(envelope, record=type(record).__name__, source="benchmarks", at=rfc3339(now_ms()))]


def produce(
    producer: Producer,
    topic: str,
    order_id: int,
    value: bytes,
    headers: list[tuple[str, str | bytes | None]] | None = None,
    *,
    on_delivery: OnDelivery | None = None,
) -> None:
    """Produce one record, waiting while the client's queue is full."""
    while True:
        try:
            producer.produce(
                topic, value, encode_key(order_id), headers=headers or [], on_delivery=on_delivery
            )
        except BufferError:
            producer.poll(0.05)
        else:
            producer.poll(0)
            return
