"""An outage is reported once and reaches everybody: the member's status, the group's alarms and the log.

I/O: the store and the log, through what it is given.
"""

from typing import Any

from consumers.runtime.failures.alarms import Alarms, service_of
from consumers.runtime.status import MemberStatus
from schemas.errors import Unreachable


class OutageReporter:
    """Reports the outages that one member runs into.

    Args:
        status: the member's state.
        alarms: the group's alarms.
        log: a structlog logger.
    """

    def __init__(self, status: MemberStatus, alarms: Alarms, log: Any) -> None:
        self._status = status
        self._alarms = alarms
        self._log = log

    def service_down(self, error: Unreachable, event: str, **details: object) -> None:
        """The broker, the registry or the store is down.

        Args:
            error: says which.
            event: what the member does about it, for the log.
            details: more for the log.
        """
        self._alarms.down(service_of(error), error)
        self._status.outage = str(error)
        self._log.warning(event, why=str(error), **details)

    def waiting(self, error: Unreachable | None, ms: int) -> None:
        """A batch waits for so many ms.

        Args:
            error: the channel that is down, whose alarm is raised already; None if nothing is down.
            ms: how long.
        """
        self._status.outage = None if error is None else str(error)
        if error is not None:
            self._log.warning("waiting", why=str(error), ms=ms)

    def over(self) -> None:
        """The member waits for nothing any more."""
        self._status.outage = None
