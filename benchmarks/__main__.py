"""`python -m benchmarks`: take measurements, print their tables, and write the page if asked to.

I/O: everything that the measurements do; files of reports.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path

from benchmarks.harness.machine import machine
from benchmarks.harness.page import number, page, section
from benchmarks.harness.report import Report, from_json, merge, to_json
from benchmarks.harness.runs import Measurement, Options, Run, rounds_of

NAMES = (
    "ceiling",
    "effects",
    "react",
    "processes",
    "placing",
    "latency",
    "deliveries",
    "relay",
    "startup",
    "silence",
    "memory",
    "growth",
    "reports",
)
"""Every measurement, in the order of the page."""

PROFILE = Path(__file__).with_name("profile.md")
"""A section of the page that no measurement writes: where the time of a record goes."""


def main() -> int:
    """Measure, print, write.

    Returns:
        0, or 1 if a run was void.
    """
    chosen = _arguments()
    names = NAMES if "all" in chosen.names else tuple(dict.fromkeys(chosen.names))
    voids = []
    for name in names:
        report = take(measurement(name), chosen)
        print(section(report, charts=False), flush=True)
        voids += report.voids
        if chosen.write:
            write(chosen.write, [report])
    for line in voids:
        print(f"void: {line}", file=sys.stderr)
    return 1 if voids else 0


def measurement(name: str) -> Measurement:
    """The measurement of that name; its module is imported only now."""
    taken = import_module(f"benchmarks.{name}").MEASUREMENT
    assert isinstance(taken, Measurement)  # noqa: S101 - each module has one
    return taken


def take(taken: Measurement, chosen: argparse.Namespace) -> Report:
    """Run every case of a measurement."""
    options = Options(
        orders=chosen.orders or (taken.quick_orders if chosen.quick else taken.orders),
        rounds=chosen.rounds or (1 if chosen.quick else taken.rounds),
        bootstrap=chosen.bootstrap_servers,
        quick=chosen.quick,
    )
    before = machine(options.bootstrap)
    with closing(taken.cases(options)) as cases:  # type: ignore[type-var]  # a generator
        results = [rounds_of(case, options.rounds, _watch(case.title)) for case in cases]
    return Report(
        name=taken.name,
        title=taken.title,
        text=taken.text,
        orders=options.orders,
        rounds=options.rounds,
        machine=before,
        cases=results,
        quick=options.quick,
    )


def write(folder: Path, newer: Sequence[Report]) -> None:
    """Put reports into a folder of documents: the runs, the charts, and the page anew."""
    from benchmarks.harness.charts import chart  # noqa: PLC0415 - only here is matplotlib needed

    document = folder / "performance.json"
    older = from_json(document.read_text("utf-8")) if document.exists() else []
    reports = merge(older, newer, NAMES)
    (folder / "performance").mkdir(exist_ok=True)
    for report in newer:
        (folder / "performance" / f"{report.name}.svg").write_text(chart(report), "utf-8")
    document.write_text(to_json(reports), "utf-8")
    (folder / "performance.md").write_text(page(reports, PROFILE.read_text("utf-8")), "utf-8")


def _watch(title: str) -> Callable[[str, Run], None]:
    def watch(contestant: str, run: Run) -> None:
        figures = ", ".join(f"{number(value)} {name}" for name, value in run.figures.items())
        void = f"  VOID: {run.completed:,} of {run.expected:,}" if run.void else ""
        print(f"{title}, {contestant}: {figures}{void}", file=sys.stderr, flush=True)

    return watch


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    every = ("all", *NAMES)
    parser.add_argument("names", nargs="+", choices=every, metavar="NAME", help=", ".join(every))
    parser.add_argument("--orders", type=int, help="size of one run")
    parser.add_argument("--rounds", type=int, help="how often each contestant runs")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: shows that it runs")
    parser.add_argument("--bootstrap-servers", help="a cluster of yours without our topics")
    parser.add_argument("--write", type=Path, metavar="DIR", help="where to write performance.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
