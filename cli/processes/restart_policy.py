"""Which process is started again, and when; what the supervisor ends with. Pure."""

from collections.abc import Iterable
from enum import Enum, auto
from signal import Signals

from consumers.runtime.retry_policy import RetryPolicy

LONG_RUN_S = 60.0
"""A process that ran for so long begins again with the shortest wait."""

RESTART_BACKOFF = RetryPolicy(initial_backoff_ms=1_000, max_backoff_ms=30_000, jitter=lambda: 1.0)
"""After the process has ended so many times in a row, each time before it had run for long."""

FAILED = 1
_DONE, _USAGE, _REFUSED = 0, 2, 4


class NextStep(Enum):
    """What the end of a process leads to, while nobody asked all of them to stop."""

    RESTART = auto()
    END = auto()
    STOP_ALL = auto()


def next_step(exit_code: int, *, until_idle: bool) -> NextStep:
    """What to do after a process has ended.

    A refusal by a safety rule and a wrong setting would come again with every restart, and in the other
    processes too (design §9).

    Args:
        exit_code: of the process; the negative number of the signal that killed it.
        until_idle: whether processes end by themselves once nothing is left to do. Then one that fails is not
            started again: the others have taken over its partitions, and all of them together must end.
    """
    if exit_code in (_USAGE, _REFUSED):
        return NextStep.STOP_ALL
    return NextStep.END if until_idle else NextStep.RESTART


def worst(exit_codes: Iterable[int]) -> int:
    """The exit code of all processes together; one that a signal killed has failed."""
    return max((FAILED if code < 0 else code for code in exit_codes), default=_DONE)


def describe(exit_code: int) -> str:
    """How a process ended, for the log."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {Signals(-exit_code).name}"
    except ValueError:  # a real-time signal has no name
        return f"killed by signal {-exit_code}"
