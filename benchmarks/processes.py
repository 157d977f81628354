"""How much faster a group reads as several processes: `cev consume sales --processes N`.

I/O: an embedded broker, the program as child processes, SQLite, Kafka.
"""

import time
from collections.abc import Iterator
from functools import partial

from confluent_kafka import Producer

from benchmarks.harness.program import effects_of, world
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from benchmarks.orders import facts, headers_of, produce
from schemas.codec import Codec
from schemas.topics import ORDERS

_GROUP = "sales"
_ONE, _TWO = "1 process", "2 processes"
_LOOK_S = 0.05
_WRITTEN_S = 120.0
_SILENCE_S = 60.0


def _cases(options: Options) -> Iterator[Case]:
    yield Case(
        title=f"{_GROUP}, SQLite",
        contestants={_ONE: partial(_run, 1, options.orders), _TWO: partial(_run, 2, options.orders)},
        comparisons=[Comparison(contestant=_TWO, baseline=_ONE, figure="orders/s")],
    )


def _run(processes: int, orders: int) -> Run:
    """All orders appear at once, by the commit of their transaction, when all processes have joined."""
    with world() as here:
        settings = {"transaction_timeout_ms": int(_WRITTEN_S * 1000)}
        producer = Producer(here.cluster.transactional_producer("bench-processes", **settings))
        producer.init_transactions(_WRITTEN_S)
        producer.begin_transaction()
        codec = Codec()
        for fact in facts(orders):
            produce(producer, ORDERS, fact.order_id, codec.encode(ORDERS, fact), [*headers_of(fact)])
        producer.flush(_WRITTEN_S)
        with here.consuming(_GROUP, "--processes", str(processes), processes=processes):
            producer.commit_transaction(_WRITTEN_S)
            began = heard_at = time.perf_counter()
            done = 0
            while done < orders and time.perf_counter() - heard_at < _SILENCE_S:
                time.sleep(_LOOK_S)
                if (now := effects_of(here, _GROUP)) != done:
                    done, heard_at = now, time.perf_counter()
            seconds = time.perf_counter() - began
    return Run(expected=orders, completed=done, figures={"orders/s": done / seconds})


MEASUREMENT = Measurement(
    name="processes",
    title="Processes",
    text=(
        "`cev consume sales` in one process and, with `--processes 2`, in two, on one store in a SQLite file."
        " All processes have joined before the orders appear, at the commit of one large transaction; from"
        " then on time runs to the last effect in the store. On a machine of two cores, of which the broker"
        " wants one, a second process can show little more than that working together costs no more than it"
        " brings."
    ),
    cases=_cases,
    orders=200_000,
    quick_orders=10_000,
    rounds=2,
)
