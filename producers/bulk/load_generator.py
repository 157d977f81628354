"""Placing orders at a steady rate, in whatever mode is in force at each moment."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

from producers.placing.pending_order import Placed
from producers.placing.pipeline import Outcome, Pipeline
from producers.placing.request import OrderRequest
from schemas.errors import CommandEventError

T = TypeVar("T")


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
    """Places orders one after the other as they come; for one run.

    Args:
        placer: places the orders, following the mode.
    """

    def __init__(self, placer: LoadPlacer) -> None:
        self._placer = placer
        self._modes: Counter[str] = Counter()
        self._submitted = 0
        self._failed = 0
        self._error: CommandEventError | None = None
        self._began = self._ended = time.monotonic()

    @property
    def seen(self) -> int:
        """Orders whose outcome is known."""
        return self._modes.total() + self._failed

    @property
    def result(self) -> LoadResult:
        """What came of it, also where the run was broken off: what is not known to be stored has failed."""
        placed = self._modes.total()
        failed = max(self._failed, self._submitted - placed)
        return LoadResult(placed, failed, self._ended - self._began, dict(self._modes), self._error)

    def run(self, orders: Iterable[OrderRequest]) -> LoadResult:
        """Place these orders; returns once each of them is acknowledged or has failed."""
        self._began = time.monotonic()
        try:
            with self._placer.pipeline(self._on_outcome) as pipeline:
                for order in orders:
                    try:
                        pipeline.submit(None, order)
                    except CommandEventError as error:
                        self._error = error
                        break
                    self._submitted += 1
        finally:
            self._ended = time.monotonic()
        self._error = pipeline.fatal_error or self._error
        return self.result

    def _on_outcome(self, _tag: None, outcome: Outcome) -> None:
        if isinstance(outcome, Placed):
            self._modes[outcome.mode.value] += 1
        else:
            self._failed += 1
            self._error = self._error or outcome


def paced(orders: Iterable[T], rate: float) -> Iterator[T]:
    """Orders at a steady rate.

    Each is due at a time counted from the start, so delays are made up for and do not add up.

    Args:
        orders: to be placed.
        rate: maximum per second; 0 is unlimited.
    """
    began = time.monotonic()
    for number, order in enumerate(orders):
        if rate:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield order
