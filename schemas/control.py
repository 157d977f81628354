"""Control: which way [BUY] is written, and since when. The topic `order_mode` is the mode's history."""

from enum import StrEnum
from typing import NamedTuple


class Mode(StrEnum):
    """How [BUY] is written (design §6)."""

    COMMAND = "command"
    SHADOW = "shadow"
    EVENT = "event"


class ModeChanged(NamedTuple):
    """From this epoch on, [BUY] is written in this mode.

    Attributes:
        epoch: number of this record, rising by one; also the record's key.
        mode: the value of a `Mode`; text, so that a later mode does not break earlier readers.
        changed_at: milliseconds since the epoch, UTC.
        changed_by: who ran the command, as user@host.
        why: the operator's reason; may be empty.
    """

    epoch: int
    mode: str
    changed_at: int
    changed_by: str
    why: str = ""


INITIAL = ModeChanged(epoch=0, mode=Mode.COMMAND.value, changed_at=0, changed_by="", why="")
"""What an empty control topic means."""
