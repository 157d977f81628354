"""What happens to a record that fails: the failure policy, decided without I/O (invariant 8).

    poison      can never be read, or contradicts what was done   dead letter, at once
    transient   may work the next time (`retriable`)              again after a wait; at last a dead letter
    outage      something that we depend on is down               wait; never a dead letter, never counted
    unknown     a payment was asked for, no answer came           again after a wait; never a dead letter

A wait doubles with every attempt and is drawn evenly between nothing and that ("full jitter"), so that many
records that failed together do not come back together.

The bound: a record is tried `attempts` times in all, and its waits together are never longer than the sum of
`min(max_backoff_ms, initial_backoff_ms * 2**n)` for n = 0 .. attempts - 2. With the defaults that is at most
1 + 2 + 4 + 8 = 15 seconds for 5 attempts, to which the attempts add their own time; a receiver that says how
long it wants to be left alone (`Retry-After`) is believed for 5 minutes at most. Counts live in the store, so
neither a restart nor another member starts them anew.

Pure: the random source is given. Nothing here knows what a channel or a table is.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.errors import (
    DeliveryDeferred,
    RecordError,
    UnknownFingerprint,
    UnknownFraming,
    UnknownSchemaId,
    UnknownType,
)

_MAX_DOUBLINGS = 40
"""2**40 ms are 35 years: beyond that the number of attempts changes nothing, and the power stays small."""


MAX_RETRY_AFTER_MS = 300_000
"""How long a receiver is left alone at most because it says so."""


class Retry(NamedTuple):
    """The record failed and is tried again.

    Attributes:
        at: not before; ms since the epoch.
        attempts: how often it was tried by now.
    """

    at: int
    attempts: int


class GiveUp(NamedTuple):
    """The record failed for good and becomes a dead letter, after so many attempts."""

    attempts: int


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a record is tried, and how long it waits in between.

    Attributes:
        attempts: how often a record with transient failures is tried in all; at least 1.
        initial_backoff_ms: bound of the first wait.
        max_backoff_ms: bound of every wait.
        jitter: draws evenly from 0 to 1.
    """

    attempts: int = 5
    initial_backoff_ms: int = 1_000
    max_backoff_ms: int = 30_000
    jitter: Callable[[], float] = random.random

    def next_step(self, error: RecordError, failures: int, now: int) -> Retry | GiveUp:
        """What happens to a record that failed.

        Args:
            error: why it failed this time.
            failures: how often it had failed before.
            now: ms since the epoch.
        """
        attempts = failures + 1
        if not error.retriable or attempts >= self.attempts:
            return GiveUp(attempts)
        asked_for = error.retry_after_ms if isinstance(error, DeliveryDeferred) else 0
        return Retry(now + max(self.wait_ms(failures), min(asked_for, MAX_RETRY_AFTER_MS)), attempts)

    def wait_ms(self, failures: int) -> int:
        """A wait after so many earlier failures, with full jitter; 0 to `max_backoff_ms`."""
        return int(self.jitter() * self.longest_wait_ms(failures))

    def longest_wait_ms(self, failures: int) -> int:
        """The bound of that wait."""
        doubled: int = self.initial_backoff_ms << min(failures, _MAX_DOUBLINGS)
        return min(self.max_backoff_ms, doubled)

    @property
    def total_ms(self) -> int:
        """The bound of all waits of one record together."""
        return sum(self.longest_wait_ms(failures) for failures in range(self.attempts - 1))


OUTAGE_BACKOFF = RetryPolicy(initial_backoff_ms=250, max_backoff_ms=15_000, jitter=lambda: 1.0)
"""Waits of an outage. Without jitter: one member probes one dependency, and a short wait is a busy one."""


def unknown_schema(error: RecordError) -> str | None:
    """Which schema is unknown, in words that are the same for every record of it; None for other errors."""
    return error.what if isinstance(error, UnknownSchemaId | UnknownFingerprint) else None


NO_FRAME = "values that name no schema: neither a registry's frame, nor ours, nor a schema id in a header"


def unknown_kind(error: RecordError) -> str | None:
    """Of which unknown kind a record is, in words that are the same for all of it; None for other errors.

    Besides unknown schemas these are types that a topic does not carry, and values in no frame. They are
    poison among records of other kinds.
    """
    if isinstance(error, UnknownFraming):
        return NO_FRAME
    return error.what if isinstance(error, UnknownType) else unknown_schema(error)
