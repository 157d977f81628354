"""How `up` reports what it is doing: a value per step, and nothing about how it is drawn.

Promise: every value has a `text` that stands alone as a line; a bar may be drawn from `done` and `total`
where total > 0.
Not here: printing.
"""

from typing import Literal, NamedTuple, Protocol

Stage = Literal["download", "unpack", "ports", "start", "ready"]


class Step(NamedTuple):
    """One step of `up`.

    `text` is a whole line ("downloading Apache Kafka 4.3.1, 12 of 46 files"). `done` and `total` are bytes
    while something is downloaded, and 0 elsewhere.
    """

    stage: Stage
    text: str
    done: int = 0
    total: int = 0


class Report(Protocol):
    """Takes each step as it happens: from any thread, one call at a time, and must return quickly."""

    def __call__(self, step: Step, /) -> None:
        """Show the step, or ignore it."""


def silent(_step: Step, /) -> None:
    """Report nothing."""
