"""One member of a group: opens the group's store, claims a slot in it, and runs sessions until told to stop.

I/O: Kafka, the store and the channels.
"""

from collections.abc import Mapping
from threading import Event

from clients.cluster import caught_up, cluster_id
from clients.config import Cluster
from clients.log import Log
from consumers.runtime.clock import MemberClock
from consumers.runtime.config import MemberConfig
from consumers.runtime.copy_fence import CopyFence
from consumers.runtime.delivery.pool import Channel, DeliveryPool
from consumers.runtime.events import MemberEvents
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.producer import ResultProducer
from consumers.runtime.reaction import Reaction
from consumers.runtime.resources import Resources
from consumers.runtime.session import Session
from consumers.runtime.status import MemberStatus
from consumers.runtime.stores.database import SlotTaken
from consumers.runtime.stores.store import Identity, Store
from databases.address import StoreAddress
from schemas.codec import Codec
from schemas.errors import NotTheOwner
from schemas.times import now_ms
from schemas.topics import BY_NAME, Kind, dead_letter_topic, retry_topic


class Member:
    """A consumer group member, run by one thread.

    Args:
        reaction: what it does.
        cluster: the Kafka cluster of its topics.
        codec: reads messages and writes results.
        store: address of the group's store.
        channels: ways to the outside, by name.
        config: see `MemberConfig`.
        status: where it reports its state; read by health checks and the command line.
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
        config: MemberConfig,
        status: MemberStatus,
        stopping: Event,
    ) -> None:
        check_owner(reaction)
        self._reaction = reaction
        self._cluster = cluster
        self._codec = codec
        self._address = store
        self._config = config
        self._status = status
        self._stopping = stopping
        self._pool = DeliveryPool(reaction.name, channels, config.workers)
        self._session: Session | None = None
        self._log = Log(group=reaction.name)

    def run(self) -> None:
        """Join, work until told to stop, leave.

        Raises:
            CommandEventError: why the group had to stop.
        """
        try:
            while not self._run_session():
                pass
        finally:
            self._pool.close()

    def _run_session(self) -> bool:
        """Whether the session came to its end; if not, its slot was lost and a new one begins."""
        name = self._reaction.name
        store = Store(self._address)
        try:
            began_at = now_ms()
            identity = store.identity(cluster_id(self._cluster, self._topics()), began_at)
            slot = store.claim_slot()
            self._status.opened(identity.id, slot)
            failures = FailureTracker(store, longest_wait_ms=self._config.retry_policy.max_backoff_ms)
            events = MemberEvents(self._status, failures.alarms, self._log)
            fence = CopyFence(self._cluster, store, identity, slot, now_ms())
            # Before the producer, which would fence the one of a copy in the middle of its transaction.
            fence.wait(self._stopping, events)
            if self._stopping.is_set():
                return True
            producer = ResultProducer(self._cluster, f"cev-{name}-{identity.id[:12]}-{slot}")
            resources = Resources(
                reaction=self._reaction,
                codec=self._codec,
                config=self._config,
                store=store,
                identity=identity,
                producer=producer,
                pool=self._pool,
                failures=failures,
                events=events,
                clock=self._clock(store, identity, began_at),
            )
            self._session = Session(resources, fence, self._sources(), self._status, self._stopping)
            try:
                self._session.run()
            except SlotTaken:
                raise
            except Exception as error:
                resources.events.stopped(error)
                raise
            finally:
                self._session.close()
                producer.close()
        except SlotTaken as taken:
            # The slot's transactional id is another member's now: everything that uses it is created again
            # (invariant 15).
            self._log.warning("beginning again", why=str(taken))
            return False
        finally:
            store.close()
        return True

    def _clock(self, store: Store, identity: Identity, began_at: int) -> MemberClock:
        began_now = identity.created_at == began_at
        return MemberClock(
            self._cluster, store, identity, began_now=began_now, skew_ms=self._config.clock_skew_ms
        )

    def caught_up(self) -> bool:
        """Whether the whole group, not this member alone, is at the end of its topics; for any thread."""
        return caught_up(self._cluster, self._reaction.name, self._sources())

    def _sources(self) -> dict[str, str]:
        topics = {topic: topic for topic in self._reaction.reads}
        return topics | {retry_topic(self._reaction.name, topic): topic for topic in self._reaction.reads}

    def _topics(self) -> list[str]:
        # Also the topics that it writes: a missing one would look like an outage without end.
        dead_letter_topics = [dead_letter_topic(self._reaction.name, topic) for topic in self._reaction.reads]
        return [*self._sources(), *self._reaction.writes, *dead_letter_topics]


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
