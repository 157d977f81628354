"""What the story runs on: an embedded broker and `cev` processes in a data directory of their own.

Promises: nothing of the user's is touched (every `CEV_` variable is left out), and whatever happens, every
process is ended and the directory removed.

I/O: processes, files, environment, and the groups' stores (read-only).
"""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from broker import embedded
from schemas.errors import OperationFailed

Stream = IO[bytes] | int

_COMMAND_S = 120.0
_END_S = 40.0


class Stage:
    """A world for one telling.

    Attributes:
        folder: the data directory.
    """

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="cev-demo-"))
        self.folder = self._root / "data"
        self._environment = {k: v for k, v in os.environ.items() if not k.startswith("CEV_")}
        self._environment["CEV_DATA_DIR"] = str(self.folder)
        self._environment["COLUMNS"] = "100"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._spawning = False
        self._interrupted = False

    def close(self) -> None:
        """End every process and remove the directory."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        embedded.down(self.folder, delete_data=True)
        shutil.rmtree(self._root, ignore_errors=True)

    def cev(self, *arguments: str) -> str:
        """Run a command to its end.

        Returns:
            What it printed on stdout.

        Raises:
            OperationFailed: it ended with another code than 0; the message carries what it said.
        """
        with self._spawn(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(timeout=_COMMAND_S)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            message = (err or out).decode(errors="replace").strip()
            raise OperationFailed(f"`{spelled(*arguments)}` ended with {process.returncode}: {message}")
        return out.decode()

    def export(self, **variables: str) -> None:
        """Set environment variables for every command from now on."""
        self._environment.update(variables)

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """A signal handler: end the story, but never between a child's birth and its registration.

        Raises:
            KeyboardInterrupt: now, or as soon as the child that is being started is known.
        """
        if self._spawning:
            self._interrupted = True
        else:
            raise KeyboardInterrupt

    def _spawn(
        self, arguments: Sequence[str], *, stdout: Stream, stderr: Stream, name: str | None = None
    ) -> subprocess.Popen[bytes]:
        self._spawning = True
        process = subprocess.Popen(  # noqa: S603 - our own command under our own interpreter
            [sys.executable, "-m", "cli", *arguments], stdout=stdout, stderr=stderr, env=self._environment
        )
        if name is not None:
            self._running[name] = process
        self._spawning = False
        if self._interrupted:
            if name is None:
                process.kill()
                process.wait()
            raise KeyboardInterrupt
        return process

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with `--json` and read its lines."""
        return [json.loads(line) for line in self.cev(*arguments, "--json").splitlines()]

    def start(self, name: str, *arguments: str) -> None:
        """Start a command that goes on; its output goes to `NAME.log` in the data directory."""
        with (self.folder / f"{name}.log").open("ab") as log, (self.folder / f"{name}.out").open("ab") as out:
            self._spawn(arguments, stdout=out, stderr=log, name=name)

    def kill(self, name: str) -> int:
        """End a process with SIGKILL; returns its id."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        return process.pid

    def alive(self, name: str) -> bool:
        """Whether a process still runs."""
        return name in self._running and self._running[name].poll() is None

    def output(self, name: str) -> str:
        """What a process printed on stdout so far."""
        return (self.folder / f"{name}.out").read_text("utf-8")

    def printed(self, name: str) -> list[dict[str, Any]]:
        """What a process with `--json` printed on stdout so far."""
        return [json.loads(line) for line in self.output(name).splitlines()]

    def wait(self, what: str, seconds: float, reached: Callable[[], bool]) -> None:
        """Wait for something.

        Raises:
            OperationFailed: it did not come about in time.
        """
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                raise OperationFailed(f"{what}: not within {seconds:.0f} s; see the logs in {self.folder}")
            time.sleep(0.1)

    def effects(self, group: str, *outcomes: str) -> int:
        """How many effects of these outcomes a group's store has; 0 before it exists."""
        path = self.folder / "stores" / f"{group}.sqlite3"
        if not path.exists():
            return 0
        marks = ",".join("?" * len(outcomes))
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as store:
                rows = store.execute(f"SELECT count(*) FROM effects WHERE outcome IN ({marks})", outcomes)  # noqa: S608 - only question marks
                return int(rows.fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # its tables are just being made


def spelled(*arguments: str) -> str:
    """A command as a reader types it."""
    return shlex.join(["cev", *arguments])
