"""The records of one order, handled one behind the other (invariant 10).

    a record that failed and is tried again     later records of its order wait with it
    a record whose deliveries are under way     the same, until this pass is over

A dead letter holds back nobody: the next record of its order is handled as if it were the first.

Pure. Not here: what one message causes (`decide`), and for how long a record waits (`retry_policy`).
"""

from collections.abc import Mapping
from typing import Protocol

from consumers.runtime.plan import DeadRecord, FailedAttempt, Plan
from consumers.runtime.records import Attempts, Item
from consumers.runtime.retry_policy import GiveUp, RetryPolicy
from schemas.errors import Position, RecordError


class Decider(Protocol):
    """Decides about single items, into its plan."""

    plan: Plan

    def take(self, item: Item) -> RecordError | None:
        """Put what an item causes into the plan, or say why it causes nothing."""


class OrderSequencer:
    """Which records may be handled, in one pass of a batch.

    Args:
        decider: decides about those that may.
        retry_policy: says whether a record that failed is tried again, and when.
        now: ms since the epoch.
        attempts: of records that failed before, how often and when they are tried next.
    """

    def __init__(
        self, decider: Decider, retry_policy: RetryPolicy, now: int, attempts: Mapping[Position, Attempts]
    ) -> None:
        self._decider = decider
        self._plan = decider.plan
        self._retry_policy = retry_policy
        self._now = now
        self._attempts = attempts
        self._any_may_wait = bool(attempts)

    def take(self, item: Item) -> None:
        """Decide about an item, or put it among those that wait."""
        if self._any_may_wait and self._waits(item):
            self._plan.waiting.append(item)
            return
        deliveries = len(self._plan.deliveries)
        error = self._decider.take(item)
        if error is not None:
            self._failed(item, error)
        elif len(self._plan.deliveries) > deliveries:
            self._block(item, until=0)

    def _waits(self, item: Item) -> bool:
        """Whether an earlier record of the item's order waits, or the item itself is not due yet."""
        order_id = item.order_id
        if order_id is None:
            return False
        blocked = self._plan.blocked
        earlier = self._attempts.get(item.record.position)
        if order_id not in blocked and earlier is not None and self._is_ahead(earlier):
            blocked[order_id] = earlier.at
        return order_id in blocked

    def _is_ahead(self, earlier: Attempts) -> bool:
        # An attempt further ahead than any wait was timed before the clock was set back.
        return 0 < earlier.at - self._now <= self._retry_policy.max_backoff_ms

    def _failed(self, item: Item, error: RecordError) -> None:
        position = item.record.position
        earlier = self._attempts.get(position)
        step = self._retry_policy.next_step(error, earlier.times if earlier else 0, self._now)
        if isinstance(step, GiveUp):
            self._plan.dead.append(DeadRecord(item.record, error, step.attempts, item.order_id))
            return
        attempts = Attempts(step.attempts, step.at)
        self._plan.failed_attempts.append(
            FailedAttempt(position, attempts, error.what, type(error).__name__, item.order_id)
        )
        self._plan.waiting.append(item)
        self._block(item, until=step.at)

    def _block(self, item: Item, until: int) -> None:
        if item.order_id is not None:
            self._plan.blocked[item.order_id] = until
            self._any_may_wait = True
