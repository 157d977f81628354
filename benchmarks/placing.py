"""Placing in bulk in each mode, beside a loop that encodes and produces the same values.

I/O: Kafka.
"""

import gc
from collections.abc import Iterator
from functools import partial
from itertools import islice
from time import perf_counter

from confluent_kafka import KafkaError, Message

from benchmarks.effects import BY_HAND, OURS, RAW
from benchmarks.harness import kafka
from benchmarks.harness.child import in_child
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from benchmarks.loops import rated
from benchmarks.orders import commands, facts, headers_of, produce, warm_producer
from clients.config import Cluster
from producers.bulk.sample_orders import sample_orders
from producers.mode.change import set_mode
from producers.placing.pending_order import Placed
from producers.placing.placer import OrderPlacer
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.control import Mode
from schemas.errors import OperationFailed
from schemas.facts import OrderPlaced
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

_TOPICS = {
    Mode.COMMAND: (DISPATCH_PRODUCTS,),
    Mode.EVENT: (ORDERS,),
    Mode.SHADOW: (DISPATCH_PRODUCTS, ORDERS),
}
_GOALS = {Mode.COMMAND: 0.90, Mode.EVENT: 0.90, Mode.SHADOW: 0.40}
_FLUSH_S = 60.0


def _cases(options: Options) -> Iterator[Case]:
    with kafka.cluster_of(options.bootstrap) as cluster:
        for mode, topics in _TOPICS.items():
            set_mode(cluster, Codec(), mode, changed_by="benchmarks", why="measured next")
            yield Case(
                title=f"mode {mode}",
                contestants={
                    RAW: partial(
                        _stored, cluster, topics, partial(in_child, _raw, cluster, topics, options.orders)
                    ),
                    BY_HAND: partial(
                        _stored, cluster, topics, partial(in_child, _by_hand, cluster, topics, options.orders)
                    ),
                    OURS: partial(
                        _stored, cluster, topics, partial(in_child, _ours, cluster, options.orders)
                    ),
                },
                comparisons=[
                    Comparison(contestant=OURS, baseline=RAW, figure="orders/s", goal=_GOALS[mode]),
                    Comparison(contestant=OURS, baseline=BY_HAND, figure="orders/s"),
                ],
            )


def _raw(cluster: Cluster, topics: tuple[str, ...], orders: int) -> Run:
    """The values of each topic, without headers, checks and reports; in shadow without transactions."""
    made = _messages(orders, topics)
    codec, producer = Codec(), warm_producer(cluster)
    began = perf_counter()
    for topic, message in made:
        produce(producer, topic, message.order_id, codec.encode(topic, message))
    if producer.flush(_FLUSH_S):
        raise OperationFailed("the broker did not take every record")
    return rated(expected=orders, completed=orders, seconds=perf_counter() - began)


def _by_hand(cluster: Cluster, topics: tuple[str, ...], orders: int) -> Run:
    """The same with the headers of each record and a look at each acknowledgement."""
    made, stored = _messages(orders, topics), 0
    codec, producer = Codec(), warm_producer(cluster)

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        nonlocal stored
        stored += error is None

    began = perf_counter()
    for topic, message in made:
        value, headers = codec.encode(topic, message), headers_of(message)
        produce(producer, topic, message.order_id, value, headers, on_delivery=on_delivery)
    if producer.flush(_FLUSH_S):
        raise OperationFailed("the broker did not take every record")
    seconds = perf_counter() - began
    return rated(expected=orders, completed=stored // len(topics), seconds=seconds)


def _messages(orders: int, topics: tuple[str, ...]) -> list[tuple[str, DispatchProduct | OrderPlaced]]:
    """What a loop writes where, in memory; the garbage collector does not walk it any more."""
    made = [
        (topic, command if topic == DISPATCH_PRODUCTS else fact)
        for command, fact in zip(commands(orders), facts(orders), strict=True)
        for topic in topics
    ]
    gc.freeze()
    return made


def _ours(cluster: Cluster, orders: int) -> Run:
    requests = list(islice(sample_orders(1), orders))
    gc.freeze()
    with OrderPlacer(cluster, Codec()) as placer:
        began = perf_counter()
        placed = sum(isinstance(outcome, Placed) for outcome in placer.place_many(requests))
        return rated(expected=orders, completed=placed, seconds=perf_counter() - began)


def _stored(cluster: Cluster, topics: tuple[str, ...], run: partial[Run]) -> Run:
    """A run; what is on every one of its topics is what it completed."""
    starts = {topic: kafka.ends(cluster, topic) for topic in topics}
    done = run()
    stored = [kafka.completed(kafka.order_ids_since(cluster, starts[topic])) for topic in topics]
    whole = all(count == done.expected for count in stored) and not done.void
    return Run(
        expected=done.expected,
        completed=done.expected if whole else min([done.completed, *stored]),
        figures=done.figures,
    )


MEASUREMENT = Measurement(
    name="placing",
    title="Placing in bulk",
    text=(
        "`OrderPlacer.place_many` over orders in memory, beside a loop that encodes the same values and"
        " produces them with the same client settings, without headers and outcomes. The loop by hand also"
        " makes the headers and counts the acknowledgements; it asks for no order id, no mode and no clock."
        " In shadow neither uses a transaction. Time runs until the last acknowledgement. A run counts if"
        " every order is once on each of its topics."
    ),
    cases=_cases,
    orders=50_000,
    quick_orders=1_000,
)
