"""Sales and warehouse with their stores, beside the raw loop and a loop written by hand.

I/O: Kafka, stores.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from benchmarks.harness import kafka
from benchmarks.harness.child import in_child
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from benchmarks.loops import hand_written_loop, raw_loop
from benchmarks.members import consumed
from benchmarks.orders import messages, write
from benchmarks.stores import NewDatabase, databases
from clients.config import Cluster
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS

RAW, BY_HAND, OURS = "raw loop", "loop by hand", "command-event"
_GOALS = {
    ("sales", "SQLite"): (0.50, 0.85),
    ("sales", "PostgreSQL"): (0.30, 0.85),
    ("warehouse", "SQLite"): (0.25, 0.80),
    ("warehouse", "PostgreSQL"): (0.20, 0.80),
}


def _cases(options: Options) -> Iterator[Case]:
    with databases() as kinds:
        for reaction, topic in (("sales", ORDERS), ("warehouse", DISPATCH_PRODUCTS)):
            with kafka.cluster_of(options.bootstrap) as cluster:
                write(cluster, topic, messages(topic, options.orders))
                for kind in kinds:
                    yield _case(_Task(cluster, reaction, topic, options.orders), kind, kinds[kind])


class _Task(NamedTuple):
    cluster: Cluster
    reaction: str
    topic: str
    orders: int


def _case(task: _Task, kind: str, new_database: NewDatabase) -> Case:
    cluster, reaction, topic, orders = task
    beside_raw, beside_hand = _GOALS[reaction, kind]
    return Case(
        title=f"{reaction}, {kind}",
        contestants={
            RAW: lambda: in_child(raw_loop, cluster, topic, orders),
            BY_HAND: lambda: with_results(
                cluster, topic, partial(in_child, hand_written_loop, cluster, topic, orders, new_database())
            ),
            OURS: lambda: with_results(
                cluster, topic, partial(ours, cluster, reaction, orders, new_database())
            ),
        },
        comparisons=(
            Comparison(contestant=OURS, baseline=RAW, figure="orders/s", goal=beside_raw),
            Comparison(contestant=OURS, baseline=BY_HAND, figure="orders/s", goal=beside_hand),
            Comparison(contestant=BY_HAND, baseline=RAW, figure="orders/s"),
            Comparison(contestant=OURS, baseline=RAW, figure="peak MiB", difference=True, goal=60),
        ),
    )


def ours(cluster: Cluster, reaction: str, orders: int, url: str) -> Run:
    """A run of a member that begins at the beginning with a new store."""
    kafka.forget_group(cluster, reaction)
    run: Run = in_child(consumed, cluster, reaction, orders, url)
    return run


def with_results(cluster: Cluster, topic: str, run: partial[Run]) -> Run:
    """A run; where it owes results, those on the log are what it completed."""
    if topic != DISPATCH_PRODUCTS:
        return run()
    starts = kafka.ends(cluster, DISPATCH_RESULTS)
    done = run()
    if done.void:
        return done
    results = kafka.completed(kafka.order_ids_since(cluster, starts))
    return Run(expected=done.expected, completed=results, figures=done.figures)


MEASUREMENT = Measurement(
    name="effects",
    title="Effects",
    text=(
        "A reaction reads orders from the beginning of a topic of six partitions and stores an effect of"
        " each; the warehouse also reports each on `dispatch_results`. Time runs from the assignment of"
        " the partitions until the last offset is committed. A run counts if every order has exactly one"
        " effect, and one result where it owes one. The raw loop reads and decodes batches of up to 2,000"
        " records and commits. The loop by hand also inserts the same rows in bulk, with the same `fsync`,"
        " and produces the results; it knows no duplicate, no retry, no dead letter and no transaction, so"
        " after a crash it does things twice."
    ),
    cases=_cases,
    orders=60_000,
    quick_orders=2_000,
)
