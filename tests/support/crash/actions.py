"""What befalls a process at a step: killed, stopped, an answer lost. Called in the process itself.

I/O: signals to its own process, and to the one that migrates its store.

Tests do not call these: `tests/support/crash/points.py` writes the code that does.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from threading import Event, current_thread, get_ident
from typing import Any

import psycopg

from tests.support.crash import probes
from tests.support.crash.code import code_of

_BATCH = 6
"""Records of a batch in an armed process: a scenario then takes several batches."""
_PATIENCE_S = 10.0
_AS_MODULE = "import runpy\nrunpy.run_module('consumers.runtime.stores.migrate', run_name='__main__')"


def kill_at(step: str, nth: int) -> None:
    """Kill this process when it reaches a step for the nth time."""
    _at(step, nth, lambda: os.kill(os.getpid(), signal.SIGKILL))


def stop_at(step: str, nth: int, rejoins: bool) -> None:  # noqa: FBT001 - called from the code above alone
    """Stop this process when it reaches a step for the nth time; see `Point.stopped`."""

    def stop() -> None:
        before = probes.reached["consumer.on_assign:after"]
        # To this very thread: sent to the process, another thread could take it, and this one go on a little.
        signal.pthread_kill(get_ident(), signal.SIGSTOP)
        deadline = time.monotonic() + _PATIENCE_S
        while (
            rejoins and probes.reached["consumer.on_assign:after"] == before and time.monotonic() < deadline
        ):
            if current_thread() is not probes.polling[-1]:
                time.sleep(0.02)  # the program polls by itself meanwhile, in the other thread
                continue
            for member in probes.subscribed:
                member.poll(0.2)

    _at(step, nth, stop)


def hang_at(step: str, nth: int) -> None:
    """Let the thread that reaches a step for the nth time stay there."""

    def hang() -> None:
        Event().wait()

    _at(step, nth, hang)


def _at(step: str, nth: int, act: probes.Act) -> None:
    def told(name: str, times: int) -> None:
        if (name, times) == (step, nth):
            act()

    probes.watch(told, _BATCH)


def lose_answer_at(step: str, nth: int) -> None:
    """Let the store's commit come about and its answer be lost, as a broken connection does."""

    def lose() -> None:
        if "CEV_DATABASE_URL" in os.environ:
            raise psycopg.OperationalError("the answer was lost")
        raise sqlite3.OperationalError("the answer was lost")

    _at(step, nth, lose)


def kill_migration_at(step: str, nth: int) -> None:
    """Kill the process that migrates a store when it reaches a step."""

    def doomed(_command: list[str], named: dict[str, Any]) -> Any:
        armed = f"{code_of(kill_at, step, nth)}\n{_AS_MODULE}"
        return subprocess.run([sys.executable, "-c", armed], **named)  # noqa: PLW1510 - the program's own arguments

    _migrating(doomed)


def kill_while_migrating() -> None:
    """Kill this process once it has started the one that migrates its store, which goes on alone."""

    def abandon(command: list[str], named: dict[str, Any]) -> None:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        assert child.stdin is not None
        child.stdin.write(named["input"])
        child.stdin.close()
        os.kill(os.getpid(), signal.SIGKILL)

    _migrating(abandon)


def _migrating(instead: Callable[[list[str], dict[str, Any]], Any]) -> None:
    run = subprocess.run

    def running(command: list[str], **named: Any) -> Any:
        subprocess.run = run
        return instead(command, named)

    subprocess.run = running  # type: ignore[assignment]  # the migration is the only child of the program
