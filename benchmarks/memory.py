"""The memory of a consumer over minutes of a steady stream of orders, beside the raw loop's.

I/O: an embedded broker, the program and the loop as child processes, the operating system's word about them.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread

from benchmarks.effects import OURS, RAW
from benchmarks.harness.child import Child
from benchmarks.harness.program import World, effects_of, world
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run
from benchmarks.loops import raw_loop
from benchmarks.orders import facts, write
from clients.config import Cluster
from producers.bulk.load_generator import paced
from schemas.topics import ORDERS

_PER_S = 5_000
_RAW_SHARE = 6
_LOOK_S = 0.2
_SILENCE_S = 60.0
_FIRST, _REST, _GAINED = "peak MiB, first quarter", "peak MiB, the rest", "MiB gained"


def _cases(options: Options) -> Iterator[Case]:
    minutes = options.orders / _PER_S / 60
    raw_orders = options.orders // _RAW_SHARE
    yield Case(
        title=f"sales, SQLite, {minutes:.1f} minutes",
        contestants={RAW: partial(_raw, raw_orders), OURS: partial(_ours, options.orders)},
        comparisons=[
            Comparison(contestant=OURS, baseline=RAW, figure=_REST, difference=True, goal=60),
            Comparison(contestant=OURS, figure=_GAINED, goal=10),
        ],
    )


def _ours(orders: int) -> Run:
    with world() as here, here.consuming("sales") as process_id:
        return _watched(here, process_id, orders, lambda: effects_of(here, "sales"))


def _raw(orders: int) -> Run:
    with world() as here, Child(_named_raw_loop, here.cluster, orders) as child:
        process_id = child.next()
        done: list[Run] = []
        waiting = Thread(target=lambda: done.append(child.next()))
        waiting.start()
        run = _watched(here, process_id, orders, lambda: done[0].completed if done else 0)
        waiting.join()
        return run


def _named_raw_loop(cluster: Cluster, orders: int) -> Iterator[int | Run]:
    yield os.getpid()
    yield raw_loop(cluster, ORDERS, orders)


def _watched(here: World, process_id: int, orders: int, done: Callable[[], int]) -> Run:
    """Write orders at the steady rate, and look at the memory of who reads them."""
    writing = Thread(target=lambda: write(here.cluster, ORDERS, paced(facts(orders), _PER_S)))
    writing.start()
    samples: list[float] = []
    while writing.is_alive():
        samples.append(resident_mib(process_id))
        time.sleep(_LOOK_S)
    deadline = time.monotonic() + _SILENCE_S
    while done() < orders and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    first, rest = peaks(samples)
    return Run(
        expected=orders,
        completed=done(),
        figures={_REST: rest, _FIRST: first, _GAINED: rest - first, "orders": orders},
    )


def peaks(samples: list[float]) -> tuple[float, float]:
    """The highest of the first quarter of some samples, and of the others."""
    quarter = max(1, len(samples) // 4)
    return max(samples[:quarter]), max(samples[quarter:] or samples)


def resident_mib(process_id: int) -> float:
    """The memory that a process has resident now, in MiB; on Linux alone."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


MEASUREMENT = Measurement(
    name="memory",
    title="Memory",
    text=(
        f"`cev consume sales` reads {_PER_S:,} orders a second and stores their effects, for as long as the"
        f" table says; the raw loop, which keeps the id of every order that it saw, reads for a"
        f" {_RAW_SHARE}th of that. The resident memory is looked at five times a second. It is flat where"
        " the rest of the time needs no more than its first quarter did. A run counts if every order has its"
        " effect."
    ),
    cases=_cases,
    orders=900_000,
    quick_orders=15_000,
    rounds=1,
)
