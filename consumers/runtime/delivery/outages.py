"""Which channels are down, as long as records wait for them. Pure."""

from consumers.runtime.delivery.results import DeliveryResults
from schemas.errors import Unreachable


class ChannelOutages:
    """One member's memory of channels that are down."""

    def __init__(self) -> None:
        self._outages: dict[str, Unreachable] = {}

    def note(self, results: DeliveryResults) -> set[str]:
        """Take note of how deliveries ended; a channel that is not among them is as it was.

        Returns:
            Channels that answer.
        """
        answering = results.answering - results.outages.keys()
        known = self._outages | results.outages
        self._outages = {name: error for name, error in known.items() if name not in answering}
        return answering

    def first(self, *, any_waits: bool) -> Unreachable | None:
        """Why one of them is down, or None; where no record waits, nobody will hear that it is up again."""
        if not any_waits:
            self._outages = {}
        return next(iter(self._outages.values()), None)
