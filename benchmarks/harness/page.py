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

What the service costs beside the raw client. `make bench` takes every measurement, writes this page, its
charts and `performance.json`, which has every run. Here stand [what it was measured on](#machine), [the
goals](#goals), [where the time of a record goes](#where-the-time-goes-per-record), and then each
measurement with its tables.

How to read it: contestants take turns, each run is a process of its own, and a run that did not do all of
its work counts nowhere. A figure is the median of its runs, with the lowest and the highest in brackets; a
ratio is taken within each round, and its median is shown. Figures of one machine say little about another
one; ratios say more.
"""
_QUICK = """
**This was a quick run** with tiny sizes and one round: it shows that everything runs, and its figures say
nothing. `make bench` measures.
"""


def page(reports: Sequence[Report], profile: str) -> str:
    """The whole page; measurements that nobody took are not on it.

    Args:
        reports: in the order of the page.
        profile: a section about where the time goes, as Markdown.
    """
    head = _HEAD + (_QUICK if any(report.quick for report in reports) else "")
    paragraphs = ["\n".join([*_wrapped(paragraph), ""]) for paragraph in head.split("\n\n")]
    parts = [*paragraphs, _machines(reports), _goals(reports), profile.strip() + "\n"]
    return "\n".join([*parts, *map(section, reports)]).rstrip() + "\n"


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
    text = f"{_compares(comparison)}: {_value(case, comparison)}"
    return text + ("" if comparison.goal is None else f"; goal {_goal(comparison)}")


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


def _machines(reports: Sequence[Report]) -> str:
    """The machine and the versions, each line with the values that differ between reports."""
    names = list(dict.fromkeys(name for report in reports for name in report.machine))
    lines = ["## Machine", "", "| | |", "|---|---|"]
    for name in names:
        if name not in ("measured at", "commit", "load before"):
            values = dict.fromkeys(report.machine[name] for report in reports if name in report.machine)
            lines.append(f"| {name} | {', or '.join(values)} |")
    return "\n".join([*lines, ""])


def _goals(reports: Sequence[Report]) -> str:
    """Every goal beside what was measured."""
    lines = ["## Goals", "", "| measurement | what | goal | measured | |", "|---|---|---:|---:|---|"]
    for report in reports:
        for case in report.cases:
            for comparison in case.comparisons:
                if comparison.goal is not None:
                    what = f"{case.title}: {_compares(comparison)}"
                    cells = (_goal(comparison), _value(case, comparison), _met_or_missed(case, comparison))
                    lines.append(
                        f"| [{report.title}](#{_anchor(report.title)}) | {what} | {' | '.join(cells)} |"
                    )
    return "\n".join([*lines, ""])


def _met_or_missed(case: CaseResult, comparison: Comparison) -> str:
    spread = compared(case, comparison)
    if spread is None or comparison.goal is None:
        return "no run"
    met = spread.median >= comparison.goal if comparison.more_is_better else spread.median <= comparison.goal
    return "met" if met else "missed"


def _compares(comparison: Comparison) -> str:
    """What is compared, of whom."""
    if not comparison.baseline:
        return f"{comparison.contestant}, {comparison.figure}"
    sign = "less" if comparison.difference else "to"
    return f"{comparison.contestant} {sign} {comparison.baseline}, {comparison.figure}"


def _value(case: CaseResult, comparison: Comparison) -> str:
    return spread_text(compared(case, comparison), ratio=comparison.is_ratio)


def _goal(comparison: Comparison) -> str:
    least = "at least" if comparison.more_is_better else "at most"
    goal = comparison.goal or 0.0
    return f"{least} {goal:.2f}" if comparison.is_ratio else f"{least} {goal:g}"


def _anchor(title: str) -> str:
    """As GitHub names a heading."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _measured(report: Report) -> str:
    size = f"{report.orders:,} orders a run" if report.orders > 1 else "one of each a run"
    rounds = "1 round" if report.rounds == 1 else f"{report.rounds} rounds"
    machine = report.machine
    load = f", load before {machine['load before']}" if "load before" in machine else ""
    return f"Measured at {machine['measured at']}, commit `{machine['commit']}`, {size}, {rounds}{load}."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(re.sub(r"\s+", " ", text), WIDTH, break_long_words=False, break_on_hyphens=False)
