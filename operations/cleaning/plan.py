"""How far a partition may be cleaned. Pure.

A log is only ever cut from its beginning, so the question is where the first record lies that must stay:

    command       the first that its owner has not committed; or whose dead letter nobody has decided, because
                  without it nobody would count that order any more
    timer         as a command
    dead letter   the first that nobody has decided, or whose decision is young
    retry         the first that its owner has not committed; or whose dead letter is still there, because
                  without it that letter would look undecided and could be redriven twice; or that discards a
                  record which is still there, because without it that order would look lost
    all of them   the first that is younger than the limit

Timestamps are whatever producers wrote, so a young record may lie before an old one: then it stays, and all
behind it.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from clients.admin import Partition
from clients.log_reader import LogRecord
from schemas import dead_letters, decisions
from schemas.errors import Position

YOUNG = "younger than the limit"
UNHANDLED = "not handled yet"
UNKNOWN_OWNER = "its owner has committed no offset"
UNDECIDED = "to be decided"
FRESH = "decided a short while ago"
NEEDED = "says what became of a dead letter that is still there"
REMEMBERED = "discards a record that is still there"


class Bound(NamedTuple):
    """Where a partition's cleaning ends at the latest, before its records were looked at.

    Attributes:
        offset: the first offset that stays.
        why: what stops it there; None is the end of the log.
    """

    offset: int
    why: str | None


@dataclass(slots=True)
class Prefix:
    """How far one partition may be cleaned, found by looking at its records in their order.

    Attributes:
        low: where its log begins.
        upto: the first offset that stays.
        records: how many records lie below.
        why: what stops it there; None if nothing stays.
        closed: whether a record that must stay was seen.
    """

    low: int
    upto: int
    why: str | None
    records: int = 0
    closed: bool = False

    def take(self, offset: int, reason: str | None) -> None:
        """Look at the next record.

        Args:
            offset: where it lies.
            reason: why it must stay; None if it may go.
        """
        if self.closed:
            return
        if reason is None:
            self.records += 1
        else:
            self.upto, self.why, self.closed = offset, reason, True


def bound(low: int, end: int, handled: int | None, young: int | None, *, owned: bool) -> Bound:
    """Where the cleaning of a partition ends at the latest.

    Args:
        low: where its log begins.
        end: where it ends for readers of what is committed.
        handled: the offset that its owner has committed, or None.
        young: the first offset of a record that is younger than the limit, or None.
        owned: whether a group has to handle these records.
    """
    limits = [Bound(end, None)]
    if owned:
        limits.append(Bound(low, UNKNOWN_OWNER) if handled is None else Bound(handled, UNHANDLED))
    if young is not None:
        limits.append(Bound(young, YOUNG))
    # The end of the log comes first: nothing stops a partition that may be cleaned as a whole.
    return min(
        (limit._replace(offset=max(limit.offset, low)) for limit in limits), key=lambda limit: limit.offset
    )


def command_stays(record: LogRecord, undecided: Container[Position]) -> str | None:
    """Why a handled command or timer must stay; None if it may go.

    Args:
        record: the record.
        undecided: where the records lie whose dead letters nobody has decided.
    """
    return UNDECIDED if record.position in undecided else None


def letter_stays(*, decided: bool, old: bool) -> str | None:
    """Why a dead letter must stay; None if it may go.

    Args:
        decided: whether somebody has decided about it.
        old: whether that was before the limit.
    """
    if old:
        return None
    return FRESH if decided else UNDECIDED


def retry_stays(record: LogRecord, dead_letter_topic: str, lows: Mapping[Partition, int]) -> str | None:
    """Why a handled record of a retry topic must stay; None if it may go.

    Args:
        record: the record.
        dead_letter_topic: the dead-letter topic that it belongs to.
        lows: where the logs of dead-letter topics and of their sources begin.
    """
    letter = decisions.decided_letter(record.headers, dead_letter_topic)
    if letter is None:
        return None
    if _is_present(Position(dead_letter_topic, *letter), lows):
        return NEEDED
    origin = dead_letters.parse(record.headers).origin
    discards = decisions.is_discard(record.headers)
    return REMEMBERED if discards and origin is not None and _is_present(origin, lows) else None


def _is_present(position: Position, lows: Mapping[Partition, int]) -> bool:
    low = lows.get(position.topic_partition)
    return low is not None and position.offset >= low


def reasons(prefixes: Iterable[Prefix]) -> list[str]:
    """What stops the cleaning of a topic, each once."""
    return sorted({prefix.why for prefix in prefixes if prefix.why is not None})
