"""Keeps processes running: starts them, starts them again, has them all stop, and ends with the last of them.

I/O: child processes, the log.
"""

import time
from collections.abc import Callable, Sequence
from threading import Event

from cli.processes.child import Child
from cli.processes.restart_policy import NextStep, describe, next_step, worst
from clients.log import Log

_POLL_S = 0.1
_GRACE_S = 5.0
"""What a process may take beyond the drain deadline, which it keeps by itself."""


class Supervisor:
    """Runs processes to their end.

    Args:
        children: the places, none of them started.
        stopping: set by others to have all processes drain.
        until_idle: whether the processes end by themselves.
        drain_s: how long a process takes at most to finish what is in flight, seconds.
        clock: seconds that never run backwards; the one of the children.
    """

    def __init__(
        self,
        children: Sequence[Child],
        stopping: Event,
        *,
        until_idle: bool,
        drain_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = children
        self._stopping = stopping
        self._until_idle = until_idle
        self._drain_s = drain_s
        self._clock = clock
        self._kill_at: float | None = None

    def run(self) -> int:
        """Run until all have ended and none is started again; the worst of their last exit codes."""
        while any(child.running or child.restart_at is not None for child in self._children):
            self._look()
            # Not `stopping.wait`: see `Runner.run`.
            time.sleep(_POLL_S)
        return worst(child.exit_code or 0 for child in self._children)

    def kill(self) -> None:
        """End every process at once; may be called from a signal handler."""
        for child in self._children:
            child.kill()

    def _look(self) -> None:
        for child in self._children:
            code = child.poll()
            if code is not None:
                self._ended(child, code)
        if self._stopping.is_set():
            self._drain()
            return
        for child in self._children:
            if child.restart_at is not None and self._clock() >= child.restart_at:
                self._start(child)

    def _start(self, child: Child) -> None:
        log = Log(process=child.number)
        try:
            log.info("process started", pid=child.start())
        except OSError as error:
            log.warning("starting again", why=error.strerror, ms=child.schedule())

    def _ended(self, child: Child, code: int) -> None:
        log, why = Log(process=child.number), describe(code)
        step = NextStep.END if self._stopping.is_set() else next_step(code, until_idle=self._until_idle)
        if step is NextStep.RESTART:
            log.warning("starting again", why=why, ms=child.schedule())
        elif step is NextStep.STOP_ALL:
            log.error("process ended", why=f"{why}; a restart would end the same, so all processes stop")
            self._stopping.set()
        else:
            (log.warning if code else log.info)("process ended", why=why)

    def _drain(self) -> None:
        now = self._clock()
        if self._kill_at is None:
            self._kill_at = now + self._drain_s + _GRACE_S
            for child in self._children:
                child.ask_to_stop()
        elif now >= self._kill_at:
            self._kill_at = now + _GRACE_S
            for child in self._children:
                if child.running:
                    Log(process=child.number).error("process killed", why="the drain deadline passed")
                    child.kill()
