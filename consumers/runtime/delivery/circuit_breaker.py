"""A circuit breaker: what is down is asked by one now and then, not by everybody all the time.

    closed      everything passes; so many failures in a row open it
    open        nothing passes, until the wait is over
    half-open   one probe passes; it closes the breaker, or opens it for longer

A pure state machine: the clock is passed in. It is not safe for several threads; whoever shares it locks.
"""

from collections.abc import Callable
from dataclasses import dataclass

from consumers.runtime.retry_policy import OUTAGE_BACKOFF

FAILURES = 3
"""In a row, until it opens. One failure is often a connection that was closed for being idle."""


@dataclass(slots=True)
class CircuitBreaker:
    """One dependency's breaker.

    Attributes:
        wait_ms: how long it stays open, given how often it opened without a success in between.
        failures: failures in a row.
        opened: how often in a row it was opened.
        until: when the next probe may pass, ms; meaningful while it is open.
        probing: whether a probe is on its way.
    """

    wait_ms: Callable[[int], int]
    failures: int = 0
    opened: int = 0
    until: int = 0
    probing: bool = False

    @property
    def closed(self) -> bool:
        """Whether everything passes."""
        return self.opened == 0

    def admits(self, now: int) -> bool:
        """Whether one more call may pass; a caller who is let through must report how it went."""
        if self.closed:
            return True
        if self.probing or now < self.until:
            return False
        self.probing = True
        return True

    def due(self, now: int) -> int:
        """How many ms to wait before it is worth asking again."""
        return self.wait_ms(0) if self.closed else max(0, self.until - now)

    def succeeded(self) -> None:
        """A call came through: the dependency answers, whatever it said."""
        self.failures = self.opened = 0
        self.probing = False

    def failed(self, now: int) -> None:
        """A call found the dependency down."""
        self.failures += 1
        probe, self.probing = self.probing, False
        if probe or (self.closed and self.failures >= FAILURES):
            self.until = now + self.wait_ms(self.opened)
            self.opened += 1


def for_channel() -> CircuitBreaker:
    """A breaker for a receiver: its wait grows from a quarter of a second to fifteen."""
    return CircuitBreaker(OUTAGE_BACKOFF.wait_ms)
