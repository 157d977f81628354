"""`cev consume --processes`: several real processes, their deaths, and the end of all of them."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from cli.processes.child import Child
from cli.processes.supervisor import Supervisor
from clients.cluster import partition_counts
from schemas.errors import TopicMissing
from schemas.topics import ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import PATIENCE_S, until
from tests.support.receivers import free_port

if TYPE_CHECKING:
    from subprocess import Popen

STARTED = re.compile(r'"event": "process started", "process": (\d+), "pid": (\d+)')


class Lines:
    """What a program says on stderr, line by line, while it runs and until the last of its processes ends."""

    def __init__(self, program: "Popen[str]") -> None:
        self.program = program
        self.text = ""
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        for line in self.program.stderr or ():
            self.text += line

    def pids(self) -> list[int]:
        """The processes started so far, in the order of their starts."""
        return [int(pid) for _, pid in STARTED.findall(self.text)]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Every event of that name, with its fields."""
        complete = self.text[: self.text.rfind("\n") + 1]
        return [event for line in complete.splitlines() if (event := json.loads(line))["event"] == name]

    def ended(self) -> int:
        """Wait for the end of the program and of all its processes; its exit code."""
        code = self.program.wait(PATIENCE_S)
        until(lambda: not any(map(alive, self.pids())), "no process is left")
        self._reading.join(PATIENCE_S)
        return code


def alive(pid: int) -> bool:
    """Whether one of ours runs under this number."""
    try:
        process = psutil.Process(pid)
        return process.status() != "zombie" and any("--supervised-as" in part for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


Consume = Callable[..., Lines]


@pytest.fixture
def consume(shop: ConsumerHarness) -> Iterator[Consume]:
    """Starts `cev consume`; whatever it leaves behind is killed after the test."""
    started: list[Lines] = []

    def consume(*words: str, **environment: str) -> Lines:
        started.append(Lines(shop.cev("consume", *words, CEV_LOG_FORMAT="json", **environment)))
        return started[-1]

    yield consume
    for lines in started:
        lines.program.kill()
        lines.program.wait(PATIENCE_S)
        for pid in filter(alive, lines.pids()):
            os.kill(pid, signal.SIGKILL)


def ready(port: int) -> tuple[int, dict[str, Any]]:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
    except OSError:
        return 0, {}


def test_two_share_the_partitions_a_killed_one_comes_back_and_a_signal_drains_all(
    shop: ConsumerHarness, consume: Consume
) -> None:
    port = free_port()
    lines = consume("warehouse", "--processes", "2", CEV_HEALTH_PORT=str(port))
    until(lambda: ready(port)[0] == 200, "both are ready")
    groups = ready(port)[1]["groups"]
    assert [(group["process"], group["partitions"]) for group in groups] == [(1, 18), (2, 18)]
    for order_id in range(100):
        shop.command(order_id)
    shop.flush()
    until(lambda: shop.outcomes("warehouse"), "they work")
    os.kill(lines.pids()[0], signal.SIGKILL)
    until(lambda: ready(port)[1].get("silent") == [1], "one is missing")
    for order_id in range(100, 200):
        shop.command(order_id)
    shop.until_outcomes("warehouse", 200)
    until(lambda: ready(port)[0] == 200, "the killed one is back", seconds=60)
    assert (len(lines.pids()), shop.members("warehouse")) == (3, 2)
    lines.program.send_signal(signal.SIGTERM)
    assert lines.ended() == 0, lines.text
    assert shop.members("warehouse") == 0, "nobody waits for a session to time out"
    assert sorted(order_id for order_id, _ in shop.results()) == list(range(200)), "every order once"
    (restart,) = lines.events("starting again")
    assert (restart["process"], restart["why"], restart["ms"]) == (1, "killed by SIGKILL", 1000)
    ends = [(end["process"], end["why"]) for end in lines.events("process ended")]
    assert sorted(ends) == [(1, "exit code 0"), (2, "exit code 0")]
    assert {event["process"] for event in lines.events("joined")} == {1, 2}


def test_a_refusal_by_a_safety_rule_is_not_started_again_and_stops_the_others(
    shop: ConsumerHarness, consume: Consume
) -> None:
    shop.fact(1)
    shop.handled("sales")
    shop.store("sales").unlink()
    lines = consume("sales", "--processes", "2")
    assert lines.ended() == 4, lines.text
    assert len(lines.pids()) == 2, "none was started again"
    assert not lines.events("starting again")
    refusals = [event["process"] for event in lines.events("failed") if event["exit_code"] == 4]
    assert refusals, "the process says why, and which one it is"


def test_a_supervisor_that_is_killed_leaves_no_process_behind(
    shop: ConsumerHarness, consume: Consume
) -> None:
    lines = consume("sales", "--processes", "2")
    until(lambda: len(lines.events("joined")) == 2, "both have joined")
    lines.program.kill()
    assert lines.ended() == -signal.SIGKILL
    assert len(lines.events("ended")) == 2, "each has drained"
    assert shop.members("sales") == 0


def test_a_signal_that_reaches_every_process_is_a_first_one_for_each(consume: Consume) -> None:
    lines = consume("sales", "--processes", "2")
    until(lambda: len(lines.events("joined")) == 2, "both have joined")
    # As Ctrl-C on a terminal does it.
    for pid in (lines.program.pid, *lines.pids()):
        os.kill(pid, signal.SIGINT)
    assert lines.ended() == 0, lines.text
    assert len(lines.events("ended")) == 2, "each has drained"


def test_a_second_signal_kills_all_at_once(consume: Consume) -> None:
    # So long that only the second signal can end it: the processes are stopped, and drain nothing.
    lines = consume("sales", "--processes", "2", CEV_DRAIN_S="300")
    until(lambda: len(lines.events("joined")) == 2, "both have joined")
    for pid in lines.pids():
        os.kill(pid, signal.SIGSTOP)
    lines.program.send_signal(signal.SIGTERM)
    lines.program.send_signal(signal.SIGINT)
    assert lines.ended() == 1


def test_until_idle_ends_all_once_the_group_is_at_its_end(shop: ConsumerHarness, consume: Consume) -> None:
    for order_id in range(50):
        shop.fact(order_id)
    lines = consume("sales", "--processes", "2", "--until-idle", "0.5")
    assert lines.ended() == 0, lines.text
    assert len(lines.pids()) == 2
    assert len(shop.outcomes("sales")) == 50


def test_partitions_are_asked_of_the_cluster(shop: ConsumerHarness) -> None:
    assert partition_counts(shop.cluster, [ORDERS]) == {ORDERS: 6}
    with pytest.raises(TopicMissing, match=r"nowhere is missing; `cev topics create`"):
        partition_counts(shop.cluster, [ORDERS, "nowhere"])


@pytest.mark.parametrize(
    ("words", "environment", "ending"),
    [
        (
            ("--processes", "2"),
            {"CEV_KAFKA__GROUP_INSTANCE_ID": "one"},
            (2, "group.instance.id names one member"),
        ),
        (("--processes", "2"), {"CEV_DATA_DIR": "/dev/null/data"}, (1, "choose another directory")),
        (("--supervised-as", "1"), {}, (2, "give --processes instead")),
    ],
    ids=["static member", "data directory", "no supervisor"],
)
def test_what_no_process_could_run_with_is_one_line_before_any_is_started(
    shop: ConsumerHarness, words: tuple[str, ...], environment: dict[str, str], ending: tuple[int, str]
) -> None:
    code, text = shop.ran("consume", "sales", *words, **environment)
    assert (code, text.count("\n")) == (ending[0], 1), text
    assert ending[1] in text


# -- the supervisor alone, with small programs in place of consumers ---------------------------------------

DRAINING = "import sys; sys.stdin.buffer.read()"
DEAF = "import time; time.sleep(600)"


@contextmanager
def supervised(*programs: str, drain_s: float = 30) -> Iterator[tuple[list[Child], Event, Callable[[], int]]]:
    """A supervisor of small programs on a thread: its children, what stops them, and its exit code."""
    children = [
        Child(number, [sys.executable, "-S", "-E", "-c", program]) for number, program in enumerate(programs)
    ]
    stopping, codes = Event(), list[int]()
    supervisor = Supervisor(children, stopping, until_idle=False, drain_s=drain_s)
    running = Thread(target=lambda: codes.append(supervisor.run()), daemon=True)

    def ended() -> int:
        running.join(PATIENCE_S)
        return codes[0]

    running.start()
    try:
        yield children, stopping, ended
    finally:
        stopping.set()
        supervisor.kill()
        running.join(PATIENCE_S)


def test_a_process_that_dies_is_started_again_while_the_others_run_on(tmp_path: Path) -> None:
    dying = f"import os; os.open({str(tmp_path)!r} + f'/{{os.getpid()}}', os.O_CREAT); os._exit(3)"
    with supervised(dying, DRAINING) as (children, stopping, ended):
        until(lambda: len(list(tmp_path.iterdir())) == 2, "it is started again")
        assert children[1].running
        until(lambda: children[0].restart_at is not None, "it died again")
        stopping.set()
        assert ended() == 3, "the last end of a process that does not run is its exit code"


def test_a_process_that_does_not_end_is_killed_after_the_drain_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cli.processes.supervisor._GRACE_S", 0.5)
    with supervised(DEAF, DRAINING, drain_s=0.5) as (children, stopping, ended):
        until(lambda: all(child.running for child in children), "both run")
        stopping.set()
        assert ended() == 1
    assert [child.exit_code for child in children] == [-signal.SIGKILL, 0]
