"""`docs/performance.md` from reports. Pure: text out."""

import re
import textwrap
from collections.abc import Iterator, Sequence

from benchmarks.harness.report import Report
from benchmarks.harness.runs import CaseResult, Comparison, Spread, compared, figure_of

WIDTH = 120
_FEW, _MANY = 10, 100
_HEAD = """\
# Performance

What the service costs beside the raw client, measured by `make bench`, which writes this page; every run is
in `performance.json`. Contestants take turns, each run is a process of its own, and a figure is the median
with the lowest and the highest in brackets. A ratio is taken within each round, and its median is shown.
Figures of a machine say little about another one; ratios say more.
"""


def page(reports: Sequence[Report]) -> str:
    """The whole page; measurements that nobody took are not on it."""
    sections = [section(report) for report in reports]
    return "\n".join([_HEAD, *sections]).rstrip() + "\n"


def section(report: Report, *, charts: bool = True) -> str:
    """One measurement."""
    lines = [f"## {report.title}", "", *_wrapped(report.text), ""]
    if charts:
        lines += [f"![{report.title}](performance/{report.name}.svg)", ""]
    for case in report.cases:
        lines += [*table(case), ""]
    lines += [*(f"Void: {line}." for line in report.voids), *([""] if report.voids else [])]
    lines += [*_wrapped(_measured(report)), ""]
    return "\n".join(lines)


def table(case: CaseResult) -> Iterator[str]:
    """A case: a row per contestant, a column per figure, and what the comparisons say."""
    figures = list(dict.fromkeys(name for runs in case.runs.values() for run in runs for name in run.figures))
    yield f"| {case.title} | {' | '.join(figures)} |"
    yield f"|---{'|---:' * len(figures)}|"
    for contestant, runs in case.runs.items():
        cells = [spread_text(figure_of(runs, figure)) for figure in figures]
        yield f"| {contestant} | {' | '.join(cells)} |"
    if case.comparisons:
        yield ""
    for comparison in case.comparisons:
        yield f"- {comparison_text(case, comparison)}"


def comparison_text(case: CaseResult, comparison: Comparison) -> str:
    """A comparison in one line."""
    unit = comparison.figure
    sign = "less" if comparison.difference else "to"
    text = f"{comparison.contestant} {sign} {comparison.baseline}, {unit}: "
    text += spread_text(compared(case, comparison), ratio=not comparison.difference)
    return text + (f"; goal {comparison.goal}" if comparison.goal else "")


def spread_text(spread: Spread | None, *, ratio: bool = False) -> str:
    """A median with its lowest and highest value; a dash without one."""
    if spread is None:
        return "-"
    median, lowest, highest = (f"{value:.2f}" if ratio else number(value) for value in spread)
    return median if lowest == highest else f"{median} ({lowest} to {highest})"


def number(value: float) -> str:
    """A number with three digits or more, and no more decimals than it needs for that."""
    if abs(value) >= _MANY:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= _FEW else f"{value:.2f}"


def _measured(report: Report) -> str:
    machine = dict(report.machine)
    day, commit = machine.pop("measured at"), machine.pop("commit")
    rest = ", ".join(f"{name} {value}" for name, value in machine.items())
    size = f"{report.orders:,} orders a run" if report.orders else "one of each a run"
    return f"Measured at {day}, commit `{commit}`, {size}, {report.rounds} rounds. {rest}."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(re.sub(r"\s+", " ", text), WIDTH, break_long_words=False, break_on_hyphens=False)
