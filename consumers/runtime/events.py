"""What happens to one member, reported once and to everybody: its status, the group's alarms and the log.

I/O: the store and the log, through what it is given.
"""

from collections.abc import Collection, Mapping, Sequence

from clients.log import Log
from consumers.runtime.failures.alarms import BROKER, SERVICES, Alarms, service_of
from consumers.runtime.plan import DeadRecord, FailedAttempt
from consumers.runtime.records import Partition
from consumers.runtime.status import MemberStatus
from consumers.runtime.store_copies import StoreUser
from schemas.errors import Position, Unreachable


class MemberEvents:
    """Reports the outages, failures and pauses of one member.

    Args:
        status: the member's state.
        alarms: the group's alarms.
        log: the member's log.
    """

    def __init__(self, status: MemberStatus, alarms: Alarms, log: Log) -> None:
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

    def idle(self, error: Unreachable | None) -> None:
        """There is nothing to read: because of this outage, or because all is read.

        An outage is reported once, however often it is found.
        """
        if error is None:
            self.recovered()
        elif str(error) != self._status.outage:
            self.service_down(error, "waiting")

    def services_up(self) -> None:
        """A batch was committed: the broker, the registry and the store answer."""
        self._alarms.up(*SERVICES)

    def channels(self, down: Mapping[str, Unreachable], answering: Collection[str]) -> None:
        """Deliveries are over: these channels are down, and these took or refused something."""
        for channel, error in down.items():
            self._alarms.down(channel, error)
        self._alarms.up(*answering)

    def waiting(self, error: Unreachable | None, ms: int) -> None:
        """A batch waits for so many ms.

        Args:
            error: the channel that is down, whose alarm is raised already; None if nothing is down.
            ms: how long.
        """
        self._status.outage = None if error is None else str(error)
        if error is not None:
            self._log.warning("waiting", why=str(error), ms=ms)

    def recovered(self) -> None:
        """The member waits for nothing any more, and the broker answers."""
        if self._status.outage is not None:
            self._log.info("going on", after=self._status.outage)
        self._status.outage = None
        self._alarms.up(BROKER)
        self._alarms.runs(self._status.group)

    def clock(self, difference: str | None) -> None:
        """The clock of this machine was compared with the broker's: what is wrong with it, or None."""
        self._alarms.clock(self._status.slot, difference)
        if difference is not None:
            self._log.warning("clock", why=difference)

    def member_without_process(self, user: StoreUser) -> None:
        """The member waits, because another one in its group was killed or uses a copy of its store."""
        self._status.outage = f"{user.name} was killed, or uses a copy of this store"
        self._log.warning("waiting for the session of a member to end", why=self._status.outage)

    def stopped(self, error: Exception) -> None:
        """The group had to stop, and why. The log has it from whoever runs the member."""
        self._alarms.stopped(self._status.group, error)

    def failed(self, attempt: FailedAttempt) -> None:
        """A record failed and is tried again."""
        self._log.warning(
            "failed attempt",
            **_place(attempt.position),
            order_id=_text(attempt.order_id),
            error=attempt.error,
            why=attempt.reason,
            attempts=attempt.attempts.times,
        )

    def dead_letter(self, dead: DeadRecord) -> None:
        """A record goes to the dead letters."""
        self._log.warning(
            "dead letter",
            **_place(dead.record.position),
            order_id=_text(dead.order_id),
            error=type(dead.error).__name__,
            why=dead.error.what,
            attempts=dead.attempts,
        )

    def unread_expiries(self, expiries: Sequence[tuple[Position, str]]) -> None:
        """Commands were carried out whose expiry cannot be read; the log shows the first of them."""
        if expiries:
            self._status.unread_expiries += len(expiries)
            position, text = expiries[0]
            self._log.warning("unread expiry", **_place(position), expiry=text, commands=len(expiries))

    def paused(self, partition: Partition, offset: int, reason: str) -> None:
        """A partition is paused at a record of an unknown schema."""
        self._alarms.pause(partition, reason)
        self._log.warning("unknown schema", **_place(Position(*partition, offset)), why=reason)

    def resumed(self, partition: Partition) -> None:
        """A paused partition goes on."""
        self._alarms.resume(partition)


def _text(order_id: int | None) -> str | None:
    """An order id as design §9 has it: 63 bits do not survive JSON tools."""
    return None if order_id is None else str(order_id)


def _place(position: Position) -> dict[str, object]:
    """Where a record lies, as fields of the log."""
    return position._asdict()
