"""A reaction with a state, answers and timers, with crashes anywhere: each order is charged once.

The real loop on a real store (SQLite) with real workers; Kafka is a list, and the gateway remembers keys.
"""

from collections import Counter
from threading import Lock
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.runtime import loop, timers
from consumers.runtime.reaction import Context, Delivery, DeliveryAnswer, Effect, Reaction
from consumers.runtime.retry_policy import RetryPolicy
from schemas.codec import Codec
from schemas.commands import CapturePayment
from schemas.errors import OutcomeUnknown, Position
from schemas.facts import Fact, PaymentCaptured
from schemas.framing import encode_key
from schemas.timers import TimerDue
from schemas.topics import BY_NAME, CAPTURE_PAYMENTS, PAYMENTS, PAYMENTS_TIMERS
from tests.support.consumers.list_kafka import CRASHING_STEPS, ListKafka, Step
from tests.support.consumers.list_member import ListMember, live, short_lived_store

ASKED = (CAPTURE_PAYMENTS, 0)
TIMERS = [(PAYMENTS_TIMERS, number) for number in range(BY_NAME[PAYMENTS_TIMERS].partitions)]
RETRY_POLICY = RetryPolicy(attempts=2, jitter=lambda: 0.0)
CODEC = Codec()


class Payment(NamedTuple):
    """What the reaction remembers: how often the outcome was unknown, too."""

    status: str
    unknown: int = 0


def react(message: CapturePayment | TimerDue | DeliveryAnswer, context: Context) -> list[Fact]:
    """Charge once; where nobody knows, ask again when a timer says so."""
    payment = context.state or Payment("new")
    charge = Effect("capture", "intended", "1 EUR", delivery=Delivery("gateway", "capture", "", "1 EUR"))
    if isinstance(message, DeliveryAnswer):
        if message.answer is None:
            context.save(Payment("unresolved", payment.unknown + 1))
            context.record(Effect("capture", "unresolved", None))
            context.set_timer("inquiry", context.now)
            return []
        context.save(payment._replace(status="captured"))
        context.record(Effect("capture", "captured", None, detail=message.answer))
        return [PaymentCaptured(message.order_id, 1, "EUR", message.answer, context.now, "process")]
    is_due = isinstance(message, TimerDue) and payment.status == "unresolved"
    if payment.status == "new" or is_due:
        context.save(payment._replace(status="capturing"))
        context.record(charge)
    return []


REACTION = Reaction(
    name="payments",
    react=react,
    reads=(CAPTURE_PAYMENTS, PAYMENTS_TIMERS),
    writes=(PAYMENTS,),
    channels=("gateway",),
    start="beginning",
    state=Payment,
    timers=PAYMENTS_TIMERS,
)


class Gateway:
    """Charges a key once; says so, or loses its answer as often as it was told."""

    describe = "gateway"

    def __init__(self, losses: dict[int, int]) -> None:
        self._losses = dict(losses)
        self._lock = Lock()
        self.charged: Counter[str] = Counter()

    def deliver(self, _delivery: Delivery, key: str, position: Position) -> str:
        order_id = int(key.split("/")[1])
        with self._lock:
            if key not in self.charged:
                self.charged[key] += 1
            if self._losses[order_id] > 0:
                self._losses[order_id] -= 1
                raise OutcomeUnknown("the answer is lost", position)
        return f"ref-{key}"

    def close(self) -> None:
        pass


class TimerKafka(ListKafka):
    """Lists in which the group's own timers come back to it."""

    def send(self, records: list[Any], offsets: dict[Any, int], metadata: Any) -> None:
        before = len(self.sent)
        try:
            super().send(records, offsets, metadata)
        finally:
            for record in self.sent[before:]:
                if record.topic == PAYMENTS_TIMERS:
                    self.put(TIMERS[0], PAYMENTS_TIMERS, record.key, record.value, record.headers)


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "OUTAGE_BACKOFF", RetryPolicy(initial_backoff_ms=0))
    monkeypatch.setattr(timers, "_LOOK_S", 0.0)


@given(st.lists(st.integers(0, 5), max_size=6), CRASHING_STEPS)
@settings(max_examples=60, deadline=None)
def test_each_order_is_charged_once_and_answered_once(losses: list[int], steps: list[Step]) -> None:
    kafka = TimerKafka({partition: [] for partition in (ASKED, *TIMERS)})
    gateway = Gateway(dict(enumerate(losses)))
    for order_id in range(len(losses)):
        value = CODEC.encode(CAPTURE_PAYMENTS, CapturePayment(order_id, 1, "EUR", "tok_ok"))
        kafka.put(ASKED, CAPTURE_PAYMENTS, encode_key(order_id), value, [])
    with short_lived_store("payments", kafka) as store:

        def started() -> ListMember:
            return ListMember(kafka, store, REACTION, RETRY_POLICY, {"gateway": gateway})

        def is_over() -> bool:
            effects = store.find_effects(range(len(losses)))
            captured = [effect for effect in effects.values() if effect.outcome == "captured"]
            waits = store.states.due_timers(2**62, 99)
            return kafka.at_the_end() and len(captured) == len(losses) and not waits

        live(kafka, started, steps, is_over)
        states = store.states.find(Payment, range(len(losses)), []).states
    for order_id, lost in enumerate(losses):
        assert gateway.charged[f"payments/{order_id}/capture"] == 1
        assert states[order_id].state.status == "captured"
        if not any(step.crash is not None for step in steps):
            assert states[order_id].state.unknown == lost // RETRY_POLICY.attempts
    facts = Counter(record.key for record in kafka.sent if record.topic == PAYMENTS)
    assert facts == {encode_key(order_id): 1 for order_id in range(len(losses))}
