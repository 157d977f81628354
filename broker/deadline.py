"""Waiting with an end.

Promise: nothing in `broker` waits without one of these.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, Self


class Deadline(NamedTuple):
    """A moment on the monotonic clock, in seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """The moment that is `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """Seconds until the moment, never negative."""
        return max(0.0, self.at - time.monotonic())

    def passed(self) -> bool:
        """Whether the moment is over."""
        return self.left() == 0.0


def wait_until(condition: Callable[[], bool], deadline: Deadline, *, every: float = 0.05) -> bool:
    """Ask `condition` every `every` seconds until it holds; False when the deadline passed first."""
    while not condition():
        if deadline.passed():
            return False
        time.sleep(min(every, deadline.left()))
    return True
