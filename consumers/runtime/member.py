"""One member of a group: joins, carries batches through, waits out what is down, leaves.

I/O: through the inlet, the outlet, the store and the channels.
"""

import time
from collections.abc import Mapping
from threading import Event

import structlog

from clients.cluster import caught_up, cluster_id
from clients.config import Cluster
from clients.errors import StaleBatch
from consumers.runtime.assignment import PartitionAssigner
from consumers.runtime.batch import Batch
from consumers.runtime.batch_processor import BatchProcessor, Resources, Unsettled
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.pool import Channel, DeliveryPool
from consumers.runtime.failures.alarms import service_of
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.kafka.producer import ResultProducer
from consumers.runtime.reaction import Reaction
from consumers.runtime.retry_policy import OUTAGE_BACKOFF
from consumers.runtime.status import MemberStatus
from consumers.runtime.stores.database import SlotTaken
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.codec import Codec
from schemas.errors import NotTheOwner, Unreachable
from schemas.times import now_ms
from schemas.topics import BY_NAME, Kind, dead_letters, retries

POLL_S = 0.2
_LETTERS = 100
"""Most records of a batch with deliveries: a crash among them hands over no more than these once again."""
_AHEAD = 10
"""So many batches become one at most, where records wait for their next attempt and others are read on."""
_REJOIN_S = 2.0


class Member:
    """A consumer group member, run by one thread.

    Args:
        reaction: what it does.
        cluster: where.
        codec: reads messages and writes results.
        store: which store the group has.
        channels: ways to the outside, by name.
        options: see `MemberConfig`.
        pulse: where it reports how it is; read by health checks and the command line.
        stopping: set by others to end the run after the batch at hand.
    """

    def __init__(
        self,
        reaction: Reaction,
        *,
        cluster: Cluster,
        codec: Codec,
        store: StoreAddress,
        channels: Mapping[str, Channel],
        options: MemberConfig,
        pulse: MemberStatus,
        stopping: Event,
    ) -> None:
        check_owner(reaction)
        self._reaction = reaction
        self._cluster = cluster
        self._codec = codec
        self._store_name = store
        self._options = options
        self._limit = min(options.batch, _LETTERS) if reaction.channels else options.batch
        self._pulse = pulse
        self._stopping = stopping
        self._lanes = DeliveryPool(reaction.name, channels, options.workers)
        self._log = structlog.get_logger().bind(group=reaction.name)

    def run(self) -> None:
        """Join, work until told to stop, leave.

        Raises:
            CommandEventError: why the group had to stop.
        """
        try:
            while not self._lived():
                pass
        finally:
            self._lanes.close()

    def _lived(self) -> bool:
        """Whether it came to an end; if not, its slot was lost with its connection and it begins again."""
        name = self._reaction.name
        store = Store(self._store_name)
        try:
            identity = store.identity(cluster_id(self._cluster, self._topics()), now_ms())
            slot = store.claim_slot()
            outlet = ResultProducer(self._cluster, f"cev-{name}-{identity.id[:12]}-{slot}")
            self._pulse.opened(identity.id, slot)
            troubles = FailureTracker(store, longest_wait_ms=self._options.patience.longest_ms)
            self._alarms = troubles.alarms
            tools = Resources(
                reaction=self._reaction,
                codec=self._codec,
                options=self._options,
                store=store,
                identity=identity,
                outlet=outlet,
                lanes=self._lanes,
                troubles=troubles,
            )
            self._join(tools)
            try:
                self._loop(tools)
            finally:
                self._inlet.close()
                outlet.close()
        except SlotTaken as taken:
            # Its transactional id is the other member's now: everything that knows it is made anew.
            self._log.warning("beginning again", why=str(taken))
            return False
        finally:
            store.close()
        return True

    def caught_up(self) -> bool:
        """Whether the whole group, not this member alone, is at the end of its topics; for any thread."""
        return caught_up(self._cluster, self._reaction.name, self._sources())

    def _sources(self) -> dict[str, str]:
        topics = {topic: topic for topic in self._reaction.reads}
        return topics | {retries(self._reaction.name, topic): topic for topic in self._reaction.reads}

    def _topics(self) -> list[str]:
        # Also those that it writes: a missing one would look like an outage, for ever.
        letters = [dead_letters(self._reaction.name, topic) for topic in self._reaction.reads]
        return [*self._sources(), *self._reaction.writes, *letters]

    def _join(self, tools: Resources) -> None:
        start = self._options.start or self._reaction.start
        assigner = PartitionAssigner(tools.store, start, self._pulse, tools.troubles)
        self._inlet = GroupConsumer(
            self._cluster, self._reaction.name, self._sources(), assigner.assign, tools.identity.id
        )
        self._passage = BatchProcessor(tools, self._inlet, assigner.results_upto)
        self._inlet.subscribe()

    def _loop(self, tools: Resources) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Unreachable as error:
                # An assignment that could not begin is given back: leave, wait, join again.
                self._pulse.outage(str(error))
                self._alarms.down(service_of(error), error)
                self._log.warning("joining again", why=str(error))
                self._inlet.close()
                self._stopping.wait(_REJOIN_S)
                self._join(tools)

    def _turn(self) -> None:
        reading = self._inlet.poll(self._limit, POLL_S)
        if len(reading):
            self._pulse.took(owned=len(self._inlet.owned))
            self._handle(reading)
        else:
            self._settle(reading.outage)
        self._pulse.looked(
            joined=self._inlet.joined,
            owned=len(self._inlet.owned),
            took=len(reading.records),
            ended=reading.at_end,
        )
        self._pulse.stand_still(self._inlet.pauses.until)

    def _handle(self, reading: PolledRecords) -> None:
        haul = Batch.of(reading)
        closes = time.monotonic() + self._options.patience.total_ms / 1000
        seen = 0
        while len(haul.reading):
            try:
                pending = self._passage.run(haul)
            except StaleBatch as stale:
                self._log.warning("batch dropped: the group moved on", why=str(stale))
                self._inlet.seek_back(haul.reading.first_offsets(), haul.reading.generation)
                return
            except Unreachable as error:
                self._alarms.down(service_of(error), error)
                pending = Unsettled(at=now_ms() + OUTAGE_BACKOFF.wait_ms(seen), outage=error)
                seen += 1
            else:
                seen = 0
            if pending is None:
                self._pulse.handled(
                    effects=haul.effects,
                    dead=len(haul.dead),
                    duplicates=haul.duplicates,
                    discarded=haul.discarded,
                )
                break
            self._pulse.outage(None if pending.outage is None else str(pending.outage))
            if not self._hold(pending, haul if self._reads_on(pending, haul, closes) else None):
                return
            self._narrow(haul)
        self._pulse.outage(None)

    def _reads_on(self, pending: Unsettled, haul: Batch, closes: float) -> bool:
        """Whether a batch takes on more while it waits, so that records that failed hold up nobody else.

        Not for an outage, which others would only run into; and within bounds, for nothing of a batch is
        committed before all of it is settled.
        """
        room = len(haul.reading) < self._limit * _AHEAD and time.monotonic() < closes
        return pending.outage is None and room and not haul.cuts

    def _narrow(self, haul: Batch) -> None:
        if self._inlet.generation != haul.reading.generation:
            haul.narrow(self._inlet.owned_since(haul.reading.generation))

    def _settle(self, outage: str | None) -> None:
        try:
            self._passage.settle()
        except Unreachable as error:
            outage = str(error)
            self._alarms.down(service_of(error), error)
            self._hold(Unsettled(at=now_ms() + OUTAGE_BACKOFF.first_ms, outage=error))
        self._pulse.outage(outage)

    def _hold(self, pending: Unsettled, growing: Batch | None = None) -> bool:
        """Let time pass as a member of the group; False if told to stop meanwhile, which waits for nothing.

        Args:
            pending: until when, and why.
            growing: takes on what is read meanwhile, which ends the wait; None reads nothing.
        """
        if pending.outage is not None:
            self._log.warning("waiting", why=str(pending.outage), ms=pending.at - now_ms())
        # This machine's clock may be set back meanwhile; `FailureTracker` bounds what another one wrote.
        until = time.monotonic() + min(pending.at - now_ms(), self._options.longest_wait_ms) / 1000
        while not self._stopping.is_set():
            step = max(0.0, min(until - time.monotonic(), POLL_S))
            if growing is None:
                self._inlet.poll_paused(step)
            elif self._read_on(growing, step):
                return True
            if time.monotonic() >= until:
                return True
        return False

    def _read_on(self, haul: Batch, timeout_s: float) -> bool:
        """Whether there was something to read."""
        more = self._inlet.poll(self._limit, timeout_s)
        self._narrow(haul)
        if not len(more):
            return False
        haul.take_on(more)
        self._pulse.looked(joined=True, owned=len(self._inlet.owned), took=len(more), ended=False)
        return True


def check_owner(reaction: Reaction) -> None:
    """Refuse a reaction that reads a command topic which it does not own (design §7, point 10).

    Raises:
        NotTheOwner: naming the topic and its owner.
    """
    for name in reaction.reads:
        topic = BY_NAME[name]
        if topic.kind is Kind.COMMAND and topic.owner != reaction.name:
            raise NotTheOwner(
                f"{reaction.name} reads the command topic {name}, whose only reader is {topic.owner}; "
                "read a fact instead"
            )
