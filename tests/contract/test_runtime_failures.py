"""Failures of any kind, in any order, with crashes anywhere: every effect once, and in its order's order.

The real processor on a real store (SQLite); Kafka is a list, the clock stands still, and an operator decides
about each dead letter: redriven once its cause is gone, or discarded.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.config import Cluster
from clients.log import Log
from clients.records import ProducerRecord
from consumers.registry import named
from consumers.runtime.batch import Batch
from consumers.runtime.batch_processor import BatchProcessor
from consumers.runtime.clock import MemberClock
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.events import MemberEvents
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.reaction import Context, Effect, Reaction
from consumers.runtime.records import Committed, ConsumerRecord, Partition
from consumers.runtime.resources import Resources
from consumers.runtime.retry_policy import RetryPolicy
from consumers.runtime.status import MemberStatus
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import Position
from schemas.facts import Fact, OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS
from tests.support.stores.stores import template

ATTEMPTS = 3
DLQ, RETRY = "warehouse.orders.dlq", "warehouse.orders.retry"
PARTITIONS: tuple[Partition, ...] = ((DISPATCH_PRODUCTS, 0), (ORDERS, 0), (RETRY, 0))
CODEC = Codec()
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Nobody pulls the plug here: a store in memory keeps hundreds of lives short."""


class Written(NamedTuple):
    """One record of the history: what it is, whose, and how often handling it fails."""

    order_id: int
    topic: str
    fails: int
    poison: bool


class Step(NamedTuple):
    """One batch.

    Attributes:
        takes: how many records of each partition it begins with.
        more: how many of each it takes on at every wait.
        crash: at which step the process dies.
    """

    takes: int
    more: int
    crash: int | None


histories = st.lists(
    st.builds(
        Written,
        st.integers(1, 3),
        st.sampled_from([ORDERS, ORDERS, DISPATCH_PRODUCTS]),
        st.sampled_from([0, 0, 0, 1, 2, ATTEMPTS, ATTEMPTS + 1]),
        st.integers(0, 5).map(lambda n: n == 0),
    ),
    max_size=10,
)
steps = st.lists(
    st.builds(Step, st.integers(1, 5), st.integers(0, 2), st.none() | st.integers(0, 9)), max_size=10
)


class Died(Exception):
    """The process, at a step."""


@dataclass
class World:
    """Kafka, the outside, and an operator; the store is a real one."""

    log: dict[Partition, list[ConsumerRecord]] = field(
        default_factory=lambda: {each: [] for each in PARTITIONS}
    )
    committed: dict[Partition, int] = field(default_factory=lambda: dict.fromkeys(PARTITIONS, 0))
    sent: list[ProducerRecord] = field(default_factory=list)
    fails: dict[str, int] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    made: list[tuple[int, str]] = field(default_factory=list)
    decided: int = 0
    crashes: int = 0
    left: int | None = None

    def write(self, number: int, record: Written) -> None:
        """Put a record on its topic; its address is its name."""
        name = f"record {number:02}"
        message = (
            DispatchProduct(record.order_id, name)
            if record.topic == DISPATCH_PRODUCTS
            else OrderPlaced(record.order_id, name, placed_at=1, mode_epoch=1)
        )
        value = CODEC.encode(record.topic, message)
        self.fails[name] = record.fails
        self.put(
            (record.topic, 0),
            record.topic,
            encode_key(record.order_id),
            value[:-1] if record.poison else value,
            [],
        )

    def put(self, at: Partition, source: str, key: Any, value: bytes | None, headers: Any) -> None:
        where = Position(*at, len(self.log[at]))
        self.log[at].append(ConsumerRecord(where, source, 1, key, value, headers))

    def react(self, message: Any, given: Context) -> list[Fact]:
        name = message.address
        if self.fails[name] > 0:
            self.fails[name] -= 1
            self.failed[name] += 1
            raise TimeoutError("not now")
        given.record(Effect(name, "made", input=name))
        return [ProductDispatched(message.order_id, name, given.now)]

    def step(self) -> None:
        """One step more: the process may die here."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Died

    # what a processor asks of its consumer and its producer

    def owned_since(self, _generation: int) -> set[Partition]:
        return set(PARTITIONS)

    def poll_paused(self, _timeout_s: float) -> None:
        pass

    def offsets(self, positions: dict[Partition, int]) -> dict[Partition, int]:
        return positions

    def commit(self, positions: dict[Partition, int]) -> None:
        self.step()
        self.committed |= positions
        self.step()

    def send(self, records: list[ProducerRecord], offsets: dict[Partition, int], _metadata: Any) -> None:
        self.step()
        self.sent += records
        self.committed |= offsets
        self.step()

    def at_the_end(self) -> bool:
        return all(self.committed[each] == len(self.log[each]) for each in PARTITIONS)

    # an operator

    def letters(self) -> list[ProducerRecord]:
        return [out for out in self.sent if out.topic.endswith(".dlq")]

    def decide(self) -> bool:
        """About each dead letter: redrive what can work now, discard what never will; False: none is new."""
        new = self.letters()[self.decided :]
        self.decided += len(new)
        for letter in new:
            source = letter.topic.split(".")[1]
            try:
                CODEC.decode(source, letter.key, letter.value, Position(source, 0, 0))
            except Exception:  # noqa: BLE001 - whatever it is, it stays so
                ruling = [each for each in letter.headers if each[0].startswith("kafka_dlt-original-")]
                ruling += [("discard-why", b"broken"), ("redrive-of", b"x:0:0")]
                self.put((RETRY, 0), source, letter.key, None, ruling)
            else:
                self.put((RETRY, 0), source, letter.key, letter.value, letter.headers)
        return bool(new)


class Watched(Store):
    """A store that tells of each effect in the order they are made, and at which the process may die."""

    world: World

    def write(self, batch: StoreWrite) -> None:
        self.world.step()
        super().write(batch)
        self.world.made += [(row.order_id, row.effect) for row in batch.effects]
        self.world.step()


class Member:
    """One process's life: a processor over the world, from where Kafka's offsets are."""

    def __init__(self, world: World, store: Watched, reaction: Reaction) -> None:
        self._world = world
        self._lanes = DeliveryPool("warehouse", {}, 1)
        patience = RetryPolicy(attempts=ATTEMPTS, jitter=lambda: 0.0)
        failures = FailureTracker(store, longest_wait_ms=patience.max_backoff_ms)
        identity = store.identity("cluster", 0)
        nowhere = Cluster(bootstrap="nowhere")
        tools = Resources(
            reaction=reaction,
            codec=CODEC,
            config=MemberConfig(retry_policy=patience),
            store=store,
            identity=identity,
            producer=world,  # type: ignore[arg-type]  # the world stands in for it
            pool=self._lanes,
            failures=failures,
            events=MemberEvents(MemberStatus(reaction.name), failures.alarms, Log(group=reaction.name)),
            clock=MemberClock(nowhere, store, identity, began_now=True, skew_ms=5_000),
        )
        tools.failures.load([*PARTITIONS])
        self._at = dict(world.committed)
        inlet: Any = Inlet(world)
        committed = CommittedOffsets(inlet, nowhere, dict(world.committed), {})
        self._processor = BatchProcessor(tools, inlet, committed)

    def take(self, step: Step) -> None:
        batch = Batch.of(self._read(step.takes))
        for _ in range(200):
            if not len(batch.polled) or self._processor.process(batch) is None:
                break
            if len(more := self._read(step.more)):
                batch.add(more)
        else:
            raise AssertionError("the batch does not end")

    def _read(self, takes: int) -> PolledRecords:
        records = []
        for each in PARTITIONS:
            taken = self._world.log[each][self._at[each] :][:takes]
            self._at[each] += len(taken)
            records += taken
        return PolledRecords(records, [])

    def close(self) -> None:
        self._lanes.close()


class Inlet:
    """The world, asked for committed offsets as a client answers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def committed(self, partitions: Any) -> dict[Partition, Committed]:
        return {each: Committed(self._world.committed[each], "s") for each in partitions}


@contextmanager
def lived(history: list[Written], steps: list[Step]) -> Iterator[tuple[World, Watched]]:
    """A whole life: the history with its crashes, then everything that an operator decides, to the end."""
    world = World()
    reaction = replace(named("warehouse"), react=world.react, replaces=None)
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "store.sqlite3"
        shutil.copyfile(template(), path)
        store = Watched(StoreAddress(f"sqlite:///{path}", "warehouse"))
        store.world = world
        for number, record in enumerate(history):
            world.write(number, record)
        member = Member(world, store, reaction)
        rest = iter(steps)
        while True:
            step = next(rest, Step(99, 0, None))
            world.left = step.crash
            try:
                member.take(step)
            except Died:
                world.crashes += 1
                member.close()
                member = Member(world, store, reaction)
            world.left = None
            if (
                all(world.committed[each] == len(world.log[each]) for each in PARTITIONS)
                and not world.decide()
            ):
                break
        member.close()
        yield world, store
        store.close()


def names(history: list[Written], order_id: int | None = None) -> list[str]:
    """Of the records that can ever be handled, in the order in which they were written."""
    return [
        f"record {number:02}"
        for number, record in enumerate(history)
        if not record.poison and order_id in (None, record.order_id)
    ]


def results(world: World) -> list[str]:
    answers = [
        CODEC.decode(out.topic, out.key, out.value, Position(out.topic, 0, 0))
        for out in world.sent
        if out.topic == DISPATCH_RESULTS
    ]
    return [answer.address for answer in answers if isinstance(answer, ProductDispatched)]


@given(histories, steps)
@settings(max_examples=60, deadline=None)
def test_every_effect_is_made_once_and_answered_once_whatever_fails_and_dies(
    history: list[Written], steps: list[Step]
) -> None:
    with lived(history, steps) as (world, _):
        assert sorted(name for _, name in world.made) == names(history)
        assert sorted(results(world)) == names(history)


@given(histories, steps)
@settings(max_examples=40, deadline=None)
def test_the_order_of_an_order_is_kept_but_for_what_was_redriven(
    history: list[Written], steps: list[Step]
) -> None:
    only = [record._replace(topic=ORDERS) for record in history]
    with lived(only, steps) as (world, _):
        late = {f"record {number:02}" for number, record in enumerate(only) if record.fails >= ATTEMPTS}
        for order_id in (1, 2, 3):
            made = [name for order, name in world.made if order == order_id and name not in late]
            assert made == [name for name in names(only, order_id) if name not in late]


@given(histories, steps)
@settings(max_examples=40, deadline=None)
def test_attempts_are_bounded_and_only_a_crash_can_repeat_one(
    history: list[Written], steps: list[Step]
) -> None:
    with lived(history, steps) as (world, _):
        deaths = Counter(letter.value for letter in world.letters())
        for number, record in enumerate(history):
            name = f"record {number:02}"
            if not record.poison:
                died = sum(times for value, times in deaths.items() if name.encode() in (value or b""))
                assert world.failed[name] <= (died + 1) * ATTEMPTS + world.crashes
        for letter in world.letters():
            assert int(dict(letter.headers)["attempts"] or 0) >= 1


def test_a_count_survives_the_process_that_made_it() -> None:
    with lived([Written(1, ORDERS, ATTEMPTS, poison=False)], [Step(1, 0, 3)]) as (world, _):
        assert (world.crashes, world.failed["record 00"]) == (1, ATTEMPTS)
        [letter] = world.letters()
        assert dict(letter.headers)["attempts"] == str(ATTEMPTS).encode()
