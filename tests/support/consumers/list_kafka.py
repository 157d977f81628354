"""Kafka as lists, and what may befall a process that works with them (`list_member`).

A fault befalls the process at a step: right before or right behind a write of the store or of Kafka.

    dies          the process is gone; `Died` says so to the test, which starts another
    no answer     the write comes about or not, and nobody says which
    rebalances    the group moves on: the first partition is revoked and comes back
    taken over    in the middle of a decision the fullest partition goes to another member, who works on it
                  for a while, and then it comes back
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from hypothesis import strategies as st

from clients.errors import StaleBatch
from clients.records import ProducerRecord
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.records import Committed, ConsumerRecord, Partition
from schemas.errors import BrokerUnreachable, DependencyUnavailable, Position

FAULTS = ("dies", "dies", "no answer", "rebalances", "taken over")
NO_BROKER, NO_STORE = BrokerUnreachable("no answer"), DependencyUnavailable("no answer")


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


class Owner(Protocol):
    """A member, as another one meets it."""

    def take(self, takes: int, turns: int) -> None:
        """Some turns of its loop."""

    def leave(self) -> None:
        """End as one that is told to stop."""


CRASHING_STEPS = st.lists(
    st.builds(
        Step, st.integers(0, 4), st.integers(1, 3), st.none() | st.integers(0, 9), st.sampled_from(FAULTS)
    ),
    max_size=8,
)
"""Lives of members: what they take, and what befalls them."""


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
        crashes: how often a process died, or lost what it was about to store.
        started: starts a member.
    """

    log: dict[Partition, list[ConsumerRecord]]
    committed: dict[Partition, int] = field(default_factory=dict)
    sent: list[ProducerRecord] = field(default_factory=list)
    left: int | None = None
    fault: str = "dies"
    crashes: int = 0
    consumer: "ListConsumer | None" = None
    started: Callable[[], Owner] | None = None

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
        if self.fault == "taken over" or not self._is_reached():
            return
        if self.fault == "dies":
            raise Died
        if self.fault == "no answer":
            raise no_answer
        if refuses:
            raise StaleBatch("the group moved on")
        if self.consumer is not None and no_answer is NO_STORE:
            self.consumer.rebalance()

    def looked_up(self) -> None:
        """A decision is about to be made on what the store has."""
        if self.fault == "taken over" and self.started is not None and self._is_reached():
            self.take_over(self.started)

    def take_over(self, started: Callable[[], Owner], turns: int = 6) -> None:
        """Another member has the fullest partition for so many turns, and leaves."""
        mine, partition = self.consumer, max(self.log, key=lambda each: len(self.log[each]))
        assert mine is not None
        self.crashes += 1
        mine.revoke(partition)
        other = started()
        assert self.consumer is not None
        self.consumer.owned = {partition}
        other.take(99, turns)
        other.leave()
        self.consumer = mine
        mine.assign(partition)

    def _is_reached(self) -> bool:
        """Whether the fault is at this step; it befalls nobody twice."""
        if self.left is None:
            return False
        self.left -= 1
        if self.left >= 0:
            return False
        self.left = None
        return True

    def send(self, records: list[ProducerRecord], offsets: dict[Partition, int], _metadata: Any) -> None:
        """The producer's transaction."""
        self.step(NO_BROKER, refuses=True)
        self.sent += records
        self.committed |= offsets
        self.step(NO_BROKER)


class ListConsumer:
    """What the loop asks of its consumer, answered from the lists."""

    joined = True

    def __init__(self, kafka: ListKafka, assigned: Callable[[Partition], None]) -> None:
        self._kafka = kafka
        self._assigned = assigned
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
        self.revoke(partition)
        self.assign(partition)

    def revoke(self, partition: Partition) -> None:
        self.generation += 1
        self._revoked_in[partition] = self.generation
        self.owned.discard(partition)

    def assign(self, partition: Partition) -> None:
        self.generation += 1
        self.owned.add(partition)
        self.start_offsets[partition] = self._next[partition] = self._kafka.committed[partition]
        self._assigned(partition)

    def poll(self, limit: int, _timeout_s: float) -> PolledRecords:
        records: list[ConsumerRecord] = []
        for partition, log in self._kafka.log.items():
            if partition not in self.owned or self.until.get(partition, 0.0) > time.monotonic():
                continue
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
        self._kafka.step(NO_BROKER, refuses=True)
        self._kafka.committed |= positions
        self._kafka.step(NO_BROKER)

    def pause_until(self, partition: Partition, offset: int, seconds: float) -> None:
        self._next[partition] = offset
        self.until[partition] = time.monotonic() + seconds

    def seek_back(self, positions: dict[Partition, int]) -> None:
        self._next |= positions

    def committed(self, partitions: Any) -> dict[Partition, Committed]:
        return {partition: Committed(self._kafka.committed[partition], "s") for partition in partitions}
