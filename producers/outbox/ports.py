"""What the relay needs of the outbox's database and of Kafka. Pure.

`queue.OutboxQueue` and `batch_publisher.BatchPublisher` implement these protocols; their methods say what
they promise and raise.
"""

from collections.abc import Sequence
from typing import Protocol

from producers.outbox.batch_publisher import Batch
from producers.outbox.queue import Backlog


class RelayQueue(Protocol):
    """The rows of an outbox; see `queue.OutboxQueue`."""

    def acquire_leadership(self) -> bool:
        """Become the one relay; False while another one leads."""

    def in_doubt(self) -> tuple[str, list[int]]:
        """The name of the last batch, and the ids of its rows."""

    def waiting(self) -> bool:
        """Whether a row could be published now."""

    def next(self, published: Sequence[int], *, limit: int, only: int | None = None) -> Batch | None:
        """Mark the rows of the last batch as published and name the next one."""

    def mark_published(self, published: Sequence[int]) -> None:
        """Mark the rows of the last batch as published and name no next one."""

    def quarantine(self, row_id: int, reason: str) -> None:
        """Put a row aside that Kafka refuses."""

    def clean(self, until: int) -> int:
        """Delete rows that were published at or before a moment (ms, UTC); returns how many."""

    def backlog(self) -> Backlog:
        """The rows that are not published."""

    def close(self) -> None:
        """Close the connection and give up leadership."""


class RelayPublisher(Protocol):
    """The relay's writer to Kafka; see `batch_publisher.BatchPublisher`."""

    def claim(self) -> str:
        """Become the one writer; returns the name of the last committed batch."""

    def publish(self, batch: Batch) -> dict[int, str]:
        """Write a batch, all or nothing; returns the reason for each row that Kafka refuses."""

    def close(self) -> None:
        """Close the connections."""
