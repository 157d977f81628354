"""The program as a user runs it: `cev` in a process of its own, in one data directory.

I/O: starts `cev`, sends it signals, files in the caller's folder.

Promise: no `CEV_` variable of whoever runs the tests reaches it, every wait has a deadline, and what
`started` or `up` began is ended with the block.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CEV = Path(sys.executable).with_name("cev")
DEADLINE_S = 90.0
_POLL_S = 0.05
_NUMBERS = itertools.count(1)


def until(reached: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something.

    Raises:
        AssertionError: it did not come about in time.
    """
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(_POLL_S)


class Started:
    """A command that goes on; what it says is in two files."""

    def __init__(self, words: tuple[str, ...], environment: dict[str, str], files: Path) -> None:
        self._out, self._err = files.with_suffix(".out"), files.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen([CEV, *words], stdout=out, stderr=err, env=environment)

    @property
    def said(self) -> str:
        """Its stderr so far."""
        return self._err.read_text("utf-8")

    @property
    def printed(self) -> str:
        """Its stdout so far."""
        return self._out.read_text("utf-8")

    def says(self, *texts: str, seconds: float = 60) -> None:
        """Wait until stderr has all of these."""

        def reached() -> bool:
            ended = self.process.poll() is not None
            said = self.said
            there = all(text in said for text in texts)
            assert there or not ended, f"it ended with {self.process.returncode} and said:\n{said}"
            return there

        until(reached, seconds, f"{texts} on stderr")

    def joined(self, *groups: str) -> None:
        """Wait until these groups have their partitions."""
        self.says(*(f"joined group={group} " for group in groups))

    def end(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


class Program:
    """`cev` in one data directory.

    Args:
        data_dir: its `CEV_DATA_DIR`; files of started commands lie beside it.
        variables: more of its environment.
    """

    def __init__(self, data_dir: Path, **variables: str) -> None:
        self.data_dir = data_dir
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CEV_")}
        self.environment = {**kept, "CEV_DATA_DIR": str(data_dir), **variables}

    def beside(self, data_dir: Path | None = None, **variables: str) -> "Program":
        """The same program with more variables, or in another data directory."""
        added = {name: value for name, value in self.environment.items() if name.startswith("CEV_")}
        del added["CEV_DATA_DIR"]
        return Program(data_dir or self.data_dir, **(added | variables))

    def run(
        self, *words: str, stdin: str = "", seconds: float = DEADLINE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; never a traceback."""
        ended = subprocess.run(
            [CEV, *words],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
            env=self.environment,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def ok(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """Run a command that ends with this code; its stdout."""
        ended = self.run(*words, stdin=stdin)
        assert ended.returncode == code, (
            f"{words} ended with {ended.returncode}: {ended.stderr}{ended.stdout}"
        )
        return ended.stdout

    def json(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """Run a command with `--json`: its document, or a line per record."""
        return [json.loads(line) for line in self.ok(*words, "--json", code=code).splitlines()]

    def refused(self, code: int, *words: str) -> str:
        """What it says when it ends with this code: nothing on stdout, one line of ours on stderr."""
        ended = self.run(*words)
        assert (ended.returncode, ended.stdout) == (code, ""), ended
        assert ended.stderr.startswith("cev: "), ended.stderr
        assert ended.stderr.count("\n") == 1, ended.stderr
        return ended.stderr

    @contextlib.contextmanager
    def started(self, *words: str) -> Iterator[Started]:
        """Start a command that goes on; killed at the end of the block if it still runs."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        name = f"{self.data_dir.name}-{next(_NUMBERS)}-{words[0]}"
        begun = Started(words, self.environment, self.data_dir.parent / name)
        try:
            yield begun
        finally:
            begun.process.kill()
            begun.process.wait()

    @contextlib.contextmanager
    def up(self, *words: str) -> Iterator[dict[str, Any]]:
        """`cev up` on free ports, for the block; the document that it printed."""
        try:
            yield self.json("up", "--port", "0", *words)[0]
        finally:
            self.run("down", "--delete-data", "--yes")
