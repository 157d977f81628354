"""Garbage collection between the turns of the loop, not within them.

A batch keeps tens of thousands of containers alive until it is committed. Python's collector counts
allocations and so runs in the middle of it, again and again, walks all of them and finds nothing: that takes
a third of the time of a record. Between two turns hardly anything is left to walk.

I/O: none; it changes the collector of the process.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

_FULL_S = 30.0
"""How often everything is walked, what has survived for long included."""


@contextmanager
def collected_between_turns() -> Iterator[None]:
    """Meanwhile nothing is collected but by `TurnCollector`. What start-up made is never walked again."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


class TurnCollector:
    """Collects for one loop."""

    def __init__(self) -> None:
        self._full_at = time.monotonic() + _FULL_S

    def collect(self) -> None:
        """Collect what the turns since the last call have left; now and then everything."""
        if gc.isenabled():
            return
        now = time.monotonic()
        if now >= self._full_at:
            self._full_at = now + _FULL_S
            gc.collect()
        else:
            gc.collect(0)
