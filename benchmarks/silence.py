"""How long the first order after a silence takes to its result, beside the order right behind it.

I/O: an embedded broker, the warehouse as a child process, Kafka.
"""

import time
from collections.abc import Iterator

from benchmarks.harness.program import world
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from clients.config import Cluster
from producers import OrderPlacer, OrderRequest
from producers.placing.order_ids import new_order_id
from producers.placing.result_watch import ResultWatch
from schemas.codec import Codec

_ADDRESS = "1 Streetford Road"
_WARM_UP = 3
_RESULT_S = 120.0
_SILENCE_S, _SHORT_S = 12.0, 0.5
_NEXT, _FIRST = "next order", "first order"


def _cases(options: Options) -> Iterator[Case]:
    silence_s = _SHORT_S if options.quick else _SILENCE_S
    with (
        world() as here,
        here.consuming("warehouse"),
        OrderPlacer.connect(here.cluster.bootstrap) as placer,
    ):
        for _ in range(_WARM_UP):
            _order(here.cluster, placer)

        def first() -> Run:
            time.sleep(silence_s)
            return _order(here.cluster, placer)

        def following() -> Run:
            _order(here.cluster, placer)
            return _order(here.cluster, placer)

        yield Case(
            title=f"{silence_s:g} s of silence",
            contestants={_NEXT: following, _FIRST: first},
            comparisons=[Comparison(contestant=_FIRST, baseline=_NEXT, figure="ms", goal=1)],
        )


def _order(cluster: Cluster, placer: OrderPlacer) -> Run:
    """Place an order and wait for its result."""
    order_id = new_order_id()
    with ResultWatch(cluster, Codec(), order_id=order_id, address=_ADDRESS, fresh=True) as watch:
        began = time.perf_counter()
        placer.place(OrderRequest(address=_ADDRESS, order_id=order_id))
        result = watch.wait(_RESULT_S)
        return Run(
            expected=1,
            completed=int(result is not None),
            figures={"ms": (time.perf_counter() - began) * 1000},
        )


MEASUREMENT = Measurement(
    name="silence",
    title="After a silence",
    text=(
        "An order goes all the way: placed, read by a running `cev consume warehouse`, dispatched, its"
        " result read. All clients stay open through the silences."
    ),
    cases=_cases,
    orders=1,
    quick_orders=1,
    rounds=3,
)
