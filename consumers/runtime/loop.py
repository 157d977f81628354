"""The loop of one member in its group: poll, process, commit (see `consumers.runtime`).

    poll -> decode -> decide (new records and retries that are due) -> store -> deliver -> commit

Every turn does so much of it as there is to do, and waits for nothing but the next record: what waits for
its next attempt or for its delivery waits in `assigned`, and a batch that met an outage comes again.

I/O: Kafka, the store and the channels, through what it is given.
"""

import time
from contextlib import suppress
from threading import Event

from clients.errors import StaleBatch
from clients.log import Log
from consumers.runtime.assigned import AssignedPartitions
from consumers.runtime.batch import Batch
from consumers.runtime.batch_processor import MAX_IN_FLIGHT, BatchProcessor
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.garbage import TurnCollector
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.resources import Resources
from consumers.runtime.retry_policy import OUTAGE_BACKOFF
from consumers.runtime.retry_queue import UNTIL_DELIVERED
from consumers.runtime.status import MemberStatus
from consumers.runtime.store_check import StoreCheck
from schemas.errors import Unreachable
from schemas.times import now_ms

POLL_S = 0.2
JOINING_POLL_S = 0.05
_DELIVERING_POLL_S = 0.02
_UNPOLLED_S = 1.0
"""How long deliveries alone may keep a member busy: each pause would throw away what was fetched."""
_AHEAD = 10
"""So many batches are read at most beyond a record that waits; then its partition is paused."""


class ConsumeLoop:
    """What a member does from joining the group to leaving it.

    Args:
        resources: what it works with, opened.
        consumer: subscribed, or about to be.
        committed: what Kafka is known to have.
        store_check: made before each batch.
        status: where the member reports its state.
        stopping: set by others to end the loop after the batch at hand.
    """

    def __init__(
        self,
        resources: Resources,
        consumer: GroupConsumer,
        committed: CommittedOffsets,
        store_check: StoreCheck,
        *,
        status: MemberStatus,
        stopping: Event,
    ) -> None:
        self._consumer = consumer
        self._assigned = AssignedPartitions(consumer, resources.config.max_wait_ms)
        self._processor = BatchProcessor(resources, consumer, self._assigned, committed)
        self._store_check = store_check
        self._clock = resources.clock
        self._joining_at: int | None = now_ms()
        self._pool = resources.pool
        self._pool.resume()
        self._events = resources.events
        self._status = status
        self._stopping = stopping
        max_batch = resources.config.max_batch
        self._delivers = bool(resources.reaction.channels)
        self._limit = min(max_batch, MAX_IN_FLIGHT) if self._delivers else max_batch
        self._log = Log(group=resources.reaction.name)
        self._garbage = TurnCollector()
        self._batch: Batch | None = None
        self._outages = 0
        self._down_until = 0.0
        self._polled_at = 0.0

    def run(self) -> None:
        """Poll and process until told to stop, then finish what is under way.

        Raises:
            CommandEventError: why the group had to stop; `Unreachable` where joining again may help.
            SlotTaken: the slot was lost with the store's connection.
        """
        try:
            while not self._stopping.is_set():
                self.run_once()
        except BaseException:
            # Whatever it was: a delivery that is not stored as done is made again.
            with suppress(Exception):
                self._processor.record_deliveries(self._pool.drain())
            raise
        self._finish()

    def run_once(self) -> None:
        """One turn of the loop.

        Raises:
            CommandEventError, SlotTaken: as `run`.
        """
        if self._batch is None:
            self._garbage.collect()
            self._batch = self._read()
            self._assigned.follow()
        elif not self._outage_is_over():
            return
        batch = self._batch
        if len(batch.polled):
            self._status.batch_started(owned=len(self._consumer.owned))
        try:
            self._compare_clocks(batch)
            self._store_check.check(idle=not len(batch.polled))
            self._processor.process(batch)
        except StaleBatch as stale:  # invariant 4
            self._log.warning("batch dropped: the group moved on", why=str(stale))
            self._start_over()
        except Unreachable as error:
            # No attempt of any record is counted (invariant 8).
            wait_ms = OUTAGE_BACKOFF.wait_ms(self._outages)
            self._outages += 1
            self._down_until = time.monotonic() + wait_ms / 1000
            self._events.service_down(error, "waiting", ms=wait_ms)
        else:
            self._batch, self._outages = None, 0
            self._report(batch)

    def _compare_clocks(self, batch: Batch) -> None:
        """Once, before anything is decided, and when the group has recorded that this member joined."""
        if self._joining_at is not None and (self._consumer.joined or len(batch.polled)):
            self._clock.compare(self._joining_at)
            self._events.clock(self._clock.difference)
            self._joining_at = None

    def _read(self) -> Batch:
        """What there is to do: records, and deliveries that ended; waits a moment for the first of them."""
        wait_s, room = self._poll_s(), self._room()
        ended = self._pool.ended(0.0 if room else wait_s)
        if room:
            polled = self._consumer.poll(room, 0.0 if ended.positions else wait_s)
        elif ended.positions and time.monotonic() - self._polled_at < _UNPOLLED_S:
            return Batch(self._consumer.unread(), ended, asked=False)
        else:
            polled = self._consumer.poll_paused(0.0)
        self._polled_at = time.monotonic()
        return Batch(polled, ended, asked=room > 0)

    def _poll_s(self) -> float:
        """How long to wait for something to do."""
        longest_s = _DELIVERING_POLL_S if self._pool.in_flight else POLL_S
        if not self._consumer.joined:
            longest_s = JOINING_POLL_S  # the assignment is reported as soon as it is there
        if len(self._pool.in_flight) >= MAX_IN_FLIGHT:
            return longest_s  # what is due has its turn once a delivery has ended
        return max(0.0, min(longest_s, (self._assigned.waiting.next_due - now_ms()) / 1000))

    def _room(self) -> int:
        """How many records may be read now: what is under way, and due to be tried again, goes before.

        None in an outage, which the next records would run into as well.
        """
        waiting = self._assigned.waiting
        if self._processor.outage is not None or len(waiting) >= self._limit * _AHEAD:
            return 0
        if not self._delivers:
            return self._limit
        return max(0, self._limit - len(self._pool.in_flight) - len(waiting.due_orders(now_ms())))

    def _outage_is_over(self) -> bool:
        """Let a moment pass as a member of the group; whether the batch at hand may be processed again."""
        wait_s = self._down_until - time.monotonic()
        if wait_s > 0:
            self._consumer.poll_paused(min(wait_s, POLL_S))
        if not self._assigned.current:
            self._start_over()
            return False
        return wait_s <= 0

    def _start_over(self) -> None:
        self._batch = None
        self._assigned.start_over()

    def _report(self, batch: Batch) -> None:
        polled, waiting = batch.polled, self._assigned.waiting
        self._consumer.pauses.hold(self._assigned.tracker.ahead_of(self._limit * _AHEAD))
        if polled.outage is not None:
            self._events.idle(polled.outage)
        elif self._processor.outage is not None:
            if batch.delivered.outages:
                self._events.waiting(self._processor.outage, waiting.next_due - now_ms())
        elif self._consumer.joined and batch.asked:
            self._events.recovered()
        self._status.batch_done(
            effects=batch.effects, dead=batch.dead, duplicates=batch.duplicates, discarded=batch.discarded
        )
        self._status.polled(
            joined=self._consumer.joined,
            owned=len(self._consumer.owned),
            records=len(polled) + len(batch.delivered.positions) + batch.retried,
            at_end=polled.at_end and not len(waiting) and not self._pool.in_flight,
            retries=waiting.next_due != UNTIL_DELIVERED,
        )
        self._status.set_paused(self._consumer.pauses.until)

    def _finish(self) -> None:
        """Wait for deliveries that were begun, and store and commit how they ended."""
        ended = self._pool.drain()
        with suppress(Unreachable, StaleBatch):
            if self._batch is None and self._assigned.current:
                self._processor.process(Batch(self._consumer.unread(), ended))
        with suppress(Unreachable):
            # Also where nothing could be committed: what was delivered is not delivered again.
            self._processor.record_deliveries(self._pool.ended())
