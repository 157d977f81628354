"""One of the processes that a supervisor runs: the number stays, a new process takes the place of an old one.

I/O: child processes, sockets.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from cli.processes.restart_policy import FAILED, LONG_RUN_S, RESTART_BACKOFF

_PORT_BYTES = 16


class Child:
    """A place for a process.

    Args:
        number: of the place, from 1.
        command: what is run; its standard input is the link (`link`), all else is this process's own.
        clock: seconds that never run backwards.

    Attributes:
        restart_at: when the next process is due, on the clock; None while one runs and after the last one.
        exit_code: how the last one ended; None before that, and while one runs.
        health_port: where the process answers on loopback; None as long as it has not said so.
    """

    def __init__(
        self, number: int, command: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.number = number
        self.restart_at: float | None = clock()
        self.exit_code: int | None = None
        self.health_port: int | None = None
        self._command = command
        self._clock = clock
        self._began = 0.0
        self._short_runs = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None

    @property
    def running(self) -> bool:
        """Whether a process runs whose end was not seen yet."""
        return self._process is not None

    def start(self) -> int:
        """Start a process; its pid.

        Raises:
            OSError: the system has none left to give.
        """
        self._began, self.restart_at, self.exit_code = self._clock(), None, FAILED
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(self._command, stdin=theirs.fileno())  # noqa: S603 - ours
            except OSError:
                ours.close()
                raise
        self.exit_code = None
        ours.setblocking(False)
        self._link = ours
        return self._process.pid

    def poll(self) -> int | None:
        """Look after the process; the exit code, once, when it has ended."""
        if self._process is None:
            return None
        code = self._process.poll()
        if code is not None:
            self._process = self.health_port = None
            self.exit_code = code
            self.ask_to_stop()
        elif self.health_port is None:
            self._receive_port()
        return code

    def schedule(self) -> int:
        """Have a new process started after a while; milliseconds until then."""
        now = self._clock()
        if now - self._began >= LONG_RUN_S:
            self._short_runs = 0
        wait_ms = RESTART_BACKOFF.wait_ms(self._short_runs)
        self._short_runs += 1
        self.restart_at = now + wait_ms / 1000
        return wait_ms

    def ask_to_stop(self) -> None:
        """Have the process drain and end, and start no other one."""
        self.restart_at = None
        if self._link is not None:
            self._link.close()
            self._link = None

    def kill(self) -> None:
        """End the process at once, if one runs."""
        if self._process is not None:
            self._process.kill()

    def _receive_port(self) -> None:
        # A few bytes that were sent at once come at once.
        if self._link is not None:
            with suppress(OSError, ValueError):
                self.health_port = int(self._link.recv(_PORT_BYTES))
