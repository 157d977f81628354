"""SIGTERM and SIGINT: the first one asks to stop, a second one ends the process at once.

I/O: signals.
"""

import os
import signal
from threading import Event
from types import FrameType

_KILLED = 1


def stop_on_signals(stopping: Event) -> None:
    """Set an event at the first signal; whoever works looks at it and must not wait on it in this thread."""
    asked = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(_KILLED)
        asked = True
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
