"""Reactions that fail, for a process of its own: called in it before it starts to consume.

I/O: a file that counts calls, where the test names one.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

ORDER = 7
"""The order at which a reaction fails."""


def break_sales() -> None:
    """`sales` breaks the rules of a reaction at its first record."""
    import consumers.sales  # noqa: PLC0415 - in the child alone
    from consumers.runtime.reaction import BrokenReaction  # noqa: PLC0415 - the same

    def broken(_message: object, _context: object) -> NoReturn:
        raise BrokenReaction("sales is broken")

    consumers.sales.react = broken  # type: ignore[assignment]  # it never answers


def fail_at_a_fact() -> None:
    """`warehouse` fails for ten minutes at the fact of one order."""
    import consumers.warehouse  # noqa: PLC0415 - in the child alone
    from schemas.facts import OrderPlaced  # noqa: PLC0415 - the same

    consumers.warehouse.react = _failing(
        consumers.warehouse.react, lambda message: type(message) is OrderPlaced
    )
    _retry_after(initial_backoff_ms=600_000, max_backoff_ms=600_000, jitter=lambda: 1.0)


def fail_and_count(first_ms: int) -> None:
    """`sales` fails at one order, and adds an x to the file `$TALLY` each time."""
    import consumers.sales  # noqa: PLC0415 - in the child alone

    def counted(_message: object) -> bool:
        with Path(os.environ["TALLY"]).open("a", encoding="utf-8") as tally:
            tally.write("x")
        return True

    consumers.sales.react = _failing(consumers.sales.react, counted)
    _retry_after(initial_backoff_ms=first_ms, max_backoff_ms=5_000)


def be_impatient() -> None:
    """A member that does not poll for a second counts as stuck."""
    from consumers.runtime import status  # noqa: PLC0415 - in the child alone

    status.STUCK_S = 1.0


def _failing(react: Callable[..., Any], fails: Callable[[Any], bool]) -> Callable[..., Any]:
    def failing(message: Any, context: Any) -> Any:
        if message.order_id == ORDER and fails(message):
            raise TimeoutError("not now")
        return react(message, context)

    return failing


def _retry_after(**policy: object) -> None:
    from consumers.runtime.retry_policy import RetryPolicy  # noqa: PLC0415 - in the child alone

    defaults = RetryPolicy.__init__.__kwdefaults__
    assert defaults is not None
    assert defaults.keys() >= policy.keys()
    defaults.update(policy)
