"""A placer's clock beside the broker's, as the reports about its facts tell.

Orders carry this machine's time: when they were placed, and the deadline that `expires_in` makes of it. A
placer has no store for an alarm, so a clock that is wrong is said in its log, once a minute.

I/O: the log.
"""

import time

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from clients.broker_clock import clock_offset_ms
from clients.log import Log
from schemas.times import now_ms

MAX_OFFSET_MS = 5_000
_LOOK_S = 1.0
_EVERY_S = 60.0


class ClockCheck:
    """Compares clocks, once a second, at the report of a record that the broker has stamped."""

    def __init__(self) -> None:
        self._log = Log()
        self._next_at = 0.0

    def reported(self, message: Message, rendered_at: int) -> None:
        """Take a report.

        Args:
            message: the record as it is stored.
            rendered_at: our clock before it was sent, ms since the epoch.
        """
        now = time.monotonic()
        if now < self._next_at:
            return
        kind, stamped_at = message.timestamp()
        if kind != TIMESTAMP_LOG_APPEND_TIME:
            return
        self._next_at = now + _LOOK_S
        offset = clock_offset_ms(stamped_at, asked_at=rendered_at, answered_at=now_ms())
        if abs(offset) <= MAX_OFFSET_MS:
            return
        self._next_at = now + _EVERY_S
        differs = f"{abs(offset) / 1000:,.0f} s {'behind' if offset > 0 else 'ahead of'}"
        self._log.warning(
            "clock", why=f"this clock is {differs} the broker's: orders carry wrong times and deadlines"
        )
