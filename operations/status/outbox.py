"""The status of an order service's outbox: what waits, since when, and what Kafka refused.

Promises: changes nothing; a database that does not answer is an alarm and not an error, so that the rest of
`cev status` is still shown.

I/O: database (the outbox's backlog).
"""

from typing import NamedTuple

from operations.status.alarms import StatusAlarm
from producers.outbox.queue import Backlog, OutboxQueue
from schemas.counting import counted
from schemas.errors import DependencyUnavailable, OperationFailed

STALE_MS = 60_000
"""An order that waits longer has no running relay, or one that fails."""
_SUBJECT = "outbox"


class OutboxStatus(NamedTuple):
    """The backlog, None if the database did not answer, and the alarms about it."""

    backlog: Backlog | None
    alarms: tuple[StatusAlarm, ...]


def collect_outbox_status(url: str, now: int) -> OutboxStatus:
    """Ask an outbox for its backlog.

    Args:
        url: as CEV_OUTBOX_URL.
        now: ms since the epoch, UTC.

    Raises:
        InvalidSetting: the address is not one of an outbox.
    """
    queue = OutboxQueue(url)
    try:
        queue.identity()
        backlog = queue.backlog()
    except (DependencyUnavailable, OperationFailed) as error:
        return OutboxStatus(None, (StatusAlarm("outage", _SUBJECT, None, str(error)),))
    finally:
        queue.close()
    return OutboxStatus(backlog, tuple(alarms(backlog, now)))


def alarms(backlog: Backlog, now: int) -> list[StatusAlarm]:
    """The alarms that a backlog raises; pure."""
    raised = []
    if backlog.refused:
        text = (
            f"Kafka refused {counted(backlog.refused, 'row')} of the outbox for good, and later rows of "
            "their orders wait: see error in cev_outbox, mend the cause, then `cev relay --retry-refused`"
        )
        raised.append(StatusAlarm("outbox-refused", _SUBJECT, backlog.oldest_at, text))
    elif backlog.oldest_at is not None and now - backlog.oldest_at > STALE_MS:
        waiting = "1 accepted order waits" if backlog.rows == 1 else f"{backlog.rows:,} accepted orders wait"
        text = f"{waiting} in the outbox; does `cev relay` run?"
        raised.append(StatusAlarm("outbox-waits", _SUBJECT, backlog.oldest_at, text))
    return raised
