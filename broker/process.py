"""Starting, recognising and ending processes that outlive us.

I/O: starts and signals processes; reads /proc, or asks `ps` where there is none.

Promise: a process is known by its pid *and* the moment it started, so a pid that was given to somebody else
is never taken for ours, let alone signalled. What is started here has its own session, no standard input, no
terminal, and no parent that would have to wait for it.
Not here: what is started (kafka.py, registry.py).
"""

import contextlib
import functools
import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from broker.errors import StartError, StopError
from broker.waiting import TimeLimit, wait_until

# The shell ends at once, so the program belongs to init: no zombie stays with a long-lived parent such as a
# test session.
_DETACH = 'cd "$1" && out="$2" && shift 2 && { (exec "$@" </dev/null >"$out" 2>&1) & echo "$!"; }'
_SHELL_DEADLINE_S = 10.0
_AFTER_KILL_S = 10.0


class Process(NamedTuple):
    """A process that was started here; `started` is the start time as the system writes it, only compared."""

    pid: int
    started: str


def spawn(command: Sequence[str], *, folder: Path, output: Path) -> Process:
    """Start `command` in `folder`, detached; `output` starts empty and takes what it prints.

    Raises: StartError where the system refuses, or the program ended before it could be looked at.
    """
    try:
        shell = subprocess.run(  # noqa: S603 - the command is passed as arguments, never as shell text
            ["/bin/sh", "-c", _DETACH, "sh", str(folder), str(output), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            start_new_session=True,
            timeout=_SHELL_DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartError(
            f"{command[0]} cannot be started: {getattr(error, 'stderr', '') or error}"
        ) from error
    pid = int(shell.stdout)
    started = _started(pid)
    if started is None:
        raise StartError(f"{command[0]} ended as soon as it was started: {_text(output)}")
    return Process(pid, started)


def is_alive(process: Process) -> bool:
    """Whether that very process runs; a zombie does not."""
    return _started(process.pid) == process.started


def stop(processes: Iterable[Process], *, deadline_s: float) -> None:
    """End processes: SIGTERM to all, and SIGKILL to those that are still there after `deadline_s` seconds.

    Raises: StopError if one survives, or is not ours to signal.
    """
    left = [process for process in processes if is_alive(process)]
    for number, seconds in ((signal.SIGTERM, deadline_s), (signal.SIGKILL, _AFTER_KILL_S)):
        for process in left:
            _signal(process, number)
        gone = functools.partial(_none_alive, left)
        wait_until(gone, TimeLimit.after(seconds))
        left = [process for process in left if is_alive(process)]
    if left:
        raise StopError(
            f"process {', '.join(str(process.pid) for process in left)} does not end, even by SIGKILL"
        )


def _none_alive(processes: Sequence[Process]) -> bool:
    return not any(map(is_alive, processes))


def _signal(process: Process, number: signal.Signals) -> None:
    try:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
    except PermissionError as error:
        raise StopError(f"process {process.pid} belongs to another user; end it as that user") from error


def _started(pid: int) -> str | None:
    """When the process started, None if there is none or only its remains."""
    try:
        # proc(5): the name in parentheses may hold anything, so fields are counted from the last parenthesis:
        # state is the first, start time (clock ticks since boot) the twentieth.
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _started_by_ps(pid)
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    """The same without /proc (macOS): `ps` in UTC and the C locale, so that the text never varies."""
    shown = subprocess.run(  # noqa: S603 - a number and fixed words
        ["/bin/ps", "-o", "state=", "-o", "lstart=", "-p", str(pid)],
        env={"LC_ALL": "C", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SHELL_DEADLINE_S,
    )
    state, _, started = shown.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
