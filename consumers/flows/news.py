"""Which facts are old news to a group that tells people of them (design §8). Pure.

How old a fact is says the broker's record of it, for the clock of a placer may be wrong by days; only what
was placed more than a week before it was recorded counts as history of another system, which somebody has
loaded.
"""

from consumers.runtime.reaction import Context

_HISTORY_MS = 7 * 86_400_000


def is_old(happened_at: int, context: Context) -> bool:
    """Whether something was old news when the group first started.

    Args:
        happened_at: when, as the fact says; ms since the epoch.
        context: of the message.
    """
    recorded_at = context.recorded_at
    is_history = recorded_at <= 0 or happened_at < recorded_at - _HISTORY_MS
    told_at = happened_at if is_history else recorded_at
    return told_at < context.first_start_at - context.notify_max_age_ms
