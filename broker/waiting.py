"""Waiting with an end.

Promise: nothing in `broker` waits without a `TimeLimit`.
"""

import time
from collections.abc import Callable
from typing import NamedTuple, Self


class TimeLimit(NamedTuple):
    """A moment on the monotonic clock, in seconds, at which a wait ends."""

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


def wait_until(condition: Callable[[], bool], limit: TimeLimit, *, every: float = 0.05) -> bool:
    """Ask `condition` every `every` seconds until it holds; False when the limit passed first."""
    while not condition():
        if limit.passed():
            return False
        time.sleep(min(every, limit.left()))
    return True
