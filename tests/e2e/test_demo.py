"""`cev demo` from outside: the story in a file, its promises, and nothing left behind.

I/O: processes, a temporary directory.
"""

import re
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.support.documents import documents
from tests.support.program import CEV, Program, until

README = Path(__file__).parents[2] / "README.md"
PROMISES, PROMISES_OF_PAYMENTS = 4, 5
INTERRUPTED = 130


def left_in(folder: Path) -> list[str]:
    """Processes that know this folder, by their arguments or their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
        except psutil.Error:
            continue
        if any(str(folder) in each for each in told):
            found.append(" ".join(process.cmdline()))
    return found


def shape(line: str) -> str:
    """A line without its figures and its spacing."""
    return " ".join(re.sub(r"[\d.,]*\d", "#", line).split())


def tell(tmp_path: Path, *arguments: str) -> str:
    """What a demo prints that keeps its promises; it leaves nothing behind."""
    stage, mine, told = tmp_path / "tmp", tmp_path / "mine", tmp_path / "story.txt"
    stage.mkdir()
    user = Program(mine, CEV_BOOTSTRAP_SERVERS="127.0.0.1:1", CEV_DRAIN_S="0.001", TMPDIR=str(stage))
    with told.open("wb") as out:
        ended = subprocess.run(
            [CEV, "demo", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=user.environment,
            timeout=300,
            check=False,
        )
    story = told.read_text("utf-8")
    assert ended.returncode == 0, story
    assert "\x1b" not in story, "a file gets no colours"
    assert "Traceback" not in story
    assert "BROKEN" not in story
    assert not list(stage.iterdir()), "the demo's directory is removed"
    assert not mine.exists(), "the user's directory is not touched"
    assert left_in(tmp_path) == []
    return story


def kept(story: str) -> int:
    """How many promises a story says are kept."""
    return len(re.findall(r"^ +kept  ", story, re.MULTILINE))


@pytest.mark.timeout(400)
def test_the_demo_keeps_its_promises_and_leaves_nothing_behind(tmp_path: Path) -> None:
    story = tell(tmp_path)
    assert kept(story) == PROMISES, story
    for line in shown_in_the_readme():
        assert line in {shape(each) for each in story.splitlines()}, f"README.md shows: {line}\n{story}"


# Each step of it is held by docs/conversations.md, whose commands `make test` runs.
@pytest.mark.full
@pytest.mark.timeout(400)
def test_the_demo_of_payments_keeps_its_promises_and_leaves_nothing_behind(tmp_path: Path) -> None:
    story = tell(tmp_path, "payments")
    assert kept(story) == PROMISES_OF_PAYMENTS, story


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda each: each.name)
def test_a_demo_that_is_ended_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    stage, told = tmp_path / "tmp", tmp_path / "story.txt"
    stage.mkdir()
    user = Program(tmp_path / "mine", TMPDIR=str(stage))
    with told.open("wb") as out:
        demo = subprocess.Popen([CEV, "demo"], stdout=out, stderr=subprocess.STDOUT, env=user.environment)
    try:
        until(lambda: "cev consume sales" in told.read_text("utf-8"), 90, "the groups are started")
        demo.send_signal(number)
        assert demo.wait(90) == INTERRUPTED
    finally:
        demo.kill()
    assert not list(stage.iterdir()), "the demo's directory is removed"
    assert left_in(tmp_path) == []


def shown_in_the_readme() -> list[str]:
    """The lines that README shows of the demo, right below the command."""
    known = list(documents.blocks(README.read_text("utf-8")))
    below = next(after for block, after in pairwise(known) if "$ make demo" in block.lines)
    return [shape(line) for line in below.lines if line.strip() not in ("", documents.ANYTHING)]
