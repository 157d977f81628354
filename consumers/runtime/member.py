"""One member of a group: joins, carries batches through, waits out what is down, leaves.

I/O: through the inlet, the outlet, the store and the channels.
"""

import time
from collections.abc import Mapping
from threading import Event

import structlog

from broker.client import Cluster
from consumers.runtime.caught_up import caught_up
from consumers.runtime.inlet import Inlet, StaleBatch, cluster_id
from consumers.runtime.lanes import Channel, Lanes
from consumers.runtime.options import Options
from consumers.runtime.outlet import Outlet
from consumers.runtime.passage import Passage, Tools
from consumers.runtime.pulse import Pulse
from consumers.runtime.reaction import Reaction
from consumers.runtime.reading import Reading
from consumers.runtime.starting import Starting
from consumers.runtime.stores.sql import Store
from schemas.codec import Codec
from schemas.errors import NotTheOwner, Unreachable
from schemas.times import now_ms
from schemas.topics import BY_NAME, Kind, dead_letters, retries

POLL_S = 0.2
_LETTERS = 100
"""Most records of a batch with deliveries: a crash among them hands over no more than these once again."""
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 15.0
_REJOIN_S = 2.0


class Member:
    """A consumer group member, run by one thread.

    Args:
        reaction: what it does.
        cluster: where.
        codec: reads messages and writes results.
        store_url: SQLAlchemy address of the group's store.
        channels: ways to the outside, by name.
        options: see `Options`.
        pulse: where it reports how it is; read by health checks and the command line.
        stopping: set by others to end the run after the batch at hand.
    """

    def __init__(
        self,
        reaction: Reaction,
        *,
        cluster: Cluster,
        codec: Codec,
        store_url: str,
        channels: Mapping[str, Channel],
        options: Options,
        pulse: Pulse,
        stopping: Event,
    ) -> None:
        check_owner(reaction)
        self._reaction = reaction
        self._cluster = cluster
        self._codec = codec
        self._store_url = store_url
        self._options = options
        self._limit = min(options.batch, _LETTERS) if reaction.channels else options.batch
        self._pulse = pulse
        self._stopping = stopping
        self._lanes = Lanes(reaction.name, channels, options.workers)
        self._log = structlog.get_logger().bind(group=reaction.name)

    def run(self) -> None:
        """Join, work until told to stop, leave.

        Raises:
            CommandEventError: why the group had to stop.
        """
        name = self._reaction.name
        store = Store(self._store_url, name)
        try:
            identity = store.identity(cluster_id(self._cluster, self._topics()), now_ms())
            slot = store.claim_slot()
            outlet = Outlet(self._cluster, f"cev-{name}-{identity.id[:12]}-{slot}")
            self._pulse.opened(identity.id, slot)
            tools = Tools(
                reaction=self._reaction,
                codec=self._codec,
                options=self._options,
                store=store,
                identity=identity,
                outlet=outlet,
                lanes=self._lanes,
            )
            self._join(tools)
            try:
                self._loop(tools)
            finally:
                self._inlet.close()
                outlet.close()
        finally:
            self._lanes.close()
            store.close()

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

    def _join(self, tools: Tools) -> None:
        start = self._options.start or self._reaction.start
        starting = Starting(tools.store, start, self._pulse)
        self._inlet = Inlet(
            self._cluster, self._reaction.name, self._sources(), starting.begin, tools.identity.id
        )
        self._passage = Passage(tools, self._inlet, starting.sent_upto)
        self._inlet.subscribe()

    def _loop(self, tools: Tools) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Unreachable as error:
                # An assignment that could not begin is given back: leave, wait, join again.
                self._pulse.outage(str(error))
                self._log.warning("joining again", why=str(error))
                self._inlet.close()
                self._stopping.wait(_REJOIN_S)
                self._join(tools)

    def _turn(self) -> None:
        reading = self._inlet.read(self._limit, POLL_S)
        if reading.records or reading.broken:
            self._pulse.took(owned=len(self._inlet.owned))
            self._handle(reading)
        else:
            self._settle(reading.outage)
        self._pulse.looked(
            joined=self._inlet.joined,
            owned=len(self._inlet.owned),
            took=len(reading.records),
            ended=reading.ended,
        )

    def _handle(self, reading: Reading) -> None:
        positions = reading.positions()
        wait = _FIRST_WAIT_S
        while positions:
            try:
                done = self._passage.run(reading, positions)
            except StaleBatch as stale:
                self._log.warning("batch dropped: the group moved on", why=str(stale))
                self._inlet.rewind(reading.first(), reading.rebalances)
                return
            except Unreachable as error:
                self._pulse.outage(str(error))
                self._log.warning("waiting", why=str(error), seconds=wait)
                if not self._hold(wait):
                    return
                wait = min(wait * 2, _LONGEST_WAIT_S)
                reading = reading.of(self._inlet.held(reading.rebalances))
                positions = reading.positions()
            else:
                self._pulse.handled(effects=done.effects, dead=done.dead, duplicates=done.duplicates)
                break
        self._pulse.outage(None)

    def _settle(self, outage: str | None) -> None:
        try:
            self._passage.settle()
        except Unreachable as error:
            outage = str(error)
            self._hold(_FIRST_WAIT_S)
        self._pulse.outage(outage)

    def _hold(self, seconds: float) -> bool:
        """Keep the membership alive for a while; False if told to stop meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stopping.is_set():
                return False
            self._inlet.keep_alive(min(left, POLL_S))
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
