"""Accepting orders into an outbox and relaying them, beside a loop that produces the same records.

I/O: Kafka, databases.
"""

from collections.abc import Iterator
from functools import partial
from time import perf_counter

from sqlalchemy import text

from benchmarks.effects import OURS, RAW
from benchmarks.harness import kafka
from benchmarks.harness.child import in_child
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from benchmarks.loops import rated
from benchmarks.orders import warm_producer
from benchmarks.stores import NewDatabase, databases
from clients.config import Cluster
from producers.bulk.sample_orders import sample_orders
from producers.outbox import Outbox, create
from producers.outbox.batch_publisher import BatchPublisher
from producers.outbox.queue import OutboxQueue
from producers.outbox.record_codec import unpack
from producers.outbox.relay import Relay, RelayStatus
from producers.outbox.tables import engine_of
from schemas.errors import OperationFailed
from schemas.topics import DISPATCH_PRODUCTS

_TOGETHER = 100
_FLUSH_S = 60.0
_GOALS = {"SQLite": 0.60}


def _cases(options: Options) -> Iterator[Case]:
    with databases() as kinds, kafka.cluster_of(options.bootstrap) as cluster:
        for kind, new_database in kinds.items():
            yield Case(
                title=kind,
                contestants={
                    RAW: partial(_run, _raw, cluster, new_database, options.orders),
                    OURS: partial(_run, _relayed, cluster, new_database, options.orders),
                },
                comparisons=[
                    Comparison(contestant=OURS, baseline=RAW, figure="orders/s", goal=_GOALS.get(kind))
                ],
            )


def _run(relay: object, cluster: Cluster, new_database: NewDatabase, orders: int) -> Run:
    url = new_database()
    accepted_per_s = in_child(_accept, cluster, url, orders)
    starts = kafka.ends(cluster, DISPATCH_PRODUCTS)
    done: Run = in_child(relay, cluster, url, orders)  # type: ignore[arg-type]  # one of two functions
    on_log = kafka.completed(kafka.order_ids_since(cluster, starts))
    figures = {**done.figures, "accepted orders/s": accepted_per_s}
    return Run(expected=orders, completed=on_log, figures=figures)


def _accept(cluster: Cluster, url: str, orders: int) -> float:
    engine, requests = engine_of(url), sample_orders(1)
    create(engine)
    with Outbox.connect(cluster.bootstrap) as outbox:
        began = perf_counter()
        for first in range(0, orders, _TOGETHER):
            with engine.begin() as connection:
                for _ in range(min(_TOGETHER, orders - first)):
                    outbox.add(connection, next(requests))
        return orders / (perf_counter() - began)


def _relayed(cluster: Cluster, url: str, orders: int) -> Run:
    queue, status = OutboxQueue(url), RelayStatus()
    publisher = _Timed(cluster, queue.identity())
    relay = Relay(
        queue,
        publisher,
        status,
        stopping=lambda: status.published >= orders,
        clean_after_ms=10**9,
        until_idle_s=0,
    )
    relay.run()
    seconds = publisher.ended - publisher.began
    return rated(expected=orders, completed=status.published, seconds=seconds)


class _Timed(BatchPublisher):
    """Notes when it was first ready, as the raw producer is when its clock starts, and when it was closed."""

    began = ended = 0.0

    def claim(self) -> str:
        name = super().claim()
        self.began = self.began or perf_counter()
        return name

    def close(self) -> None:
        self.ended = perf_counter()
        super().close()


def _raw(cluster: Cluster, url: str, orders: int) -> Run:
    with engine_of(url).begin() as connection:
        rows = connection.execute(text("SELECT records FROM cev_outbox")).scalars().all()
    records = [record for row in rows for record in unpack(row)]
    producer = warm_producer(cluster)
    began = perf_counter()
    for record in records:
        while True:
            try:
                producer.produce(record.topic, record.value, record.key, headers=record.headers)
            except BufferError:
                producer.poll(0.05)
            else:
                break
        producer.poll(0)
    if producer.flush(_FLUSH_S):
        raise OperationFailed("the broker did not take every record")
    return rated(expected=orders, completed=orders, seconds=perf_counter() - began)


MEASUREMENT = Measurement(
    name="relay",
    title="Outbox and relay",
    text=(
        "Orders are accepted into an outbox, a hundred in a transaction of the database, and relayed; the"
        " loop beside it produces the same records from memory, without transactions. Time of both runs from"
        " when they are connected, of the relay until every row is marked as published. A run counts if every"
        " order is on its topic once."
    ),
    cases=_cases,
    orders=10_000,
    quick_orders=1_000,
)
