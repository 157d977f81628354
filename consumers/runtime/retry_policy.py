"""What happens to a record that fails: the failure policy, decided without I/O (design §7, point 7).

    poison      can never be read, or contradicts what was done   dead letter, at once
    setback     may work the next time                            again after a while; at last a dead letter
    outage      something that we depend on is down               wait; never a dead letter, never counted

A wait doubles with every attempt, and is drawn evenly between nothing and that ("full jitter": many that
failed together do not come back together).

The bound: a record is tried `attempts` times in all, and its waits together are never longer than the sum of
`min(longest_ms, first_ms * 2**n)` for n = 0 .. attempts - 2. With the defaults that is 5 attempts and at most
1 + 2 + 4 + 8 = 15 seconds, to which the attempts add their own time. Counts live in the store, so neither a
restart nor another member begins anew.

Pure: the random source is given. Nothing here knows what a channel or a table is.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.errors import (
    NoRegistry,
    RecordError,
    TransientFailure,
    UnknownFingerprint,
    UnknownSchemaId,
    Unreachable,
)

_DOUBLINGS = 40
"""2**40 ms are 35 years: behind that the number of attempts changes nothing, and the power stays small."""


class Retry(NamedTuple):
    """It failed, and is tried again.

    Attributes:
        at: not before; ms since the epoch.
        attempts: how often it was tried by now.
    """

    at: int
    attempts: int


class GiveUp(NamedTuple):
    """It failed for good: a dead letter, after so many attempts."""

    attempts: int


class Wait(NamedTuple):
    """It is not the record's fault; nothing is counted. Not before `at`, ms since the epoch."""

    at: int


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often, and how long.

    Attributes:
        attempts: how often a record with setbacks is tried in all; at least 1.
        first_ms: longest first wait.
        longest_ms: longest of all waits.
        chance: draws evenly from 0 to 1.
    """

    attempts: int = 5
    first_ms: int = 1_000
    longest_ms: int = 30_000
    chance: Callable[[], float] = random.random

    def verdict(self, error: RecordError | Unreachable, before: int, now: int) -> Retry | GiveUp | Wait:
        """What happens next, whatever failed.

        Args:
            error: why it failed this time.
            before: how often it had failed before; of an outage, how often it was seen in a row.
            now: ms since the epoch.
        """
        if isinstance(error, Unreachable):
            return Wait(now + self.wait_ms(before))
        return self.judge(error, before, now)

    def judge(self, error: RecordError, before: int, now: int) -> Retry | GiveUp:
        """The same for an error that is about one record."""
        attempts = before + 1
        if may_recover(error) and attempts < self.attempts:
            return Retry(now + self.wait_ms(before), attempts)
        return GiveUp(attempts)

    def wait_ms(self, before: int) -> int:
        """A wait behind so many earlier ones, with full jitter; 0 to `longest_ms`."""
        return int(self.chance() * self.longest_wait_ms(before))

    def longest_wait_ms(self, before: int) -> int:
        """The bound of that wait."""
        doubled: int = self.first_ms << min(before, _DOUBLINGS)
        return min(self.longest_ms, doubled)

    @property
    def total_ms(self) -> int:
        """The bound of all waits of one record together."""
        return sum(self.longest_wait_ms(before) for before in range(self.attempts - 1))


OUTAGE_BACKOFF = RetryPolicy(first_ms=250, longest_ms=15_000, chance=lambda: 1.0)
"""Waits of an outage. Without jitter: one member probes one dependency, and a short wait is a busy one."""


def may_recover(error: RecordError) -> bool:
    """Whether the same record may work the next time.

    A schema may be registered a moment after its first record. A fingerprint stands for a schema that ships
    with the program: no wait helps, and neither does it where no registry is configured.
    """
    return isinstance(error, TransientFailure) or (
        isinstance(error, UnknownSchemaId) and not isinstance(error, NoRegistry)
    )


def unknown_schema(error: RecordError) -> str | None:
    """Which schema is unknown, in words that are the same for every record of it; None for other errors."""
    return error.what if isinstance(error, UnknownSchemaId | UnknownFingerprint) else None
