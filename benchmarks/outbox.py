"""How fast an outbox is relayed, as a ratio to the raw client in the same run on the same broker.

    python benchmarks/outbox.py                          SQLite, 20,000 orders, three rounds
    python benchmarks/outbox.py --url postgresql://…     the same in a database of yours

The raw client produces the same records, read from memory, without transactions. Accepting is measured too:
transactions of a hundred orders each. The outbox is emptied first. Nothing here is asserted.

I/O: an embedded broker in a temporary directory, Kafka, a database.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # re-exported unmarked
from sqlalchemy import Engine, text

from broker import embedded
from clients.config import Cluster
from consumers.registry import all_topics
from producers.bulk.sample_orders import sample_orders
from producers.outbox import Outbox, create
from producers.outbox.batch_publisher import BatchPublisher
from producers.outbox.queue import OutboxQueue
from producers.outbox.record_codec import unpack
from producers.outbox.relay import Relay, RelayStatus
from producers.outbox.tables import engine_of

_TOGETHER = 100


class Round(NamedTuple):
    """Orders per second of the raw loop, of accepting and of relaying."""

    raw: float
    accepted: float
    relayed: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=20_000, help="orders of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--url", help="postgresql://… or sqlite:///…; a new SQLite file if not given")
    chosen = parser.parse_args()
    with _world() as (cluster, folder):
        url = chosen.url or f"sqlite:///{folder / 'shop.sqlite3'}"
        engine = engine_of(url)
        create(engine)
        rounds = [_round(cluster, url, engine, chosen.orders) for _ in range(chosen.rounds)]
        print(f"{chosen.orders} orders a round, {chosen.rounds} rounds, {engine.dialect.name}; ", end="")
        print("orders per second, median (min to max)\n")
        for name, column in zip(Round._fields, zip(*rounds, strict=True), strict=True):
            spread = f"({min(column):,.0f} to {max(column):,.0f})"
            print(f"{name:<10}{statistics.median(column):>10,.0f}   {spread}")
        ratio = statistics.median([done.relayed / done.raw for done in rounds])
        print(f"\nrelayed to raw: {ratio:.2f}")


@contextmanager
def _world() -> Iterator[tuple[Cluster, Path]]:
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as name:
        folder = Path(name)
        try:
            cluster = Cluster(bootstrap=embedded.up(folder / "data", port=0).bootstrap)
            topics = [
                NewTopic(topic.name, topic.partitions, 1, config=topic.config) for topic in all_topics()
            ]
            admin = AdminClient(
                cluster.admin()
            )  # named: a client that nobody holds is gone before it answers
            for future in admin.create_topics(topics).values():
                future.result()
            yield cluster, folder
        finally:
            embedded.down(folder / "data", delete_data=True)


def _round(cluster: Cluster, url: str, engine: Engine, orders: int) -> Round:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM cev_outbox"))
    accepted = _accept(cluster, engine, orders)
    raw = _raw(cluster, engine, orders)
    queue, status = OutboxQueue(url), RelayStatus()
    relay = Relay(
        queue,
        BatchPublisher(cluster, queue.identity()),
        status,
        stopping=lambda: False,
        clean_after_ms=10**9,
        until_idle_s=0,
    )
    began = time.perf_counter()
    relay.run()
    return Round(raw, accepted, status.published / (time.perf_counter() - began))


def _accept(cluster: Cluster, engine: Engine, orders: int) -> float:
    requests = sample_orders(1)
    with Outbox.connect(cluster.bootstrap) as outbox:
        began = time.perf_counter()
        for _ in range(orders // _TOGETHER):
            with engine.begin() as connection:
                for _ in range(_TOGETHER):
                    outbox.add(connection, next(requests))
        return orders / (time.perf_counter() - began)


def _raw(cluster: Cluster, engine: Engine, orders: int) -> float:
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT records FROM cev_outbox")).scalars().all()
    records = [record for row in rows for record in unpack(row)]
    producer = Producer(cluster.producer())
    began = time.perf_counter()
    for record in records:
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, headers=record.headers)
            except BufferError:
                producer.poll(0.05)
            else:
                break
        producer.poll(0)
    producer.flush()
    return orders / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
