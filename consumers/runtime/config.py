"""How a member runs: the settings of the runtime, as values."""

from dataclasses import dataclass, field

from consumers.runtime.reaction import Context, Start
from consumers.runtime.retry_policy import OUTAGE_BACKOFF, RetryPolicy


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """How a member runs.

    Attributes:
        max_batch: most records of one batch.
        workers: workers for deliveries.
        start: overrides the registry's start at the very first start; None leaves it.
        clock_skew_ms, notify_max_age_ms, payment_timeout_ms, dispatch_timeout_ms, payment_unresolved_ms: see
            `Context`.
        act_on_foreign: see `DecisionRules`.
        retry_policy: when a record that failed is tried again, and when it is given up.
        schema_retry_s: how long a partition is paused at an unknown schema before it is read again.
    """

    max_batch: int = 2_000
    workers: int = 4
    start: Start | None = None
    clock_skew_ms: int = 5_000
    notify_max_age_ms: int = 86_400_000
    payment_timeout_ms: int = 300_000
    dispatch_timeout_ms: int = 900_000
    payment_unresolved_ms: int = 60_000
    act_on_foreign: bool = False
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    schema_retry_s: float = 30.0

    def context(self, *, now: int, first_start_at: int, clock_offset_ms: int) -> Context:
        """What reactions are given besides a message; see `Context`."""
        return Context(
            now=now,
            first_start_at=first_start_at,
            clock_skew_ms=self.clock_skew_ms,
            notify_max_age_ms=self.notify_max_age_ms,
            payment_timeout_ms=self.payment_timeout_ms,
            dispatch_timeout_ms=self.dispatch_timeout_ms,
            payment_unresolved_ms=self.payment_unresolved_ms,
            clock_offset_ms=clock_offset_ms,
        )

    @property
    def max_wait_ms(self) -> int:
        """The longest wait for one batch, whatever time of the next attempt the store holds."""
        return max(self.retry_policy.max_backoff_ms, OUTAGE_BACKOFF.max_backoff_ms)
