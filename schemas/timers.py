"""Timers: a timeout is a record, so that it is handled like any other, once (design §10).

A reaction sets a timer in its store. When it is due, its group writes this record to its own topic
`<group>.timers`.
"""

from typing import NamedTuple


class TimerDue(NamedTuple):
    """A time has come that a consumer group was waiting for.

    Attributes:
        order_id: the order that it is about; also the record's key.
        name: which of the order's timers, e.g. `payment`.
        due_at: the time, milliseconds since the epoch, UTC.
    """

    order_id: int
    name: str
    due_at: int
