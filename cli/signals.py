"""SIGTERM and SIGINT: the first one asks to stop, a second one ends the process at once.

I/O: signals.
"""

import os
import signal
from threading import Event
from types import FrameType

_KILLED = 1


def stop_on_signals(stopping: Event) -> None:
    """Set an event at the first signal, and end the process at the second.

    The event is to be looked at, and not waited for in this thread: a handler that sets it while this thread
    holds its lock would wait for itself.
    """
    stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            os._exit(_KILLED)
        stopped = True
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
