"""What the relay asks of the outbox's database and of Kafka, in its own words. Pure.

`queue.OutboxQueue` and `batch_publisher.BatchPublisher` are the real ones; their methods say what they
promise and raise.
"""

from collections.abc import Sequence
from typing import Protocol

from producers.outbox.batch_publisher import Batch
from producers.outbox.queue import Backlog


class QueuePort(Protocol):
    """What the relay asks of the database; see `queue.OutboxQueue`."""

    def lead(self) -> bool:
        """Be the one relay; False while another one is."""

    def in_doubt(self) -> tuple[str, list[int]]:
        """The batch that was on its way last, and its rows."""

    def waiting(self) -> bool:
        """Whether a row could be published now."""

    def next(self, done: Sequence[int], *, most: int, only: int | None = None) -> Batch | None:
        """Settle the last batch and name the next one."""

    def settle(self, done: Sequence[int]) -> None:
        """Settle the last batch and name none."""

    def refuse(self, row_id: int, why: str) -> None:
        """Put a row aside."""

    def clean(self, until: int) -> int:
        """Delete some rows that were published until then."""

    def backlog(self) -> Backlog:
        """What is not published."""

    def close(self) -> None:
        """Let go of everything."""


class PublisherPort(Protocol):
    """What the relay asks of Kafka; see `batch_publisher.BatchPublisher`."""

    def claim(self) -> str:
        """Become the one writer; the name of the last committed batch."""

    def publish(self, batch: Batch) -> dict[int, str]:
        """Write a batch, all or nothing; what is refused, by row."""

    def close(self) -> None:
        """Let go of everything."""
