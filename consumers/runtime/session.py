"""A member in its group: polls, carries batches through, waits out what is down.

I/O: Kafka, the store and the channels, through what it is given.
"""

import time
from collections.abc import Mapping
from threading import Event

from clients.errors import StaleBatch
from clients.log import Log
from consumers.runtime.assignment import PartitionAssigner
from consumers.runtime.batch import Batch
from consumers.runtime.batch_processor import BatchProcessor, Unsettled
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.copy_fence import CopyFence
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.resources import Resources
from consumers.runtime.retry_policy import OUTAGE_BACKOFF, RetryPolicy
from consumers.runtime.status import MemberStatus
from consumers.runtime.store_check import check_store
from schemas.errors import Unreachable
from schemas.times import now_ms

POLL_S = 0.2
JOINING_POLL_S = 0.05
MAX_DELIVERY_BATCH = 100
"""Most records of a batch with deliveries: a crash among them delivers no more than these once again."""
IDLE_CHECK_S = 5.0
"""So often a member with nothing to do makes sure that its store is still there, and as it left it."""
_AHEAD = 10
"""So many batches become one at most, where records wait for their next attempt and others are read on."""
_REJOIN_BACKOFF = RetryPolicy(initial_backoff_ms=2_000, max_backoff_ms=15_000, jitter=lambda: 1.0)


class Session:
    """What a member does from one claim of a slot in the store to the next.

    Args:
        resources: what the member works with, opened.
        fence: looks for members of the group that use a copy of the store.
        sources: subscribed topics, each with the catalogue topic whose records it carries.
        status: where the member reports its state.
        stopping: set by others to end the session after the batch at hand.
    """

    def __init__(
        self,
        resources: Resources,
        fence: CopyFence,
        sources: Mapping[str, str],
        status: MemberStatus,
        stopping: Event,
    ) -> None:
        self._resources = resources
        self._config = resources.config
        self._fence = fence
        self._sources = sources
        self._status = status
        self._stopping = stopping
        max_batch = self._config.max_batch
        self._limit = min(max_batch, MAX_DELIVERY_BATCH) if resources.reaction.channels else max_batch
        self._log = Log(group=resources.reaction.name)
        self._events = resources.events
        self._idle_check_at = 0.0
        self._consumer, self._processor = self._join()

    def run(self) -> None:
        """Poll and process until told to stop.

        Raises:
            CommandEventError: why the group had to stop.
            SlotTaken: the slot was lost with the store's connection.
        """
        failures = 0
        while not self._stopping.is_set():
            try:
                self._poll_once()
            except Unreachable as error:
                self._join_again(error, _REJOIN_BACKOFF.wait_ms(failures))
                failures += 1
            else:
                failures = 0 if self._consumer.joined else failures

    def close(self) -> None:
        """Leave the group; the clock of a machine without members concerns nobody."""
        self._events.clock(None)
        self._consumer.close()

    def _join(self) -> tuple[GroupConsumer, BatchProcessor]:
        self._joining_at: int | None = now_ms()
        resources = self._resources
        start = self._config.start or resources.reaction.start
        assigner = PartitionAssigner(resources.store, start, self._status, resources.failures, self._fence)
        consumer = GroupConsumer(
            self._fence.cluster,
            resources.reaction.name,
            self._sources,
            assigner.assign,
            resources.identity.id,
        )
        committed = CommittedOffsets(consumer, self._fence.cluster, assigner.results_upto, assigner.stored)
        processor = BatchProcessor(resources, consumer, committed)
        consumer.subscribe()
        return consumer, processor

    def _join_again(self, error: Unreachable, wait_ms: int) -> None:
        """Leave, wait, and begin anew.

        An assignment that could not begin is given back; a client that gave up is of no use any more.
        """
        self._events.service_down(error, "joining again", ms=wait_ms)
        self._status.left()
        self._consumer.close()
        self._stopping.wait(wait_ms / 1000)
        self._consumer, self._processor = self._join()

    def _poll_once(self) -> None:
        # While it joins, the assignment is reported as soon as it is there.
        polled = self._consumer.poll(self._limit, POLL_S if self._consumer.joined else JOINING_POLL_S)
        if self._joining_at is not None and (self._consumer.joined or len(polled)):
            # Before anything is decided, and once the group has recorded that this member joined.
            self._resources.clock.compare(self._joining_at)
            self._events.clock(self._resources.clock.difference)
            self._joining_at = None
        if len(polled):
            self._status.batch_started(owned=len(self._consumer.owned))
            self._process_batch(polled)
        elif polled.outage is not None:
            self._events.idle(polled.outage)
        elif self._consumer.joined:
            self._commit_idle()
        self._status.polled(
            joined=self._consumer.joined,
            owned=len(self._consumer.owned),
            records=len(polled.records),
            at_end=polled.at_end,
        )
        self._status.set_paused(self._consumer.pauses.until)

    def _process_batch(self, polled: PolledRecords) -> None:
        batch = Batch.of(polled)
        closes_at = time.monotonic() + self._config.retry_policy.total_ms / 1000
        outages = 0
        while len(batch.polled):
            try:
                self._check_store()
                unsettled = self._processor.process(batch)
            except StaleBatch as stale:  # invariant 4
                self._log.warning("batch dropped: the group moved on", why=str(stale))
                self._consumer.seek_back(batch.polled.first_offsets(), batch.polled.generation)
                return
            except Unreachable as error:
                # No attempt of any record is counted (invariant 8).
                unsettled = self._outage(error, OUTAGE_BACKOFF.wait_ms(outages))
                outages += 1
            else:
                outages = 0
                if unsettled is None:
                    self._batch_done(batch)
                    break
                self._events.waiting(unsettled.outage, unsettled.at - now_ms())
            if not self._wait(unsettled, batch if self._reads_on(unsettled, batch, closes_at) else None):
                return
            self._drop_revoked(batch)
        self._events.recovered()

    def _batch_done(self, batch: Batch) -> None:
        self._status.batch_done(
            effects=batch.effects,
            dead=len(batch.dead),
            duplicates=batch.duplicates,
            discarded=batch.discarded,
        )

    def _reads_on(self, unsettled: Unsettled, batch: Batch, closes_at: float) -> bool:
        """Whether a batch takes on more while it waits, so that records that failed hold up nobody else.

        Not in an outage, which the next records would run into as well; and within bounds, for nothing of a
        batch is committed before all of it is settled.
        """
        room = len(batch.polled) < self._limit * _AHEAD and time.monotonic() < closes_at
        return unsettled.outage is None and room and not batch.pauses

    def _drop_revoked(self, batch: Batch) -> None:
        if self._consumer.generation != batch.polled.generation:
            batch.keep_only(self._consumer.owned_since(batch.polled.generation))

    def _commit_idle(self) -> None:
        try:
            self._check_store(idle=True)
            self._processor.commit_end_offsets()
        except Unreachable as error:
            self._wait(self._outage(error, OUTAGE_BACKOFF.initial_backoff_ms))
        else:
            self._events.idle(None)

    def _check_store(self, *, idle: bool = False) -> None:
        store = self._resources.store
        check_store(store, self._consumer, self._fence.cluster, self._sources)
        if idle and time.monotonic() >= self._idle_check_at:
            store.check()
            self._idle_check_at = time.monotonic() + IDLE_CHECK_S

    def _outage(self, error: Unreachable, wait_ms: int) -> Unsettled:
        self._events.service_down(error, "waiting", ms=wait_ms)
        return Unsettled(at=now_ms() + wait_ms, outage=error)

    def _wait(self, unsettled: Unsettled, growing: Batch | None = None) -> bool:
        """Let time pass as a member of the group.

        Args:
            unsettled: until when.
            growing: takes on what is read meanwhile, which ends the wait; None reads nothing.

        Returns:
            False if told to stop meanwhile, which ends the wait at once.
        """
        # This machine's clock may be set back meanwhile; `FailureTracker` bounds what another one wrote.
        until = time.monotonic() + min(unsettled.at - now_ms(), self._config.max_wait_ms) / 1000
        while not self._stopping.is_set():
            step = max(0.0, min(until - time.monotonic(), POLL_S))
            if growing is None:
                self._consumer.poll_paused(step)
            elif self._read_on(growing, step):
                return True
            if time.monotonic() >= until:
                return True
        return False

    def _read_on(self, batch: Batch, timeout_s: float) -> bool:
        """Whether there was something to read."""
        more = self._consumer.poll(self._limit, timeout_s)
        self._drop_revoked(batch)
        if not len(more):
            return False
        batch.add(more)
        self._status.polled(joined=True, owned=len(self._consumer.owned), records=len(more), at_end=False)
        return True
