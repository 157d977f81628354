"""What became of one record at one group that reads it. Pure."""

from collections.abc import Iterable

from operations.verify.evidence import Failure, Offsets, OrderRecord, StoredEffect
from operations.verify.reconciliation import DEAD, DISCARDED, LOST, SETTLED, UNSEEN
from schemas.errors import Position

_NO_FAILURE = Failure()


def state_of(offsets: Offsets, group: str, record: OrderRecord, *, settled: bool) -> int:
    """One of SETTLED to LOST; `settled` says that an effect is what became of the record."""
    if settled:
        return SETTLED
    return state_without_effect(offsets, group, record.position, failure_of(record, group))


def state_without_effect(offsets: Offsets, group: str, position: Position, failure: Failure) -> int:
    """What became of a record that no effect shows."""
    if failure.dead:
        return DEAD
    if failure.redriven is not None and not has_passed(offsets, group, failure.redriven):
        return UNSEEN
    if failure.discarded:
        return DISCARDED
    return LOST if has_passed(offsets, group, position) else UNSEEN


def state_of_all(offsets: Offsets, group: str, records: Iterable[OrderRecord]) -> int:
    """What became of records that owe an effect together that is not there: lost if all were passed."""
    states = [
        state_without_effect(offsets, group, record.position, failure_of(record, group)) for record in records
    ]
    return max((state for state in states if state != LOST), default=LOST)


def settles(effect: StoredEffect | None, record: OrderRecord, content: int) -> bool:
    """Whether an effect is what became of a record: its own, or one of a record that says the same.

    A record that says something else is a conflict: it owes a dead letter.
    """
    return effect is not None and (effect.position == record.position or effect.content == content)


def has_passed(offsets: Offsets, group: str, position: Position) -> bool:
    """Whether a group had committed beyond a position before anything was read."""
    return position.offset < offsets.passed.get(group, {}).get(position.topic_partition, 0)


def below_start(offsets: Offsets, position: Position) -> bool:
    """Whether a position lies below where its log begins."""
    return position.offset < offsets.starts.get(position.topic_partition, 0)


def failure_of(record: OrderRecord, group: str) -> Failure:
    """How a group failed at a record; of one that it handled, no failure."""
    return record.failures.get(group, _NO_FAILURE)
