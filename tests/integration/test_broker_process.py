"""Processes that outlive us, on the real system.

I/O: starts small programs; writes in a temporary directory.
"""

import os
import signal
import sys
from pathlib import Path

import pytest

from broker.embedded import down
from broker.process import Process, _started_by_ps, is_alive, spawn, stop
from broker.properties import Ports
from broker.running import running
from broker.state import State, save_state
from broker.waiting import TimeLimit, wait_until

PYTHON = sys.executable
CURIOUS = "import os, sys, time; print(os.getcwd(), sys.stdin.read() == '', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"


def test_a_process_is_detached_and_says_into_its_file(tmp_path: Path) -> None:
    started = spawn([PYTHON, "-c", CURIOUS], folder=tmp_path, output=tmp_path / "out")
    try:
        assert wait_until(lambda: (tmp_path / "out").read_text() != "", TimeLimit.after(10))
        assert (tmp_path / "out").read_text() == f"{tmp_path.resolve()} True\n"
        assert os.getsid(started.pid) != os.getsid(0)
        assert is_alive(started)
    finally:
        stop([started], deadline_s=10)
    assert not is_alive(started)


def test_a_process_that_ignores_sigterm_is_killed_after_the_deadline(tmp_path: Path) -> None:
    started = spawn([PYTHON, "-c", STUBBORN], folder=tmp_path, output=tmp_path / "out")
    assert wait_until(lambda: (tmp_path / "out").read_text() != "", TimeLimit.after(10))
    stop([started], deadline_s=0.2)
    assert not is_alive(started)


def test_a_pid_that_now_belongs_to_another_is_neither_alive_nor_signalled(tmp_path: Path) -> None:
    reused = Process(os.getpid(), "long ago")
    assert not is_alive(reused)
    (tmp_path / ".command-event").touch()
    save_state(tmp_path, State(Ports((1,), (2,), 3), {"broker-1": reused}, ready=True))
    assert running(tmp_path) is None
    previous = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("we were signalled"))
    try:
        assert down(tmp_path) is False
    finally:
        signal.signal(signal.SIGTERM, previous)


def test_where_there_is_no_proc_the_same_is_asked_of_ps(tmp_path: Path) -> None:
    started = spawn(["/bin/sleep", "60"], folder=tmp_path, output=tmp_path / "out")
    seen = _started_by_ps(started.pid)
    stop([started], deadline_s=10)
    assert seen is not None
    assert seen.endswith(" 20" + seen[-2:])
    assert _started_by_ps(started.pid) is None
