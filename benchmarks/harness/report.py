"""Reports as JSON and back. Pure.

A report is what one measurement came to: its cases, and the machine that it ran on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.runs import CaseResult, Comparison, Run


@dataclass(frozen=True, kw_only=True)
class Report:
    """One measurement, as it was taken.

    Attributes:
        name, title, text: of the measurement.
        orders, rounds: sizes.
        machine: see `harness.machine`.
        cases: what was measured.
        quick: whether it only shows that it runs: then its figures say nothing.
    """

    name: str
    title: str
    text: str
    orders: int
    rounds: int
    machine: Mapping[str, str]
    cases: Sequence[CaseResult]
    quick: bool = False

    @property
    def voids(self) -> list[str]:
        """A line per void run."""
        return [line for case in self.cases for line in case.voids]


def to_json(reports: Sequence[Report]) -> str:
    """Reports as a JSON document, one per measurement; every run is in it."""
    return json.dumps([asdict(report) for report in reports], indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> list[Report]:
    """The reports of a document that `to_json` wrote."""
    return [_report(document) for document in json.loads(text)]


def merge(reports: Sequence[Report], newer: Sequence[Report], order: Sequence[str]) -> list[Report]:
    """The reports, each replaced by a newer one of its measurement, in the order of these names."""
    by_name = {report.name: report for report in (*reports, *newer)}
    return [by_name[name] for name in order if name in by_name]


def _report(document: dict[str, Any]) -> Report:
    cases = tuple(
        CaseResult(
            title=case["title"],
            runs={name: tuple(Run(**run) for run in runs) for name, runs in case["runs"].items()},
            comparisons=tuple(Comparison(**comparison) for comparison in case["comparisons"]),
        )
        for case in document["cases"]
    )
    return Report(**{**document, "cases": cases})
