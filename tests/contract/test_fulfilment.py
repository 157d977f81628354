"""The process manager with crashes anywhere: its state is the fold of its facts, and it issues nothing twice.

The real loop on a real store (SQLite); Kafka is a list, and so are those who carry out the commands: they
answer each order as the test drew it, once, twice or never. Every timer is due at once.
"""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.flows.process import Process
from consumers.registry import named
from consumers.runtime import loop, timers
from consumers.runtime.retry_policy import RetryPolicy
from schemas.codec import Codec
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from schemas.framing import encode_key
from schemas.topics import BY_NAME, DISPATCH_RESULTS, FULFILMENT_TIMERS, ORDERS, PAYMENTS
from tests.support.consumers.list_kafka import CRASHING_STEPS, ListKafka, Step
from tests.support.consumers.list_member import ListMember, live, short_lived_store
from tests.support.consumers.records import NOW

REACTION = named("fulfilment")
RETRY_POLICY = RetryPolicy(attempts=2, jitter=lambda: 0.0)
CODEC = Codec()
PARTITIONS = [(topic, 0) for topic in (ORDERS, PAYMENTS, DISPATCH_RESULTS)] + [
    (FULFILMENT_TIMERS, number) for number in range(BY_NAME[FULFILMENT_TIMERS].partitions)
]


FLOW = "process"
RESULTS: dict[str, Any] = {
    "captured": lambda order_id: (PAYMENTS, PaymentCaptured(order_id, 0, "EUR", "ch_1", NOW, FLOW)),
    "failed": lambda order_id: (PAYMENTS, PaymentFailed(order_id, "declined", NOW, FLOW)),
    "dispatched": lambda order_id: (DISPATCH_RESULTS, ProductDispatched(order_id, "1 Road", NOW, FLOW)),
    "rejected": lambda order_id: (DISPATCH_RESULTS, DispatchRejected(order_id, "no", NOW, FLOW)),
    "expired": lambda order_id: (DISPATCH_RESULTS, DispatchExpired(order_id, NOW, NOW, FLOW)),
    "refunded": lambda order_id: (PAYMENTS, PaymentRefunded(order_id, 0, "EUR", "re_1", NOW, FLOW)),
    "not refunded": lambda order_id: (PAYMENTS, RefundFailed(order_id, "closed", NOW, FLOW)),
}
STEPS = {name: step for step, name in enumerate(("CapturePayment", "DispatchProduct", "RefundPayment"))}
Life = tuple[str | None, ...]
"""How an order's commands are answered, one after the other; None: not at all."""
TOLD = "SendNotification/email/"
ENDS: dict[Life, tuple[str, list[str]]] = {
    (None,): ("payment unresolved", []),
    ("failed",): ("failed", [f"{TOLD}payment-failed"]),
    ("captured", None): ("dispatch overdue", ["DispatchProduct"]),
    ("captured", "dispatched"): ("completed", ["DispatchProduct", f"{TOLD}dispatched"]),
} | {
    ("captured", refused, *refund): (status, ["DispatchProduct", "RefundPayment", *told])
    for refused in ("rejected", "expired")
    for refund, status, told in (
        ((None,), "refund overdue", []),
        (("refunded",), "refunded", [f"{TOLD}refunded"]),
        (("not refunded",), "refund failed", []),
    )
}
"""The status at last, and the commands that are issued after the first ones."""
lives = st.lists(st.sampled_from([*ENDS]), max_size=5)


class AnsweringKafka(ListKafka):
    """Lists in which commands are answered, as often as each order wants it, and timers come back."""

    def __init__(self, lives: list[Life], times: list[int]) -> None:
        super().__init__({partition: [] for partition in PARTITIONS})
        self._lives, self._times = lives, times

    def tell(self, topic: str, message: Any, times: int = 1) -> None:
        """Write a fact, once or more."""
        for _ in range(times):
            self.put((topic, 0), topic, encode_key(message.order_id), CODEC.encode(topic, message), [])

    def send(self, records: list[Any], offsets: dict[Any, int], metadata: Any) -> None:
        before = len(self.sent)
        try:
            super().send(records, offsets, metadata)
        finally:
            for record in self.sent[before:]:
                self._carry_out(record)

    def _carry_out(self, record: Any) -> None:
        _, order_id, name, *_ = message_id(record).split("/")
        answers = self._lives[int(order_id)]
        if record.topic == FULFILMENT_TIMERS:
            self.put((FULFILMENT_TIMERS, 0), FULFILMENT_TIMERS, record.key, record.value, record.headers)
        elif name in STEPS and (outcome := answers[STEPS[name]]) is not None:
            topic, fact = RESULTS[outcome](int(order_id))
            self.tell(topic, fact, self._times[STEPS[name]])


def message_id(record: Any) -> str:
    return str(dict(record.headers)["ce_id"])


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "OUTAGE_BACKOFF", RetryPolicy(initial_backoff_ms=0))
    monkeypatch.setattr(timers, "_LOOK_S", 0.0)


@given(lives, st.lists(st.integers(1, 2), min_size=3, max_size=3), CRASHING_STEPS)
@settings(max_examples=40, deadline=None)
def test_each_order_comes_to_its_end_and_each_command_is_issued_once(
    lives: list[Life], times: list[int], steps: list[Step]
) -> None:
    kafka = AnsweringKafka(lives, times)
    for order_id in range(len(lives)):
        placed = OrderPlaced(order_id, "1 Road", NOW, email="a@b.example", mode_epoch=1, flow=FLOW)
        kafka.tell(ORDERS, placed, times[0])
    with short_lived_store("fulfilment", kafka) as store:

        def started() -> ListMember:
            return ListMember(
                kafka, store, REACTION, RETRY_POLICY, payment_timeout_ms=0, dispatch_timeout_ms=0
            )

        def is_over() -> bool:
            return kafka.at_the_end() and not store.states.due_timers(2**62, 99)

        live(kafka, started, steps, is_over)
        states = store.states.find(Process, range(len(lives)), []).states
    issued = Counter(message_id(record) for record in kafka.sent if record.topic != FULFILMENT_TIMERS)
    owed = {
        f"fulfilment/{order_id}/{name}": 1
        for order_id, life in enumerate(lives)
        for name in ("CapturePayment", f"{TOLD}placed", *ENDS[life][1])
    }
    assert issued == owed
    assert {order_id: stored.state.status for order_id, stored in states.items()} == {
        order_id: ENDS[life][0] for order_id, life in enumerate(lives)
    }
