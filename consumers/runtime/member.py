"""One member of a group: opens the group's store, claims a slot in it, and runs sessions until told to stop.

I/O: Kafka, the store and the channels.
"""

from collections.abc import Mapping
from threading import Event

from clients.cluster import caught_up, cluster_id
from clients.config import Cluster
from clients.log import Log
from consumers.runtime.assignment import PartitionAssigner
from consumers.runtime.clock import MemberClock
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.config import MemberConfig
from consumers.runtime.copy_fence import CopyFence
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.events import MemberEvents
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.kafka.producer import ResultProducer
from consumers.runtime.loop import ConsumeLoop
from consumers.runtime.reaction import AnyReaction
from consumers.runtime.resources import Resources
from consumers.runtime.retry_policy import RetryPolicy
from consumers.runtime.status import MemberStatus
from consumers.runtime.store_check import StoreCheck
from consumers.runtime.stores.database import SlotTaken
from consumers.runtime.stores.store import Identity, Store
from databases.address import StoreAddress
from schemas.codec import Codec
from schemas.errors import NotTheOwner, Unreachable
from schemas.times import now_ms
from schemas.topics import BY_NAME, Kind, dead_letter_topic, retry_topic

_REJOIN_BACKOFF = RetryPolicy(initial_backoff_ms=2_000, max_backoff_ms=15_000, jitter=lambda: 1.0)


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
        reaction: AnyReaction,
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
            try:
                self._consume(resources, fence)
            except SlotTaken:
                raise
            except Exception as error:
                resources.events.stopped(error)
                raise
            finally:
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

    def _consume(self, resources: Resources, fence: CopyFence) -> None:
        """Join the group and work; where the client or an assignment failed, leave, wait, and join again."""
        failures = 0
        while not self._stopping.is_set():
            consumer, loop = self._loop(resources, fence)
            try:
                consumer.subscribe()
                loop.run()
            except Unreachable as error:
                failures = 1 if consumer.joined else failures + 1
                wait_ms = _REJOIN_BACKOFF.wait_ms(failures - 1)
                resources.events.service_down(error, "joining again", ms=wait_ms)
                self._status.left()
            else:
                return
            finally:
                # The clock of a machine without members concerns nobody.
                resources.events.clock(None)
                consumer.close()
            self._stopping.wait(wait_ms / 1000)

    def _loop(self, resources: Resources, fence: CopyFence) -> tuple[GroupConsumer, ConsumeLoop]:
        start, sources = self._config.start or self._reaction.start, self._sources()
        assigner = PartitionAssigner(resources.store, start, self._status, resources.failures, fence)
        consumer = GroupConsumer(
            fence.cluster, self._reaction.name, sources, assigner.assign, resources.identity.id
        )
        committed = CommittedOffsets(consumer, fence.cluster, assigner.results_upto, assigner.stored)
        store_check = StoreCheck(resources.store, consumer, fence.cluster, sources)
        loop = ConsumeLoop(
            resources, consumer, committed, store_check, status=self._status, stopping=self._stopping
        )
        return consumer, loop

    def caught_up(self) -> bool:
        """Whether the whole group, not this member alone, is at the end of its topics; for any thread."""
        return caught_up(self._cluster, self._reaction.name, self._sources())

    def _sources(self) -> dict[str, str]:
        topics = {topic: topic for topic in self._reaction.reads}
        return topics | {retry_topic(self._reaction.name, topic): topic for topic in self._reaction.reads}

    def _topics(self) -> list[str]:
        # Also the topics that it writes: a missing one would look like an outage without end.
        dead_letter_topics = [dead_letter_topic(self._reaction.name, topic) for topic in self._reaction.reads]
        written = (*self._reaction.writes, *self._reaction.issues)
        return [*self._sources(), *written, *dead_letter_topics]


def check_owner(reaction: AnyReaction) -> None:
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
