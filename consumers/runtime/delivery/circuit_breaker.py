"""A circuit breaker: a dependency that is down is probed by one caller now and then, not by all of them.

    closed      every call passes; `FAILURES` failures in a row open it
    open        no call passes, until the wait is over
    half-open   one probe passes; it closes the breaker, or opens it for longer

A pure state machine: the clock is passed in. It is not safe for several threads: callers that share one hold
a lock.
"""

from collections.abc import Callable
from dataclasses import dataclass

from consumers.runtime.retry_policy import OUTAGE_BACKOFF

FAILURES = 3
"""Failures in a row until it opens. A single one may be chance: a connection that broke in use."""


@dataclass(slots=True)
class CircuitBreaker:
    """One dependency's breaker.

    Attributes:
        wait_ms: how long it stays open in ms, given how often it opened without a success in between.
        failures: failures in a row.
        opened: how often in a row it was opened.
        probe_at: when the next probe may pass, ms; meaningful while it is open.
        probing: whether a probe is on its way.
    """

    wait_ms: Callable[[int], int]
    failures: int = 0
    opened: int = 0
    probe_at: int = 0
    probing: bool = False

    @property
    def closed(self) -> bool:
        """Whether every call passes."""
        return self.opened == 0

    def admits(self, now: int) -> bool:
        """Whether one more call may pass; a caller that is let through must report how it went."""
        if self.closed:
            return True
        if self.probing or now < self.probe_at:
            return False
        self.probing = True
        return True

    def wait_left_ms(self, now: int) -> int:
        """How many ms to wait before it is worth calling again."""
        # While one probes, the others wait for how it ends: it may take as long as a connection.
        return self.wait_ms(0) if self.closed or self.probing else max(0, self.probe_at - now)

    def succeeded(self) -> None:
        """A call came through: the dependency answers, with whatever result."""
        self.failures = self.opened = 0
        self.probing = False

    def failed(self, now: int) -> None:
        """A call found the dependency down."""
        self.failures += 1
        was_probe, self.probing = self.probing, False
        if was_probe or (self.closed and self.failures >= FAILURES):
            self.probe_at = now + self.wait_ms(self.opened)
            self.opened += 1


def for_channel() -> CircuitBreaker:
    """A breaker for a receiver: its wait grows from a quarter of a second to fifteen seconds."""
    return CircuitBreaker(OUTAGE_BACKOFF.wait_ms)
