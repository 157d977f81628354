"""Consuming and reacting without effects, beside the raw loop and beside peers that hand over typed values.

I/O: Kafka, a store that keeps nothing but progress.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec

from benchmarks.effects import OURS, RAW
from benchmarks.harness import kafka
from benchmarks.harness.child import in_child
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from benchmarks.loops import raw_loop
from benchmarks.members import consumed
from benchmarks.orders import facts, write
from benchmarks.stores import databases
from clients.config import Cluster
from consumers.registry import named
from consumers.runtime.reaction import Context
from schemas.facts import Fact, OrderPlaced
from schemas.topics import ORDERS


def _cases(options: Options) -> Iterator[Case]:
    orders = options.orders
    with databases() as kinds, kafka.cluster_of(options.bootstrap) as cluster:
        write(cluster, ORDERS, facts(orders))
        contestants: dict[str, Callable[[], Run]] = {
            RAW: lambda: in_child(raw_loop, cluster, ORDERS, orders),
            OURS: lambda: _ours(cluster, orders, kinds["SQLite"]()),
        }
        if find_spec("faststream") and find_spec("aiokafka"):
            from benchmarks import peers  # noqa: PLC0415 - only the environment of `make bench` has them

            contestants |= {
                "aiokafka, batches": lambda: in_child(peers.aiokafka_loop, cluster, orders),
                "FastStream, batches": lambda: in_child(peers.faststream_batches, cluster, orders),
                "FastStream, one by one": lambda: in_child(peers.faststream_single, cluster, orders),
            }
        others = [name for name in contestants if name != RAW]
        yield Case(
            title="facts, no effects",
            contestants=contestants,
            comparisons=[
                Comparison(
                    contestant=name, baseline=RAW, figure="orders/s", goal=0.85 if name == OURS else None
                )
                for name in others
            ],
        )


def _ours(cluster: Cluster, orders: int, url: str) -> Run:
    kafka.forget_group(cluster, "sales")
    run: Run = in_child(_consume, cluster, orders, url)
    return run


def _consume(cluster: Cluster, orders: int, url: str) -> Run:
    reacted: set[int] = set()

    def react(message: OrderPlaced, _context: Context) -> Sequence[Fact]:
        reacted.add(message.order_id)
        return []

    reaction = replace(named("sales"), react=react)
    return consumed(cluster, reaction, orders, url, done=lambda status: len(reacted) * status.at_end)


MEASUREMENT = Measurement(
    name="react",
    title="Consume and react",
    text=(
        "A reaction that records no effect, so that the store keeps progress alone, beside the raw loop"
        " and peers. All decode the same Avro values with fastavro; ours, and FastStream by Pydantic, hand"
        " a checked value of a type to the handler; aiokafka and the raw loop hand over a dictionary. Time"
        " runs from the assignment of the partitions until every order was handled and, but for"
        " FastStream, the last offset is committed. Quix Streams asks for an older client than ours and"
        " Faust cannot be built, so both are missing."
    ),
    cases=_cases,
    orders=60_000,
    quick_orders=1_000,
)
