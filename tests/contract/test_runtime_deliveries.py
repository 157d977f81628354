"""Deliveries that fail in any way, with crashes anywhere: each at least once, and one order's one by one.

What is delivered is answered by a result record: once, and not before. The real loop on a real store (SQLite)
with real workers; Kafka is a list.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.registry import named
from consumers.runtime import loop
from consumers.runtime.reaction import Context, Delivery, Effect
from consumers.runtime.retry_policy import RetryPolicy
from schemas.codec import Codec
from schemas.errors import DeliveryDeferred, DeliveryRejected, DependencyUnavailable, Position
from schemas.facts import Fact, OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_RESULTS, ORDERS
from tests.support.consumers.list_kafka import CRASHING_STEPS, ListKafka, Step
from tests.support.consumers.list_member import ListMember, WatchedStore, live, short_lived_store

PARTITIONS = ((ORDERS, 0), (ORDERS, 1))
ATTEMPTS = 3
RETRY_POLICY = RetryPolicy(attempts=ATTEMPTS, jitter=lambda: 0.0)
CODEC = Codec()


class Mail(NamedTuple):
    """One order, and what its receiver says before it takes the mail."""

    partition: int
    answers: tuple[str, ...]
    repeats: bool


class Receiver:
    """A channel that answers each order as it was told, then takes its mail."""

    describe = "receiver"

    def __init__(self, answers: dict[int, list[str]]) -> None:
        self._answers = answers
        self._lock = Lock()
        self._at_once: set[int] = set()
        self.taken: Counter[int] = Counter()
        self.overlaps = 0

    def deliver(self, _delivery: Delivery, key: str, position: Position) -> None:
        order_id = int(key.split("/")[1])
        with self._lock:
            self.overlaps += order_id in self._at_once
            self._at_once.add(order_id)
        try:
            with self._lock:
                answer = self._answers[order_id].pop(0) if self._answers[order_id] else "taken"
            self._say(answer, order_id, position)
        finally:
            with self._lock:
                self._at_once.discard(order_id)

    def _say(self, answer: str, order_id: int, position: Position) -> None:
        if answer == "later":
            raise DeliveryDeferred("full", position)
        if answer == "never":
            raise DeliveryRejected("nobody", position)
        if answer == "down":
            raise DependencyUnavailable("down")
        with self._lock:
            self.taken[order_id] += 1

    def close(self) -> None:
        pass


def react(order: OrderPlaced, context: Context) -> list[Fact]:
    """A mail, and a result that says that it was delivered."""
    delivery = Delivery("email", "a@b.example", "Your order", order.address)
    context.record(Effect("email", "intended", input=order.address, delivery=delivery))
    return [ProductDispatched(order.order_id, order.address, context.now)]


REACTION = replace(named("notification"), react=react, writes=(DISPATCH_RESULTS,), state=None)

mails = st.lists(
    st.builds(
        Mail,
        st.integers(0, 1),
        st.lists(st.sampled_from(["later", "down"]), max_size=2).flatmap(
            lambda answers: st.sampled_from([(*answers,), (*answers, "never")])
        ),
        st.booleans(),
    ),
    max_size=8,
)


@pytest.fixture(autouse=True)
def _outages_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "OUTAGE_BACKOFF", RetryPolicy(initial_backoff_ms=0))


@contextmanager
def lived(history: list[Mail], steps: list[Step]) -> Iterator[tuple[ListKafka, WatchedStore, Receiver]]:
    """A whole life, to the end of the log."""
    kafka = ListKafka({partition: [] for partition in PARTITIONS})
    receiver = Receiver({number: [*mail.answers] for number, mail in enumerate(history)})
    for number, mail in enumerate(history):
        order = OrderPlaced(number, "1 Road", placed_at=2**50, mode_epoch=1, email="a@b.example")
        for _ in range(1 + mail.repeats):
            kafka.put(PARTITIONS[mail.partition], ORDERS, encode_key(number), CODEC.encode(ORDERS, order), [])
    with short_lived_store("notification", kafka) as store:

        def started() -> ListMember:
            return ListMember(kafka, store, REACTION, RETRY_POLICY, {"email": receiver})

        live(kafka, started, steps, kafka.at_the_end)
        yield kafka, store, receiver


def sent(kafka: ListKafka, topic: str) -> Counter[int]:
    """How many records each order has on a topic."""
    return Counter(int.from_bytes(out.key or b"", "big") for out in kafka.sent if out.topic == topic)


@given(mails, CRASHING_STEPS)
@settings(max_examples=60, deadline=None)
def test_each_mail_is_taken_once_or_refused_once_and_only_a_fault_repeats_one(
    history: list[Mail], steps: list[Step]
) -> None:
    with lived(history, steps) as (kafka, store, receiver):
        refused = {number for number, mail in enumerate(history) if "never" in mail.answers}
        letters, results = sent(kafka, "notification.orders.dlq"), sent(kafka, DISPATCH_RESULTS)
        effects = store.find_effects(range(len(history)))
        for number, mail in enumerate(history):
            known = effects.get((number, "email"))
            taken = receiver.taken[number]
            if known is None:
                assert number in refused
            else:
                assert known.outcome == "done"
                assert taken >= 1
            assert taken <= 1 + len([step for step in steps if step.crash is not None])
            assert results[number] == (known is not None), "what is done is answered once, and nothing else"
            assert letters[number] <= 1 + mail.repeats
            if number in refused and not mail.repeats and taken == 0:
                assert letters[number] == 1
        # Two members may be at one mail: what was begun before a partition went is not broken off.
        assert receiver.overlaps == 0 or any(step.fault == "taken over" for step in steps)


def test_nothing_is_repeated_where_nothing_fails() -> None:
    history = [Mail(number % 2, (), repeats=True) for number in range(40)]
    with lived(history, []) as (kafka, _, receiver):
        assert receiver.taken == dict.fromkeys(range(40), 1)
        assert sent(kafka, DISPATCH_RESULTS) == dict.fromkeys(range(40), 1)
        assert len(kafka.sent) == 40
