"""What a way to the outside world promises. No I/O."""

from typing import Protocol

from consumers.runtime.reaction import Delivery
from schemas.errors import Position


class Channel(Protocol):
    """A way to the outside world."""

    @property
    def describe(self) -> str:
        """What a person reads in the start line, e.g. `smtp mail.example:25`."""

    def deliver(self, delivery: Delivery, key: str, position: Position) -> str | None:
        """Hand a message over, at least once; the same key is the same message.

        Args:
            delivery: recipient and text.
            key: the effect key.
            position: the record that caused it, for errors.

        Returns:
            The receiver's answer, JSON text, which the reaction gets (`DeliveryAnswer`); None where there is
            nothing more to say than that it took the message.

        Raises:
            DeliveryRejected: it will never be taken.
            OutcomeUnknown: it was sent, and nobody knows what became of it.
            DeliveryDeferred: the receiver answers, and wants this message later.
            Unreachable: nobody can deliver anything now.
        """

    def close(self) -> None:
        """Close connections; nothing is delivered after it."""
