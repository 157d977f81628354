"""How long commands take from their first moment, as ratios to importing typer.

I/O: an embedded broker, the program as child processes.
"""

import compileall
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks.harness.program import CEV, World, timed, world
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run

_ROOT = Path(__file__).parents[1]
_ROOMS = (
    "broker",
    "cli",
    "clients",
    "consumers",
    "databases",
    "gateway",
    "operations",
    "producers",
    "schemas",
)
_COMPLETION = {"_CEV_COMPLETE": "complete_bash", "COMP_WORDS": "cev consume wa", "COMP_CWORD": "2"}
_BASE = "import typer"
_JOINED = "cev consume, to joined"
_GOALS = {"cev --help": 2.5, "cev order place": 5}


def _cases(_options: Options) -> Iterator[Case]:
    for room in _ROOMS:
        compileall.compile_dir(_ROOT / room, quiet=1)
    with world() as here:
        _join(here)  # makes the store
        contestants: dict[str, Callable[[], float]] = {
            _BASE: lambda: timed([sys.executable, "-c", _BASE], here.environment),
            "cev --help": lambda: timed([CEV, "--help"], here.environment),
            "cev order place --help": lambda: timed([CEV, "order", "place", "--help"], here.environment),
            "cev consume wa<TAB>": lambda: timed([CEV], {**here.environment, **_COMPLETION}),
            "cev order place": lambda: timed(
                [CEV, "order", "place", "--address", "1 Streetford Road"], here.environment
            ),
            _JOINED: lambda: _join(here),
        }
        yield Case(
            title="command",
            contestants={name: partial(_run, measure) for name, measure in contestants.items()},
            comparisons=[
                Comparison(contestant=name, baseline=_BASE, figure="ms", goal=_GOALS.get(name))
                for name in contestants
                if name != _BASE
            ]
            + [Comparison(contestant=_JOINED, figure="ms", goal=1_500)],
        )


def _run(measure: Callable[[], float]) -> Run:
    return Run(expected=1, completed=1, figures={"ms": measure() * 1000})


def _join(here: World) -> float:
    began = perf_counter()
    with here.consuming("sales"):
        return perf_counter() - began


MEASUREMENT = Measurement(
    name="startup",
    title="Start-up",
    text=(
        "Commands from their start to their end, byte code written before, beside a Python that only"
        " imports typer. An order is a real one, on a running broker. A consumer is timed from its start"
        " to the line that says that it has joined its group, with a store that exists; the goal is 1.5 s."
    ),
    cases=_cases,
    orders=1,
    quick_orders=1,
    rounds=5,
)
