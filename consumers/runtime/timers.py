"""Timers that are due become records on the group's own topic (design §10).

A timer is fired by the member that owns the partition of its order, with the next Kafka transaction, and is
forgotten once that has come about. Whatever stops a member in between, the timer is fired once more: the
reaction ignores the timer of a step that is over.

I/O: the store, through what it is given.
"""

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from clients.partitioner import partition_of
from clients.records import ProducerRecord
from consumers.runtime.reaction import AnyReaction
from consumers.runtime.records import Partition
from consumers.runtime.stores.state_tables import DueTimer, StateTables
from schemas.codec import Codec
from schemas.envelope import Envelope, to_headers
from schemas.framing import encode_key
from schemas.timers import TimerDue
from schemas.times import now_ms, rfc3339
from schemas.topics import BY_NAME

_LOOK_S = 0.2
"""How often the store is asked: another member may set a timer that this one fires."""
_MAX_DUE = 500


class TimerRecord(NamedTuple):
    """A timer that is due, and its record."""

    timer: DueTimer
    record: ProducerRecord


class Timers:
    """The timers of one group, as one of its members fires them.

    Args:
        reaction: whose.
        codec: writes the records.
        tables: of the group's store.
        owned: says which partitions the member owns.
    """

    def __init__(
        self,
        reaction: AnyReaction,
        codec: Codec,
        tables: StateTables,
        owned: Callable[[], Collection[Partition]],
    ) -> None:
        self._group = reaction.name
        self._topic = reaction.timers
        self._codec = codec
        self._tables = tables
        self._owned = owned
        self._next_look = 0.0

    def due(self) -> list[TimerRecord]:
        """Timers to fire now; asks the store now and then.

        Raises:
            DependencyUnavailable: the store does not answer.
        """
        if self._topic is None or time.monotonic() < self._next_look:
            return []
        now = now_ms()
        timers = self._tables.due_timers(now, _MAX_DUE)
        # More than one look can hold: there is no reason to wait.
        self._next_look = 0.0 if len(timers) == _MAX_DUE else time.monotonic() + _LOOK_S
        owned = self._owned()
        return [
            TimerRecord(timer, self._record(self._topic, timer, now))
            for timer in timers
            if (self._topic, self._partition(self._topic, timer.order_id)) in owned
        ]

    def _partition(self, topic: str, order_id: int) -> int:
        return partition_of(encode_key(order_id), BY_NAME[topic].partitions)

    def _record(self, topic: str, timer: DueTimer, now: int) -> ProducerRecord:
        envelope = Envelope(
            message_id=f"{self._group}/{timer.order_id}/{timer.name}/{timer.due_at}",
            correlation_id=timer.correlation_id,
            causation_id=timer.causation_id,
        )
        headers = to_headers(envelope, record=TimerDue.__name__, source=self._group, at=rfc3339(now))
        message = TimerDue(timer.order_id, timer.name, timer.due_at)
        return ProducerRecord(
            topic, encode_key(timer.order_id), self._codec.encode(topic, message), [*headers]
        )
