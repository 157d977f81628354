"""Payments on the real loop, with crashes anywhere, lost answers, refunds, and an operator who interferes.

A real store (SQLite) with real workers; Kafka is a list, and the gateway remembers keys.
"""

import json
from collections import Counter
from threading import Lock
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.flows import payment_steps
from consumers.flows.payment import Payment
from consumers.registry import named
from consumers.runtime import loop, timers
from consumers.runtime.reaction import Delivery
from operations.effects import read_effects
from schemas.commands import CapturePayment, RefundPayment
from schemas.decisions import PaymentResolved, resolve_headers
from schemas.envelope import by_name
from schemas.errors import OutcomeUnknown, Position
from schemas.facts import PaymentCaptured, PaymentFailed, PaymentRefunded, RefundFailed
from schemas.framing import encode_key
from schemas.topics import CAPTURE_PAYMENTS, PAYMENTS
from tests.contract.test_runtime_states import ASKED, CODEC, RETRY_POLICY, TIMERS, TimerKafka
from tests.support.consumers.list_kafka import CRASHING_STEPS, Step
from tests.support.consumers.list_member import ListMember, live, short_lived_store

RETRY = ("payments.capture_payments.retry", 0)
REACTION = named("payments")


class Order(NamedTuple):
    """One order's fate.

    Attributes:
        declined: whether the gateway says no.
        losses: how many answers get lost.
        refund: whether a refund is asked for.
        word: what an operator says about it, at whatever moment; None: nothing.
    """

    declined: bool
    losses: int
    refund: bool
    word: str | None


class Gateway:
    """Does a thing once for a key; says so, or loses its answer as often as it was told."""

    describe = "gateway"

    def __init__(self, orders: list[Order]) -> None:
        self._orders = orders
        self._losses = {number: order.losses for number, order in enumerate(orders)}
        self._lock = Lock()
        self.done: Counter[str] = Counter()

    def deliver(self, delivery: Delivery, key: str, position: Position) -> str:
        number, effect = int(key.split("/")[1]), key.split("/")[2]
        with self._lock:
            answer = self._answer(number, effect, delivery, key)
            if self._losses[number] > 0:
                self._losses[number] -= 1
                raise OutcomeUnknown("the answer is lost", position)
        return json.dumps(answer)

    def close(self) -> None:
        pass

    def _answer(self, number: int, effect: str, delivery: Delivery, key: str) -> dict[str, str]:
        assert delivery.recipient == effect
        if self._orders[number].declined:
            return {"outcome": "declined", "reason": "the card was declined"}
        if effect == "check":
            charged = f"payments/{number}/capture" in self.done
            return {"outcome": "captured", "reference": f"ch-{number}"} if charged else {"outcome": "nothing"}
        if key not in self.done:
            self.done[key] += 1
        outcome = {"capture": "captured", "refund": "refunded"}[effect]
        return {"outcome": outcome, "reference": f"{'ch' if effect == 'capture' else 're'}-{number}"}


def written(orders: list[Order]) -> TimerKafka:
    """The log: all commands, and the operator's words."""
    kafka = TimerKafka({partition: [] for partition in (ASKED, RETRY, *TIMERS)})
    commands: list[CapturePayment | RefundPayment] = [
        CapturePayment(number, 1, "EUR", "tok_ok") for number in range(len(orders))
    ]
    commands += [
        RefundPayment(number, 1, "EUR", f"ch-{number}") for number, order in enumerate(orders) if order.refund
    ]
    for command in commands:
        value = CODEC.encode(CAPTURE_PAYMENTS, command)
        kafka.put(ASKED, CAPTURE_PAYMENTS, encode_key(command.order_id), value, [])
    for number, order in enumerate(orders):
        if order.word is not None:
            reference = f"ch-{number}" if order.word == "captured" else None
            resolved = PaymentResolved(number, order.word, reference, "ada@desk", "x")  # type: ignore[arg-type]  # one of its two
            kafka.put(
                RETRY, CAPTURE_PAYMENTS, encode_key(number), None, resolve_headers(resolved, f"run-{number}")
            )
    return kafka


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "OUTAGE_BACKOFF", type(RETRY_POLICY)(initial_backoff_ms=0))
    monkeypatch.setattr(timers, "_LOOK_S", 0.0)
    monkeypatch.setattr(payment_steps, "_FIRST_INQUIRY_MS", 0)


orders_ = st.builds(
    Order,
    st.booleans(),
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from([None, None, "captured", "failed"]),
)


@given(st.lists(orders_, max_size=4), CRASHING_STEPS)
@settings(max_examples=40, deadline=None)
def test_each_order_is_charged_once_answered_once_and_refunded_once(
    orders: list[Order], steps: list[Step]
) -> None:
    kafka, gateway = written(orders), Gateway(orders)
    with short_lived_store("payments", kafka) as store:

        def is_over() -> bool:
            effects = store.find_effects(range(len(orders)))
            is_open = any(effect.outcome in ("intended", "unresolved") for effect in effects.values())
            return kafka.at_the_end() and not is_open and not store.states.due_timers(2**62, 99)

        live(
            kafka,
            lambda: ListMember(kafka, store, REACTION, RETRY_POLICY, {"gateway": gateway}),
            steps,
            is_over,
        )
        states = store.states.find(Payment, range(len(orders)), []).states
        rows = [*read_effects(store.name)]
    assert set(gateway.done.values()) <= {1}
    assert len(rows) == len({(row.order_id, row.effect) for row in rows})
    facts = [
        CODEC.decode(PAYMENTS, sent.key, sent.value, Position(PAYMENTS, 0, 0), by_name(sent.headers))
        for sent in kafka.sent
        if sent.topic == PAYMENTS
    ]
    assert max(Counter((fact[0], type(fact)) for fact in facts).values(), default=1) == 1, "each is said once"
    for number, order in enumerate(orders):
        heard = {type(fact) for fact in facts if fact[0] == number}
        state: Payment = states[number].state
        assert state.capture is not None
        assert state.capture.reference is None or state.capture.reason is None
        assert heard & {PaymentCaptured, PaymentFailed} == {
            PaymentFailed if state.capture.reference is None else PaymentCaptured
        }
        assert bool(heard & {PaymentRefunded, RefundFailed}) == order.refund
        if not state.capture.by:
            assert (state.capture.reference is None) == order.declined, "the gateway's word"
        elif (state.capture.reference is None) != order.declined:
            assert state.status == "contradicted"
