"""Failures of any kind, in any order, with crashes anywhere: every effect once, and in its order's order.

The real loop on a real store (SQLite); Kafka is a list, nothing waits long, and an operator decides about
each dead letter: redriven once its cause is gone, or discarded.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.records import ProducerRecord
from consumers.registry import named
from consumers.runtime import loop
from consumers.runtime.reaction import Context, Effect
from consumers.runtime.records import Partition
from consumers.runtime.retry_policy import RetryPolicy
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import Position
from schemas.facts import Fact, OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS
from tests.support.consumers.list_kafka import FAULTS, ListKafka, Step
from tests.support.consumers.list_member import ListMember, WatchedStore, live, short_lived_store

ATTEMPTS = 3
RETRY_POLICY = RetryPolicy(attempts=ATTEMPTS, jitter=lambda: 0.0)
DLQ, RETRY = "warehouse.orders.dlq", "warehouse.orders.retry"
PARTITIONS: tuple[Partition, ...] = ((DISPATCH_PRODUCTS, 0), (ORDERS, 0), (RETRY, 0))
CODEC = Codec()
"""Nobody pulls the plug here: a store in memory keeps hundreds of lives short."""


@pytest.fixture(autouse=True)
def _outages_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "OUTAGE_BACKOFF", RetryPolicy(initial_backoff_ms=0))


class Written(NamedTuple):
    """One record of the history: what it is, whose, and how often handling it fails."""

    order_id: int
    topic: str
    fails: int
    poison: bool


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
    st.builds(
        Step,
        st.integers(0, 5),
        st.integers(1, 3),
        st.none() | st.integers(0, 9),
        st.sampled_from(FAULTS),
    ),
    max_size=10,
)


@dataclass
class World(ListKafka):
    """Kafka, and an operator."""

    fails: dict[str, int] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    decided: int = 0

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

    def react(self, message: Any, given: Context) -> list[Fact]:
        name = message.address
        if self.fails[name] > 0:
            self.fails[name] -= 1
            self.failed[name] += 1
            raise TimeoutError("not now")
        given.record(Effect(name, "made", input=name))
        return [ProductDispatched(message.order_id, name, given.now)]

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


@contextmanager
def lived(history: list[Written], steps: list[Step]) -> Iterator[tuple[World, WatchedStore]]:
    """A whole life: the history with its crashes, then everything that an operator decides, to the end."""
    world = World({partition: [] for partition in PARTITIONS})
    reaction = replace(named("warehouse"), react=world.react, replaces=None)
    with short_lived_store("warehouse", world) as store:
        for number, record in enumerate(history):
            world.write(number, record)
        live(
            world,
            lambda: ListMember(world, store, reaction, RETRY_POLICY),
            steps,
            lambda: world.at_the_end() and not world.decide(),
        )
        yield world, store


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
    with lived(history, steps) as (world, store):
        assert sorted(name for _, name in store.made) == names(history)
        assert sorted(results(world)) == names(history)


@given(histories, steps)
@settings(max_examples=40, deadline=None)
def test_the_order_of_an_order_is_kept_but_for_what_was_redriven(
    history: list[Written], steps: list[Step]
) -> None:
    only = [record._replace(topic=ORDERS) for record in history]
    with lived(only, steps) as (_, store):
        late = {f"record {number:02}" for number, record in enumerate(only) if record.fails >= ATTEMPTS}
        for order_id in (1, 2, 3):
            made = [name for order, name in store.made if order == order_id and name not in late]
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
    with lived([Written(1, ORDERS, ATTEMPTS, poison=False)], [Step(1, 9, 3)]) as (world, _):
        assert (world.crashes, world.failed["record 00"]) == (1, ATTEMPTS)
        [letter] = world.letters()
        assert dict(letter.headers)["attempts"] == str(ATTEMPTS).encode()
