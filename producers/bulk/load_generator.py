"""Placing orders at a steady rate, in whatever mode is in force at each moment."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from producers.placing.pending_order import Placed
from producers.placing.pipeline import Outcome, Pipeline
from producers.placing.request import OrderRequest
from schemas.errors import CommandEventError


class LoadPlacer(Protocol):
    """What a load generator needs of an order placer."""

    def pipeline(self, on_outcome: Callable[[None, Outcome], None]) -> Pipeline[None]:
        """A pipeline for many orders."""


class LoadResult(NamedTuple):
    """The result of a load.

    Attributes:
        placed: orders that are stored.
        failed: orders that are not known to be stored.
        seconds: from the first submission to the last acknowledgement.
        modes: orders stored in each mode.
        error: why it stopped before the end, or the first order's error; None if every order is stored.
    """

    placed: int
    failed: int
    seconds: float
    modes: dict[str, int]
    error: CommandEventError | None


class LoadGenerator:
    """Places orders at a steady rate; for one run.

    Args:
        placer: places the orders, following the mode.
        rate: maximum orders per second; 0 is unlimited.
    """

    def __init__(self, placer: LoadPlacer, *, rate: float) -> None:
        self._placer = placer
        self._rate = rate
        self._modes: Counter[str] = Counter()
        self._failed = 0
        self._error: CommandEventError | None = None

    @property
    def seen(self) -> int:
        """Orders whose outcome is known."""
        return self._modes.total() + self._failed

    def run(self, orders: Iterator[OrderRequest], count: int) -> LoadResult:
        """Place this many orders; returns once each of them is acknowledged or has failed."""
        start = time.monotonic()
        with self._placer.pipeline(self._on_outcome) as pipeline:
            for number in range(count):
                self._keep_pace(pipeline, start, number)
                try:
                    pipeline.submit(None, next(orders))
                except CommandEventError as error:
                    self._error = error
                    break
        seconds = time.monotonic() - start
        self._error = pipeline.fatal_error or self._error
        return LoadResult(self._modes.total(), self._failed, seconds, dict(self._modes), self._error)

    def _keep_pace(self, pipeline: Pipeline[None], start: float, number: int) -> None:
        # Every order is due at a time counted from the start, so delays are made up for and do not add up.
        if self._rate:
            early = start + number / self._rate - time.monotonic()
            if early > 0:
                pipeline.wait(early)

    def _on_outcome(self, _tag: None, outcome: Outcome) -> None:
        if isinstance(outcome, Placed):
            self._modes[outcome.mode.value] += 1
        else:
            self._failed += 1
            self._error = self._error or outcome
