"""How a member runs: the settings of the runtime, as values."""

from dataclasses import dataclass, field

from consumers.runtime.reaction import Start
from consumers.runtime.retry_policy import OUTAGE_BACKOFF, RetryPolicy


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """How a member runs.

    Attributes:
        batch: most records of one batch.
        workers: lanes for deliveries.
        start: overrides the registry's start at the very first start; None leaves it.
        clock_skew_ms, notify_max_age_ms: see `Context`.
        act_on_foreign: see `Policy`.
        patience: what happens to a record that fails.
        look_again_s: how long a partition stands still at an unknown schema before it is looked at again.
    """

    batch: int = 2_000
    workers: int = 4
    start: Start | None = None
    clock_skew_ms: int = 5_000
    notify_max_age_ms: int = 86_400_000
    act_on_foreign: bool = False
    patience: RetryPolicy = field(default_factory=RetryPolicy)
    look_again_s: float = 30.0

    @property
    def longest_wait_ms(self) -> int:
        """No wait for one batch is longer, whatever moment somebody wrote down."""
        return max(self.patience.longest_ms, OUTAGE_BACKOFF.longest_ms)
