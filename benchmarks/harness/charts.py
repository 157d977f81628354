"""Charts of reports, drawn by matplotlib: one SVG per measurement.

I/O: none but what matplotlib reads of itself.
"""

import io
from collections.abc import Sequence
from itertools import cycle

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

from benchmarks.harness.report import Report
from benchmarks.harness.runs import CaseResult, figure_of

_OURS, _OURS_COLOR = "command-event", "#d9822b"
_COLORS = ("#9aa5b1", "#5b7083", "#2f6f9f", "#6b9e5b", "#a05a9c")
_BAR_INCHES, _FRAME_INCHES, _WIDTH_INCHES = 0.28, 1.1, 8.0


def chart(report: Report) -> str:
    """The first figure of every contestant in every case, as bars with the lowest and highest run."""
    mpl.rcParams["svg.hashsalt"] = report.name
    mpl.rcParams["svg.fonttype"] = "none"
    figure_name = _first_figure(report.cases)
    bars = sum(len(case.runs) + 1 for case in report.cases)
    drawing, axes = plt.subplots(figsize=(_WIDTH_INCHES, _FRAME_INCHES + _BAR_INCHES * bars))
    others = dict.fromkeys(name for case in report.cases for name in case.runs if name != _OURS)
    colors = {_OURS: _OURS_COLOR, **dict(zip(others, cycle(_COLORS), strict=False))}
    y, ticks = 0, {}
    for case in report.cases:
        for name, runs in case.runs.items():
            if spread := figure_of(runs, figure_name):
                around = [[spread.median - spread.lowest], [spread.highest - spread.median]]
                axes.barh(y, spread.median, color=colors[name], xerr=around, ecolor="#333333", capsize=2)
            ticks[y] = f"{case.title}: {name}" if len(report.cases) > 1 else name
            y += 1
        y += 1
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(figure_name)
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:,g}")
    many = f"median of {report.rounds} rounds" if report.rounds > 1 else "one round"
    axes.set_title(f"{report.title}: {figure_name}, {many}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    drawing.tight_layout()
    text = io.StringIO()
    drawing.savefig(text, format="svg", metadata={"Date": None})
    plt.close(drawing)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _first_figure(cases: Sequence[CaseResult]) -> str:
    return next(name for case in cases for runs in case.runs.values() for run in runs for name in run.figures)
