"""What the benchmarks compute from their runs. How fast anything is, no test says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from benchmarks import ceiling, memory
from benchmarks.__main__ import NAMES, measurement
from benchmarks.harness.child import ChildFailed, in_child, peak_mib
from benchmarks.harness.kafka import completed
from benchmarks.harness.page import comparison_text, number, page, table
from benchmarks.harness.report import Report, from_json, merge, to_json
from benchmarks.harness.runs import (
    Case,
    CaseResult,
    Comparison,
    Run,
    Spread,
    compared,
    figure_of,
    percentile,
    rounds_of,
)

PER_S = "orders/s"
OURS_TO_RAW = Comparison(contestant="ours", baseline="raw", figure=PER_S, goal=0.5)


def run(rate: float, *, expected: int = 10, completed: int = 10) -> Run:
    return Run(expected=expected, completed=completed, figures={PER_S: rate})


def result(raw: Sequence[Run], ours: Sequence[Run], *comparisons: Comparison) -> CaseResult:
    return CaseResult(title="sales", runs={"raw": tuple(raw), "ours": tuple(ours)}, comparisons=comparisons)


def report(name: str, *cases: CaseResult, machine: Mapping[str, str] | None = None) -> Report:
    noted = {"measured at": "2026-01-01 10:00 UTC", "commit": "abc", "cores": "2", **(machine or {})}
    return Report(
        name=name, title=name.title(), text="What.", orders=10, rounds=3, machine=noted, cases=cases
    )


# -- rounds ------------------------------------------------------------------------------------------------


def test_contestants_take_turns_and_each_round_begins_with_another_one() -> None:
    order: list[str] = []

    def contestant(name: str) -> Run:
        order.append(name)
        return run(1)

    case = Case(title="t", contestants={name: lambda name=name: contestant(name) for name in "abc"})  # type: ignore[misc]  # bound now
    results = rounds_of(case, 3, lambda _name, _run: None)
    assert "".join(order) == "abc" + "bca" + "cab"
    assert {name: len(runs) for name, runs in results.runs.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_ratio_is_taken_within_each_round_and_its_median_counts() -> None:
    # The medians alone would say 20 to 100.
    case = result([run(100), run(50), run(200)], [run(10), run(25), run(20)])
    assert compared(case, OURS_TO_RAW) == Spread(0.1, 0.1, 0.5)


def test_a_difference_is_taken_within_each_round_too() -> None:
    difference = Comparison(contestant="ours", baseline="raw", figure=PER_S, difference=True)
    case = result([run(100), run(50), run(200)], [run(101), run(60), run(203)])
    assert compared(case, difference) == Spread(3, 1, 10)


@pytest.mark.parametrize("done", [9, 11])
def test_a_run_that_did_less_or_more_than_its_work_counts_nowhere_and_is_named(done: int) -> None:
    case = result([run(100), run(100)], [run(50), run(1_000, completed=done)], OURS_TO_RAW)
    assert figure_of(case.runs["ours"], PER_S) == Spread(50, 50, 50)
    assert compared(case, OURS_TO_RAW) == Spread(0.5, 0.5, 0.5)
    assert case.voids == [f"sales, ours: {done} of 10"]


def test_where_no_run_is_whole_there_is_no_figure() -> None:
    case = result([run(100)], [run(50, completed=0)], OURS_TO_RAW)
    assert compared(case, OURS_TO_RAW) is None
    assert "| ours | - |" in list(table(case))
    assert comparison_text(case, OURS_TO_RAW) == "ours to raw, orders/s: -; goal at least 0.50"


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ([b"a", b"b", b"c"], 3),
        ([b"a", b"b"], 2),
        ([b"a", b"b", b"c", b"c"], 2),
        ([b"a", b"b", b"b"], 1),
        ([], 0),
    ],
)
def test_a_missing_order_is_not_made_up_for_by_one_that_is_there_twice(keys: list[bytes], count: int) -> None:
    assert completed(keys) == count


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (0.999, 100), (1, 100), (0.001, 1)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value


# -- reports -----------------------------------------------------------------------------------------------


def test_a_report_is_the_same_after_json() -> None:
    taken = report("effects", result([run(1.5)], [run(0.5, completed=9)], OURS_TO_RAW))
    assert from_json(to_json([taken])) == [taken]


def test_a_measurement_that_is_taken_again_replaces_the_older_one_in_the_order_of_the_page() -> None:
    older = [report("growth"), report("relay")]
    newer = [report("effects"), report("relay", machine={"cores": "4"})]
    assert merge(older, newer, ("effects", "relay", "growth", "react")) == [newer[0], newer[1], older[0]]


def test_a_table_shows_medians_with_their_spread_and_ratios_with_their_goal() -> None:
    case = result([run(70_000), run(80_000), run(60_000)], [run(7_000), run(40_000), run(6_000)], OURS_TO_RAW)
    assert list(table(case)) == [
        "| sales | orders/s |",
        "|---|---:|",
        "| raw | 70,000 (60,000 to 80,000) |",
        "| ours | 7,000 (6,000 to 40,000) |",
        "",
        "- ours to raw, orders/s: 0.10 (0.10 to 0.50); goal at least 0.50",
    ]


def test_the_page_says_on_what_it_was_measured_and_which_runs_are_void() -> None:
    text = page([report("effects", result([run(1)], [run(1, completed=2)]))], "## Profile")
    assert "Measured at 2026-01-01 10:00 UTC, commit `abc`, 10 orders a run, 3 rounds." in text
    assert "| cores | 2 |" in text
    assert "Void: sales, ours: 2 of 10." in text
    assert "![Effects](performance/effects.svg)" in text
    assert "\n## Profile\n" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120


def test_the_page_begins_with_every_goal_and_whether_it_is_met() -> None:
    little = Comparison(contestant="ours", figure="MiB", goal=60)
    sizes = Run(expected=1, completed=1, figures={"MiB": 70})
    missed = CaseResult(title="sales", runs={"ours": [sizes]}, comparisons=[little])
    met = result([run(100)], [run(50)], OURS_TO_RAW, Comparison(contestant="raw", figure=PER_S))
    empty = result([run(100)], [run(50, completed=0)], OURS_TO_RAW)
    goals = page([report("effects", met, missed), report("react", empty)], "").partition("## Goals")[2]
    assert [line for line in goals.splitlines() if line.startswith("| [")] == [
        "| [Effects](#effects) | sales: ours to raw, orders/s | at least 0.50 | 0.50 | met |",
        "| [Effects](#effects) | sales: ours, MiB | at most 60 | 70.0 | missed |",
        "| [React](#react) | sales: ours to raw, orders/s | at least 0.50 | - | no run |",
    ]


def test_a_quick_run_says_that_its_figures_say_nothing() -> None:
    taken = report("effects", result([run(1)], [run(1)]))
    assert "quick run" not in page([taken], "")
    assert "**This was a quick run**" in page([taken, replace(taken, quick=True)], "")


def test_kafkas_tools_are_read_by_what_they_print() -> None:
    sent = "5 records sent, 9.1 records/sec (1.00 MB/sec), 7 ms avg latency\n"
    whole = "100 records sent, 18.5 records/sec (3.50 MB/sec), 22 ms avg latency, 3 ms max latency.\n"
    assert ceiling.produced(sent + whole, 100) == Run(
        expected=100, completed=100, figures={"records/s": 18.5, "MB/s": 3.5}
    )
    table = (
        "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec,"
        " rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n"
        "2026-01-01 10:00:00:556, 2026-01-01 10:00:02:718, 19.0, 8.8, 130, 46.4, 902, 1260, 15.1, 79.3\n"
    )
    assert ceiling.consumed(table, 100) == Run(
        expected=100, completed=100, figures={"records/s": 79.3, "MB/s": 15.1}
    )
    assert ceiling.consumed(table, 131).void
    assert ceiling.produced("", 1).void
    assert ceiling.consumed("", 1).void


def test_memory_that_grows_shows_beside_its_first_quarter() -> None:
    assert memory.peaks([1, 5, 2, 3, 9, 4, 4, 4]) == (5, 9)
    assert memory.peaks([7]) == (7, 7)


@pytest.mark.parametrize(
    ("value", "text"),
    [(71_234.5, "71,234"), (99.96, "100.0"), (12.34, "12.3"), (1.234, "1.23"), (-3, "-3.00")],
)
def test_a_number_has_no_more_decimals_than_it_needs(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize("name", NAMES)
def test_every_measurement_is_found_by_its_name_and_has_a_quick_size(name: str) -> None:
    taken = measurement(name)
    assert taken.name == name
    assert taken.quick_orders <= taken.orders


# -- child processes ---------------------------------------------------------------------------------------


def test_a_contestant_runs_in_a_process_of_its_own_and_its_failure_is_told() -> None:
    assert in_child(peak_mib, deadline_s=60) > 1
    with pytest.raises(ChildFailed, match="IndexError"):
        in_child(percentile, [], 0.5, deadline_s=60)
