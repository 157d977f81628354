"""Ten times as many orders, and again: what placing, consuming and verifying cost per order, and in memory.

I/O: an embedded broker, the program as child processes.
"""

import json
from collections.abc import Iterator
from functools import partial

from benchmarks.harness.program import world
from benchmarks.harness.runs import Case, Comparison, Measurement, Options, Run

_STEP = 10
_STEPS = 3
_COMMANDS = {
    "load": ("order", "load", "--rate", "0", "--count"),
    "consume": ("consume", "warehouse", "--until-idle", "1"),
    "verify": ("verify", "--json"),
}


def _cases(options: Options) -> Iterator[Case]:
    sizes = [options.orders // _STEP**power for power in reversed(range(2 if options.quick else _STEPS))]
    names = [f"{size:,}" for size in sizes]
    yield Case(
        title="orders",
        contestants={name: partial(_run, size) for name, size in zip(names, sizes, strict=True)},
        comparisons=[
            Comparison(contestant=names[-1], baseline=names[0], figure=f"{step} µs/order", goal=1.15)
            for step in _COMMANDS
        ],
    )


def _run(orders: int) -> Run:
    figures, failed, dispatched = {}, False, 0
    with world() as here:
        for step, arguments in _COMMANDS.items():
            ended = here.run(*arguments, *([str(orders)] if step == "load" else []))
            failed |= ended.code != 0
            figures[f"{step} µs/order"] = ended.seconds * 1e6 / orders
            figures[f"{step} MiB"] = ended.peak_mib
            if step == "verify":
                dispatched = int(json.loads(ended.output)["dispatched"])
    return Run(expected=orders, completed=0 if failed else dispatched, figures=figures)


MEASUREMENT = Measurement(
    name="growth",
    title="Growth",
    text=(
        "The program as a user runs it, each command in a process of its own, start-up included and for"
        " `consume` the second without orders after which it ends, so that few orders cost more each. A"
        " run counts if every command succeeds and `cev verify` finds every order dispatched."
    ),
    cases=_cases,
    orders=1_000_000,
    quick_orders=1_000,
    rounds=1,
)
