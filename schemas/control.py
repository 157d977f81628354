"""Control: which way [BUY] is written and coordinated, and since when. `order_mode` is the mode's history."""

from enum import StrEnum
from typing import NamedTuple


class Mode(StrEnum):
    """How [BUY] is written (design §6)."""

    COMMAND = "command"
    SHADOW = "shadow"
    EVENT = "event"


class Flow(StrEnum):
    """Who coordinates the steps that follow [BUY] (design §10)."""

    DIRECT = "direct"
    COLLABORATION = "collaboration"
    PROCESS = "process"


class ModeChanged(NamedTuple):
    """From this epoch on, [BUY] is written in this mode.

    Attributes:
        epoch: number of this record, rising by one; also the record's key.
        mode: the value of a `Mode`; text, so that a later mode does not break earlier readers.
        changed_at: milliseconds since the epoch, UTC.
        changed_by: who ran the command, as user@host.
        why: the operator's reason; may be empty.
        flow: the value of a `Flow`; text for the same reason.
    """

    epoch: int
    mode: str
    changed_at: int
    changed_by: str
    why: str = ""
    flow: str = Flow.DIRECT.value


INITIAL = ModeChanged(epoch=0, mode=Mode.COMMAND.value, changed_at=0, changed_by="", why="")
"""What an empty control topic means."""
