"""What somebody may have meant by a name that nobody knows. Pure."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches

_CUTOFF = 0.6
_LONGEST = 64
"""Characters of a name that is compared at all: the time grows with the square of its length."""


def did_you_mean(name: str, known: Iterable[str], spelled: Callable[[str], str] = str) -> str:
    """The end of an error's sentence: `; did you mean orders?`, or nothing where no known name is close.

    Args:
        name: as it was typed, in any case.
        known: the names that there are.
        spelled: how a known name is written where it was typed.
    """
    if len(name) > _LONGEST:
        return ""
    by_lower = {candidate.lower(): candidate for candidate in known}
    closest = get_close_matches(name.lower(), by_lower, n=1, cutoff=_CUTOFF)
    return f"; did you mean {spelled(by_lower[closest[0]])}?" if closest else ""
