"""How fast, as a ratio to the raw client in the same run on the same broker.

    make bench                      both measurements, three rounds each
    python benchmarks/throughput.py --orders 50000 --rounds 5

A figure of one run says little on a busy machine; the ratio holds better, because both halves of a round run
one after the other. Nothing here is asserted.

I/O: an embedded broker in a temporary directory, and Kafka.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # re-exported unmarked

from broker import embedded
from clients.config import Cluster
from consumers.registry import all_topics, named
from consumers.runtime.config import MemberConfig
from consumers.runtime.member import Member
from consumers.runtime.status import MemberStatus
from databases.address import StoreAddress
from producers.bulk.sample_orders import sample_orders
from producers.placing.pending_order import Placed
from producers.placing.placer import OrderPlacer
from schemas import topics
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import Position
from schemas.facts import Item, OrderPlaced
from schemas.framing import decode_key, encode_key

_POLL_S = 5.0
_IDLE_S = 0.5


class Round(NamedTuple):
    """Records per second of the raw loop and of ours."""

    raw: float
    ours: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=30_000, help="orders of one round")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(f"{chosen.orders} orders a round, {chosen.rounds} rounds; orders per second, median (min to max)\n")
    print(f"{'':<44}{'raw client':>12}{'command-event':>16}{'ratio':>8}")
    for name, measure in (
        ("place in bulk, command", placing),
        (
            "consume commands, dispatch, report results",
            lambda c, n: consuming(c, n, "warehouse", topics.DISPATCH_PRODUCTS),
        ),
        ("consume facts, count sales", lambda c, n: consuming(c, n, "sales", topics.ORDERS)),
    ):
        rounds = [_fresh(measure, chosen.orders) for _ in range(chosen.rounds)]
        _show(name, rounds)


def _show(name: str, rounds: list[Round]) -> None:
    ratios = [done.ours / done.raw for done in rounds]
    raw, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    print(f"{name:<44}{raw:>12,.0f}{ours:>16,.0f}   {spread}")


def _fresh(measure: Callable[[Cluster, int], Round], orders: int) -> Round:
    with _cluster() as cluster:
        return measure(cluster, orders)


@contextmanager
def _cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as folder:
        world = embedded.up(Path(folder) / "data", port=0)
        try:
            cluster = Cluster(bootstrap=world.bootstrap)
            admin = AdminClient(cluster.admin())
            made = admin.create_topics(
                [NewTopic(topic.name, topic.partitions, 1, config=topic.config) for topic in all_topics()]
            )
            for future in made.values():
                future.result()
            yield cluster
        finally:
            embedded.down(Path(folder) / "data", delete_data=True)


def placing(cluster: Cluster, orders: int) -> Round:
    """Bulk placing, against a loop that encodes and produces the same values without checks or reports."""
    requests = [request for request, _ in zip(sample_orders(1), range(orders), strict=False)]
    codec, producer = Codec(), Producer(cluster.producer())
    began = time.perf_counter()
    for number, request in enumerate(requests):
        value = codec.encode(topics.DISPATCH_PRODUCTS, DispatchProduct(number, request.address))
        _produce(producer, topics.DISPATCH_PRODUCTS, value, number)
    producer.flush()
    raw = orders / (time.perf_counter() - began)
    placer = OrderPlacer(cluster, Codec())
    with placer:
        began = time.perf_counter()
        placed = sum(isinstance(outcome, Placed) for outcome in placer.place_many(requests))
        ours = placed / (time.perf_counter() - began)
    return Round(raw, ours)


def consuming(cluster: Cluster, orders: int, reaction: str, topic: str) -> Round:
    """A reaction with its store, against a loop that consumes and decodes the same records."""
    codec, producer = Codec(), Producer(cluster.producer())
    for number in range(orders):
        _produce(producer, topic, codec.encode(topic, _message(topic, number)), number)
    producer.flush()
    raw = _raw_loop(cluster, topic, orders)
    stopping, status = threading.Event(), MemberStatus(reaction)
    with tempfile.TemporaryDirectory(prefix="cev-bench-") as folder:
        member = Member(
            replace(named(reaction)),
            cluster=cluster,
            codec=Codec(),
            store=StoreAddress(f"sqlite:///{folder}/store.sqlite3", reaction),
            channels={},
            config=MemberConfig(),
            status=status,
            stopping=stopping,
        )
        thread = threading.Thread(target=member.run)
        thread.start()
        while not status.joined or not status.effects:
            stopping.wait(0.005)
        first, began = status.effects, time.perf_counter()
        while status.effects < orders:
            stopping.wait(0.005)
        ours = (orders - first) / (time.perf_counter() - began)
        stopping.set()
        thread.join()
    return Round(raw, ours)


def _message(topic: str, number: int) -> DispatchProduct | OrderPlaced:
    address = f"{number} Streetford Road"
    if topic == topics.DISPATCH_PRODUCTS:
        return DispatchProduct(number, address, 1)
    return OrderPlaced(
        number,
        address,
        1_700_000_000_000,
        "Ada",
        "ada@example.com",
        items=(Item("kettle", 1, 3499),),
        mode_epoch=1,
    )


def _produce(producer: Producer, topic: str, value: bytes, number: int) -> None:
    while True:
        try:
            producer.produce(topic, value, encode_key(number))
        except BufferError:
            producer.poll(0.05)
        else:
            producer.poll(0)
            return


def _raw_loop(cluster: Cluster, topic: str, orders: int) -> float:
    codec, consumer = Codec(), Consumer(cluster.reader())
    consumer.assign([TopicPartition(topic, number, 0) for number in range(topics.PARTITIONS)])
    seen, began, before = 0, 0.0, 0
    while seen < orders:
        message = consumer.poll(_POLL_S)
        batch = [] if message is None else [message, *consumer.consume(1999, 0)]
        for record in batch:
            error = record.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's local code
                    raise SystemExit(f"raw loop: {error}")
                continue
            key, value = record.key(), record.value()
            position = Position(topic, record.partition() or 0, record.offset() or 0)
            codec.decode(topic, key, value, position)
            decode_key(key, position)
            seen += 1
        if not began and seen:
            began, before = time.perf_counter(), seen
    consumer.close()
    return (orders - before) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
