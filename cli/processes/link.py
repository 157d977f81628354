"""The link from a consumer process to its supervisor: a socket, which is the process's standard input.

Promise: the process drains and leaves its groups when the other end closes. The supervisor closes it to stop
the process, and the system does when the supervisor is killed: no process is left behind.
Not here: the supervisor's end (`child`).

I/O: standard input, a thread.
"""

import os
import socket
from contextlib import suppress
from threading import Event, Thread

from schemas.errors import UsageError

_STDIN = 0


class SupervisorLink:
    """The end of a process that a supervisor has started.

    Raises:
        UsageError: no supervisor has started this process.
    """

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(fileno=os.dup(_STDIN))
        except OSError as error:
            raise UsageError("--supervised-as is set by --processes; give --processes instead") from error

    def stop_at_end(self, stopping: Event) -> None:
        """Set the event once the supervisor asks to stop, or is gone."""

        def watch() -> None:
            with suppress(OSError):
                while self._socket.recv(1):
                    pass
            stopping.set()

        Thread(target=watch, name="supervisor", daemon=True).start()

    def announce_health_port(self, port: int) -> None:
        """Let the supervisor know where this process answers; nothing is said to one that is gone."""
        with suppress(OSError):
            self._socket.sendall(b"%d\n" % port)
