"""Which process of `cev consume --processes` is started again and when, and what all answer together."""

import logging
import signal
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import pytest

from cli.processes.child import Child
from cli.processes.health import respond
from cli.processes.restart_policy import LONG_RUN_S, NextStep, describe, next_step, worst
from cli.processes.run import command_of, warn_of_standby
from consumers.registry import named


@pytest.mark.parametrize("until_idle", [False, True])
@pytest.mark.parametrize("exit_code", [2, 4])
def test_what_a_restart_cannot_mend_stops_all(exit_code: int, until_idle: bool) -> None:  # noqa: FBT001
    assert next_step(exit_code, until_idle=until_idle) is NextStep.STOP_ALL


@pytest.mark.parametrize("exit_code", [0, 1, 3, 130, -signal.SIGKILL, -signal.SIGTERM])
def test_whatever_else_ends_is_started_again_unless_it_was_to_end_by_itself(exit_code: int) -> None:
    assert next_step(exit_code, until_idle=False) is NextStep.RESTART
    assert next_step(exit_code, until_idle=True) is NextStep.END


@pytest.mark.parametrize(
    ("exit_codes", "together"), [([], 0), ([0, 0], 0), ([0, -9], 1), ([1, 0, 4, 3], 4), ([-9, 4], 4)]
)
def test_the_worst_exit_code_wins(exit_codes: Iterable[int], together: int) -> None:
    assert worst(exit_codes) == together


def test_an_end_is_told_with_the_name_of_its_signal() -> None:
    assert [describe(code) for code in (0, 3, -9, -40)] == [
        "exit code 0",
        "exit code 3",
        "killed by SIGKILL",
        "killed by signal 40",
    ]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_process_that_dies_is_due_after_1_2_4_and_at_most_30_s_and_at_1_s_again_after_a_long_run() -> None:
    clock = Clock()
    child = Child(1, ["/nowhere"], clock)
    waits = []
    for run_s in (0, 1, 2, 59, 0, 0, 0, LONG_RUN_S, 3):
        with pytest.raises(FileNotFoundError):
            child.start()
        clock.now += run_s
        waits.append(child.schedule())
        assert child.restart_at == clock.now + waits[-1] / 1000
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 1_000, 2_000]


def test_a_process_that_could_not_even_be_started_has_failed() -> None:
    child = Child(1, ["/nowhere"])
    with pytest.raises(FileNotFoundError):
        child.start()
    assert (child.running, child.exit_code) == (False, 1)


def test_a_process_gets_the_options_that_were_given_and_its_number() -> None:
    options = {"workers": 4, "from": None, "until-idle": 0.5, "log-level": None}
    assert command_of([named("sales"), named("loyalty")], options, 2) == [
        *(sys.executable, "-P", "-m", "cli", "consume", "sales", "loyalty"),
        *("--workers=4", "--until-idle=0.5", "--supervised-as=2"),
    ]


@pytest.mark.parametrize(("count", "warned"), [(6, False), (7, True)])
def test_more_processes_than_partitions_are_told_with_both_numbers(
    caplog: pytest.LogCaptureFixture,
    count: int,
    warned: bool,  # noqa: FBT001
) -> None:
    with caplog.at_level(logging.INFO, "command_event"):
        warn_of_standby(named("warehouse"), {"dispatch_products": 6, "orders": 3, "payments": 6}, count)
    assert bool(caplog.messages) is warned
    if warned:
        assert "group=warehouse processes=7 partitions=6" in caplog.messages[0]


# -- the health port ---------------------------------------------------------------------------------------


class Place(NamedTuple):
    """A child as the health port sees it."""

    number: int
    health_port: int | None
    running: bool = True
    restart_at: float | None = None


def answered(path: str, *places: Place) -> tuple[int, dict[str, Any]]:
    """The answer where port 8000 is ready, 8001 is not, and nobody answers at any other."""

    def ask(port: int, path: str) -> dict[str, Any] | None:
        if port not in (8000, 8001):
            return None
        group = {"group": "sales", "ready": port == 8000}
        return {"live": True} if path == "/health/live" else {"ready": port == 8000, "groups": [group]}

    return respond(cast("list[Child]", list(places)), path, ask)


def test_ready_is_when_every_process_is_and_each_entry_says_of_which_process() -> None:
    first, second = Place(1, 8000), Place(2, 8001)
    assert answered("/health/ready", first) == (
        200,
        {"ready": True, "silent": [], "groups": [{"process": 1, "group": "sales", "ready": True}]},
    )
    status, body = answered("/health/ready", first, second)
    assert (status, body["ready"]) == (503, False)
    assert [(group["process"], group["ready"]) for group in body["groups"]] == [(1, True), (2, False)]


@pytest.mark.parametrize(
    "place",
    [Place(2, None), Place(2, None, running=False, restart_at=7.0), Place(2, 9)],
    ids=["new", "due", "hung"],
)
def test_a_process_that_starts_or_will_or_hangs_is_not_ready(place: Place) -> None:
    status, body = answered("/health/ready", Place(1, 8000), place)
    assert (status, body["ready"], body["silent"]) == (503, False, [2])


def test_a_process_that_ended_for_good_says_nothing_about_the_others() -> None:
    assert answered("/health/ready", Place(1, 8000), Place(2, None, running=False))[0] == 200


def test_live_asks_only_for_an_answer_of_those_that_have_answered_before() -> None:
    starting, due = Place(2, None), Place(3, None, running=False, restart_at=7.0)
    assert answered("/health/live", Place(1, 8001), starting, due) == (200, {"live": True})
    assert answered("/health/live", Place(1, 8000), Place(2, 9)) == (503, {"live": False, "silent": [2]})


def test_there_is_no_other_page() -> None:
    assert answered("/metrics", Place(1, 8000))[0] == 404
