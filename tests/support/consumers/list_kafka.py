"""Kafka as lists, a store that tells what it does, and a loop over both that may be befallen by anything.

I/O: SQLite files, threads.

A fault befalls the process at a step: right before or right behind a write of the store or of Kafka.

    dies          the process is gone; `Died` says so to the test, which starts another
    no answer     the write comes about or not, and nobody says which
    rebalances    the group moves on: the first partition is revoked and comes back
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, NamedTuple

from clients.config import Cluster
from clients.errors import StaleBatch
from clients.log import Log
from clients.records import ProducerRecord
from consumers.runtime.clock import MemberClock
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.events import MemberEvents
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.loop import ConsumeLoop
from consumers.runtime.reaction import Reaction
from consumers.runtime.records import Committed, ConsumerRecord, Partition
from consumers.runtime.resources import Resources
from consumers.runtime.retry_policy import RetryPolicy
from consumers.runtime.status import MemberStatus
from consumers.runtime.store_check import StoreCheck
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.store import Store
from schemas.codec import Codec
from schemas.errors import BrokerUnreachable, DependencyUnavailable, Position

FAULTS = ("dies", "dies", "no answer", "rebalances")
_NO_BROKER, _NO_STORE = BrokerUnreachable("no answer"), DependencyUnavailable("no answer")


class Step(NamedTuple):
    """Some turns of the loop.

    Attributes:
        takes: how many records of each partition a poll returns.
        turns: how many turns.
        crash: at which step of a write something befalls the process.
        fault: which; see the module.
    """

    takes: int
    turns: int
    crash: int | None
    fault: str = "dies"


class Died(Exception):
    """The process, at a step."""


@dataclass
class ListKafka:
    """The log, the group's offsets, and what befalls whoever works with them.

    Attributes:
        log: by partition.
        committed: the group's offsets.
        sent: what was written in transactions.
        left: so many steps until the fault; None: there is none.
        fault: which.
        crashes: how often a process died.
    """

    log: dict[Partition, list[ConsumerRecord]]
    committed: dict[Partition, int] = field(default_factory=dict)
    sent: list[ProducerRecord] = field(default_factory=list)
    left: int | None = None
    fault: str = "dies"
    crashes: int = 0
    consumer: "ListConsumer | None" = None

    def __post_init__(self) -> None:
        self.committed = dict.fromkeys(self.log, 0)

    def put(self, at: Partition, source: str, key: Any, value: bytes | None, headers: Any) -> None:
        position = Position(*at, len(self.log[at]))
        self.log[at].append(ConsumerRecord(position, source, 1, key, value, headers))

    def at_the_end(self) -> bool:
        return all(self.committed[partition] == len(log) for partition, log in self.log.items())

    def step(self, no_answer: Exception, *, refuses: bool = False) -> None:
        """One step more.

        Args:
            no_answer: what the caller gets where nobody answers.
            refuses: whether a group that moved on refuses this step; it is noticed in others.
        """
        if self.left is None:
            return
        self.left -= 1
        if self.left >= 0:
            return
        self.left = None
        if self.fault == "dies":
            raise Died
        if self.fault == "no answer":
            raise no_answer
        if refuses:
            raise StaleBatch("the group moved on")
        if self.consumer is not None and no_answer is _NO_STORE:
            self.consumer.rebalance()

    def send(self, records: list[ProducerRecord], offsets: dict[Partition, int], _metadata: Any) -> None:
        """The producer's transaction."""
        self.step(_NO_BROKER, refuses=True)
        self.sent += records
        self.committed |= offsets
        self.step(_NO_BROKER)


class ListConsumer:
    """What the loop asks of its consumer, answered from the lists."""

    joined = True

    def __init__(self, kafka: ListKafka) -> None:
        self._kafka = kafka
        self._next = dict(kafka.committed)
        self._revoked_in: dict[Partition, int] = {}
        self.generation = 1
        self.start_offsets = dict(kafka.committed)
        self.end_offsets: dict[Partition, int] = {}
        self.owned = set(kafka.log)
        self.pauses = self
        self.until: dict[Partition, float] = {}
        self.takes = 0

    def rebalance(self) -> None:
        """The first partition goes, and comes back."""
        partition = next(iter(self._kafka.log))
        self.generation += 1
        self._revoked_in[partition] = self.generation
        self.start_offsets[partition] = self._next[partition] = self._kafka.committed[partition]

    def poll(self, limit: int, _timeout_s: float) -> PolledRecords:
        records: list[ConsumerRecord] = []
        for partition, log in self._kafka.log.items():
            taken = log[self._next[partition] :][: min(self.takes, limit - len(records))]
            self._next[partition] += len(taken)
            records += taken
        return PolledRecords(records, [])

    def unread(self) -> PolledRecords:
        return PolledRecords([], [])

    def poll_paused(self, _timeout_s: float) -> PolledRecords:
        return self.unread()

    def hold(self, partitions: set[Partition]) -> None:
        assert not partitions, "histories are short"

    def owned_since(self, generation: int) -> set[Partition]:
        return {partition for partition in self.owned if self._revoked_in.get(partition, 0) <= generation}

    def owns_since(self, partition: Partition, generation: int) -> bool:
        return partition in self.owned_since(generation)

    def offsets(self, positions: dict[Partition, int]) -> dict[Partition, int]:
        return positions

    def commit(self, positions: dict[Partition, int]) -> None:
        self._kafka.step(_NO_BROKER, refuses=True)
        self._kafka.committed |= positions
        self._kafka.step(_NO_BROKER)

    def seek_back(self, positions: dict[Partition, int]) -> None:
        self._next |= positions

    def committed(self, partitions: Any) -> dict[Partition, Committed]:
        return {partition: Committed(self._kafka.committed[partition], "s") for partition in partitions}


class WatchedStore(Store):
    """A store at whose writes something may befall the process; it remembers the order of effects."""

    kafka: ListKafka
    made: list[tuple[int, str]]

    def write(self, batch: StoreWrite) -> None:
        self.kafka.step(_NO_STORE)
        super().write(batch)
        self.made += [(row.order_id, row.effect) for row in batch.effects]
        self.kafka.step(_NO_STORE)


class ListMember:
    """One process's life: the real loop over the lists, from the group's offsets on."""

    def __init__(
        self,
        kafka: ListKafka,
        store: WatchedStore,
        reaction: Reaction,
        retry_policy: RetryPolicy,
        channels: Mapping[str, Channel] | None = None,
    ) -> None:
        self._pool = DeliveryPool(reaction.name, channels or {}, 2)
        failures = FailureTracker(store, longest_wait_ms=retry_policy.max_backoff_ms)
        status = MemberStatus(reaction.name)
        identity, nowhere = store.identity("cluster", 0), Cluster(bootstrap="nowhere")
        resources = Resources(
            reaction=reaction,
            codec=Codec(),
            config=MemberConfig(retry_policy=retry_policy),
            store=store,
            identity=identity,
            producer=kafka,  # type: ignore[arg-type]  # the lists stand in for it
            pool=self._pool,
            failures=failures,
            events=MemberEvents(status, failures.alarms, Log(group=reaction.name)),
            clock=MemberClock(nowhere, store, identity, began_now=True, skew_ms=5_000),
        )
        failures.load([*kafka.log])
        self._consumer = ListConsumer(kafka)
        kafka.consumer = self._consumer
        consumer: Any = self._consumer
        committed = CommittedOffsets(consumer, nowhere, dict(kafka.committed), {})
        store_check = StoreCheck(store, consumer, nowhere, ())
        self._loop = ConsumeLoop(resources, consumer, committed, store_check, status=status, stopping=Event())
        self._loop._joining_at = None  # nobody tells this group's clock

    def take(self, takes: int, turns: int) -> None:
        """Some turns of the loop, each with so many records of each partition at most."""
        self._consumer.takes = takes
        for _ in range(turns):
            self._loop.run_once()

    def close(self) -> None:
        """End; what is under way ends first, as a process takes its threads with it."""
        self._pool.drain()
        self._pool.close()


def live(
    kafka: ListKafka, started: Callable[[], ListMember], steps: Iterable[Step], is_over: Callable[[], bool]
) -> None:
    """Let members live one after the other, as they die, until everything is done.

    Args:
        kafka: the world of all of them.
        started: starts one.
        steps: what they do and what befalls them; behind these they read on unhindered.
        is_over: asked after each step.
    """
    member, rest = started(), iter(steps)
    while not is_over():
        step = next(rest, Step(99, 1, None))
        kafka.left, kafka.fault = step.crash, step.fault
        try:
            member.take(step.takes, step.turns)
        except Died:
            kafka.crashes += 1
            member.close()
            member = started()
        kafka.left = None
    member.close()
