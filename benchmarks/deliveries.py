"""Deliveries that take 0 to 5 ms each, by many workers, beside a loop with a pool of threads.

I/O: Kafka, a store.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock

from benchmarks.effects import OURS
from benchmarks.harness import kafka
from benchmarks.harness.child import in_child
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from benchmarks.loops import BatchReader, decoder, order_id_of
from benchmarks.members import consumed
from benchmarks.orders import on_partition_0, write
from benchmarks.stores import databases
from clients.config import Cluster
from consumers.runtime.reaction import Delivery
from schemas.errors import Position
from schemas.topics import ORDERS

_BASELINE = "pool of threads"
_WORKERS = 100
_LONGEST_S = 0.005


class SlowReceiver:
    """A channel whose receiver takes 0 to 5 ms, and remembers what it was handed.

    Attributes:
        keys: every key that was delivered, as often as it was.
        describe: as `Channel` wants it.
    """

    describe = "a receiver of 0 to 5 ms"

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._random = random.Random(1)
        self._lock = Lock()

    def deliver(self, _delivery: Delivery, key: str, _position: Position) -> None:
        """Take the time, remember the key."""
        with self._lock:
            seconds = self._random.uniform(0, _LONGEST_S)
        time.sleep(seconds)
        with self._lock:
            self.keys.append(key)

    def close(self) -> None:
        """Nothing to close."""


def _cases(options: Options) -> Iterator[Case]:
    orders = options.orders
    with databases() as kinds, kafka.cluster_of(options.bootstrap) as cluster:
        write(cluster, ORDERS, on_partition_0(orders))
        yield Case(
            title=f"{_WORKERS} workers, SQLite",
            contestants={
                _BASELINE: partial(in_child, _pool_of_threads, cluster, orders),
                OURS: lambda: _ours(cluster, orders, kinds["SQLite"]()),
            },
            comparisons=[
                Comparison(contestant=OURS, baseline=_BASELINE, figure="orders/s"),
                Comparison(contestant=OURS, figure="seconds", goal=2.1),
            ],
        )


def _pool_of_threads(cluster: Cluster, orders: int) -> Run:
    """Each batch to a pool, wait for all of it, commit: no intention is kept, none is known to be done."""
    reader, decode, receiver = BatchReader(cluster, ORDERS), decoder(ORDERS), SlowReceiver()
    mail, position = Delivery("email", "", "", ""), Position(ORDERS, 0, 0)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for batch in reader.batches(orders):
            for record in batch:
                decode(record.value() or b"")
            tasks = [pool.submit(receiver.deliver, mail, str(order_id_of(r)), position) for r in batch]
            for task in tasks:
                task.result()
            reader.commit(batch, wait=True)
    return _timed(reader.run(expected=orders, completed=kafka.completed(receiver.keys)))


def _ours(cluster: Cluster, orders: int, url: str) -> Run:
    kafka.forget_group(cluster, "notification")
    run: Run = in_child(_consume, cluster, orders, url)
    return run


def _consume(cluster: Cluster, orders: int, url: str) -> Run:
    receiver = SlowReceiver()
    channels = {"email": receiver, "text": SlowReceiver()}
    run = consumed(cluster, "notification", orders, url, channels=channels, workers=_WORKERS)
    completed = min(run.completed, kafka.completed(receiver.keys))
    return _timed(Run(expected=orders, completed=completed, figures=run.figures))


def _timed(run: Run) -> Run:
    seconds = run.expected / run.figures["orders/s"]
    return Run(expected=run.expected, completed=run.completed, figures={"seconds": seconds, **run.figures})


MEASUREMENT = Measurement(
    name="deliveries",
    title="Deliveries",
    text=(
        "One mail for each order on one partition, to a receiver that takes 0 to 5 ms, by 100 workers."
        " Ours stores an intention before and a completion after each delivery, so that a crash repeats"
        " only what was in flight; the pool of threads repeats its batch. Time runs from the assignment of"
        " the partition until the last offset is committed. A run counts if every order's mail was handed"
        " over once. For comparison: Confluent's Parallel Consumer states 2.1 s for 10,000 such records by"
        " key."
    ),
    cases=_cases,
    orders=10_000,
    quick_orders=500,
)
