"""Deadlines. Pure but for the clock."""

import time


class Deadline:
    """A moment in the future, in the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until then; never negative."""
        return max(self._until - time.monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        """Whether the moment has come."""
        return time.monotonic() >= self._until
