"""What a measurement is, and what comes of it: runs, rounds, medians and ratios."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one contestant.

    Attributes:
        expected, completed: pieces of work that it had to do, and that were seen to be done.
        figures: what was measured, by name and unit, such as `orders/s`.
    """

    expected: int
    completed: int
    figures: Mapping[str, float]

    @property
    def void(self) -> bool:
        """Whether it did less than its work, or more: then its figures say nothing."""
        return self.completed != self.expected


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two contestants to compare, round by round, or the figure of one.

    Attributes:
        contestant, baseline: their names; without a baseline the figure itself is meant.
        figure: what of them.
        goal: the number that we want; None without a goal.
        difference: subtract the baseline instead of dividing by it.
    """

    contestant: str
    baseline: str = ""
    figure: str
    goal: float | None = None
    difference: bool = False

    @property
    def more_is_better(self) -> bool:
        """Whether the goal is the least that we want: so of rates, and of times and sizes it is the most."""
        return self.figure.endswith("/s")

    @property
    def is_ratio(self) -> bool:
        """Whether it is a quotient of two figures."""
        return bool(self.baseline) and not self.difference


@dataclass(frozen=True, kw_only=True)
class Case:
    """One table of a measurement.

    Attributes:
        title: what is the same for all contestants.
        contestants: by name, in the order of the table; each call is one run.
        comparisons: what to say below the table.
    """

    title: str
    contestants: Mapping[str, Callable[[], Run]]
    comparisons: Sequence[Comparison] = ()


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may choose.

    Attributes:
        orders: size of one run.
        rounds: how often each contestant runs.
        bootstrap: an empty cluster of the user's; None starts an embedded one.
        quick: leave out what takes long whatever the size.
    """

    orders: int
    rounds: int
    bootstrap: str | None = None
    quick: bool = False


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One file of this folder.

    Attributes:
        name: what the command line calls it.
        title: its heading.
        text: what is measured, from when to when, and what counts as done.
        cases: yields the cases; each runs before the next one is asked for.
        orders, quick_orders: sizes of one run.
        rounds: how often each contestant runs.
    """

    name: str
    title: str
    text: str
    cases: Callable[[Options], Iterator[Case]]
    orders: int
    quick_orders: int
    rounds: int = 3


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """The runs of a case: per contestant one run of each round."""

    title: str
    runs: Mapping[str, Sequence[Run]]
    comparisons: Sequence[Comparison] = field(default=())

    @property
    def voids(self) -> list[str]:
        """A line per void run."""
        return [
            f"{self.title}, {contestant}: {run.completed:,} of {run.expected:,}"
            for contestant, runs in self.runs.items()
            for run in runs
            if run.void
        ]


class Spread(NamedTuple):
    """A median, and how far the values lie apart."""

    median: float
    lowest: float
    highest: float


def rounds_of(case: Case, rounds: int, watch: Callable[[str, Run], None]) -> CaseResult:
    """Run a case: the contestants take turns, and each round begins with another one.

    Args:
        case: what to run.
        rounds: how often.
        watch: told of every run, with the contestant's name.
    """
    runs: dict[str, list[Run]] = {name: [] for name in case.contestants}
    for number in range(rounds):
        for name in turns(list(case.contestants), number):
            run = case.contestants[name]()
            runs[name].append(run)
            watch(name, run)
    return CaseResult(title=case.title, runs=runs, comparisons=case.comparisons)


def turns(names: Sequence[str], number: int) -> list[str]:
    """The order of a round: the first of one round is the last of the next."""
    first = number % len(names)
    return [*names[first:], *names[:first]]


def spread_of(values: Sequence[float]) -> Spread | None:
    """Median, lowest and highest; None without a value."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def figure_of(runs: Sequence[Run], figure: str) -> Spread | None:
    """One figure over the runs that are not void; None if no run has it."""
    return spread_of([run.figures[figure] for run in runs if not run.void and figure in run.figures])


def compared(result: CaseResult, comparison: Comparison) -> Spread | None:
    """A comparison over the rounds in which both runs are whole; None without such a round."""
    if not comparison.baseline:
        return figure_of(result.runs[comparison.contestant], comparison.figure)
    pairs = zip(result.runs[comparison.contestant], result.runs[comparison.baseline], strict=True)
    values = [
        ours.figures[comparison.figure] - base.figures[comparison.figure]
        if comparison.difference
        else ours.figures[comparison.figure] / base.figures[comparison.figure]
        for ours, base in pairs
        if not ours.void and not base.void
    ]
    return spread_of(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank).

    Args:
        values: at least one.
        share: above 0, at most 1.
    """
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
