"""Other Python libraries that consume from Kafka, each used as its documentation shows, on the same facts.

Only the environment of `make bench` has them.

I/O: Kafka.
"""

import asyncio
import time
import uuid
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from faststream import FastStream
from faststream.confluent import KafkaBroker, TopicPartition
from pydantic import BaseModel

from benchmarks.harness.runs import Run
from benchmarks.loops import BATCH, decoder, rated
from clients.config import Cluster
from schemas.topics import ORDERS, PARTITIONS

_SILENCE_S = 60.0


class PlacedItem(BaseModel):
    """A line of an order, as FastStream hands it over."""

    product: str
    quantity: int
    unit_price_cents: int


class PlacedOrder(BaseModel):
    """An order, as FastStream hands it over."""

    order_id: int
    address: str
    placed_at: int
    customer: str | None
    email: str | None
    phone: str | None
    currency: str
    items: list[PlacedItem]


def aiokafka_loop(cluster: Cluster, orders: int) -> Run:
    """`getmany`, decode, commit."""
    return asyncio.run(_aiokafka(cluster, orders))


async def _aiokafka(cluster: Cluster, orders: int) -> Run:
    decode, began = decoder(ORDERS), [0.0]
    order_ids: set[int] = set()

    class Watch(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped where the library is missing
        """Notes when partitions were assigned."""

        def on_partitions_revoked(self, revoked: Any) -> None:
            """Nothing to do."""

        def on_partitions_assigned(self, assigned: Any) -> None:
            """The first assignment starts the clock."""
            if assigned and not began[0]:
                began[0] = time.perf_counter()

    consumer = AIOKafkaConsumer(
        bootstrap_servers=cluster.bootstrap,
        group_id=f"bench-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
    )
    consumer.subscribe([ORDERS], listener=Watch())
    await consumer.start()
    try:
        while len(order_ids) < orders:
            batches = await consumer.getmany(timeout_ms=100, max_records=BATCH)
            for records in batches.values():
                for record in records:
                    order_ids.add(decode(record.value)["order_id"])
            if batches:
                await consumer.commit()
        seconds = time.perf_counter() - began[0]
    finally:
        await consumer.stop()
    return rated(expected=orders, completed=len(order_ids), seconds=seconds)


def faststream_batches(cluster: Cluster, orders: int) -> Run:
    """A subscriber of batches."""
    return asyncio.run(_faststream(cluster, orders, batch=True))


def faststream_single(cluster: Cluster, orders: int) -> Run:
    """A subscriber of single records."""
    return asyncio.run(_faststream(cluster, orders, batch=False))


async def _faststream(cluster: Cluster, orders: int, *, batch: bool) -> Run:
    """Partitions are assigned by hand, so time runs from the start of the subscriber."""
    decode, order_ids, done = decoder(ORDERS), set(), asyncio.Event()
    broker = KafkaBroker(cluster.bootstrap, logger=None)
    settings: dict[str, Any] = {
        "partitions": [TopicPartition(ORDERS, number, 0) for number in range(PARTITIONS)],
        "group_id": f"bench-{uuid.uuid4().hex}",
        "auto_offset_reset": "earliest",
    }

    def seen(order: PlacedOrder) -> None:
        order_ids.add(order.order_id)
        if len(order_ids) == orders:
            done.set()

    if batch:

        async def decode_batch(message: Any) -> list[dict[str, Any]]:
            return [decode(body) for body in message.body]

        @broker.subscriber(batch=True, max_records=BATCH, decoder=decode_batch, **settings)  # type: ignore[untyped-decorator]  # as above
        async def batches(placed: list[PlacedOrder]) -> None:
            for order in placed:
                seen(order)

    else:

        async def decode_one(message: Any) -> dict[str, Any]:
            return decode(message.body)

        @broker.subscriber(decoder=decode_one, **settings)  # type: ignore[untyped-decorator]  # as above
        async def single(placed: PlacedOrder) -> None:
            seen(placed)

    app = FastStream(broker, logger=None)
    began = time.perf_counter()
    running = asyncio.create_task(app.run())
    with suppress(TimeoutError):
        await asyncio.wait_for(done.wait(), _SILENCE_S + orders / 500)
    seconds = time.perf_counter() - began
    app.exit()
    await running
    return rated(expected=orders, completed=len(order_ids), seconds=seconds)
