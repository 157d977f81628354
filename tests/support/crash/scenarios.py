"""Scenarios, one a group: orders of every kind at once, and what must have become of them, whatever happened.

I/O: Kafka, a group's store and the data directory, through the shop that it is given.

Every ending is in it: dispatched by either path, by both, several times in one batch, rejected, expired,
decided in shadow (the fact read first, and last), conflicting, foreign, unreadable with a readable twin.
"""

import json
from collections import Counter
from collections.abc import Callable

from confluent_kafka import Producer

from schemas.control import Flow
from schemas.errors import Position
from schemas.facts import (
    DispatchExpired,
    Fact,
    Item,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
)
from schemas.framing import decode_key, encode_key
from schemas.times import now_ms, rfc3339
from schemas.topics import (
    CAPTURE_PAYMENTS,
    DISPATCH_PRODUCTS,
    DISPATCH_RESULTS,
    FULFILMENT_TIMERS,
    ORDERS,
    PAYMENTS,
    SEND_NOTIFICATIONS,
)
from tests.support.consumers.harness import ConsumerHarness

AWAY = "2 Roadford Avenue"
PLAIN = range(30)
CONFLICT, REJECTED, EXPIRED, FOREIGN, BAD_FACT, BAD_COMMAND, SHADOW_FIRST, SHADOW_LAST = range(30, 38)
_DISPATCHED = (*PLAIN, CONFLICT, BAD_FACT, BAD_COMMAND, SHADOW_FIRST, SHADOW_LAST)
_OUTCOMES = {**dict.fromkeys(_DISPATCHED, "dispatched"), REJECTED: "rejected", EXPIRED: "expired"}
_RESULTS = {"dispatched": "ProductDispatched", "rejected": "DispatchRejected", "expired": "DispatchExpired"}
_ITEMS = (Item("tea", 2, 450), Item("cup", 1, 999))
_MAILED = range(12)
_NO_ADDRESS = 12


class Warehouse:
    """Commands and facts for the group `warehouse`."""

    group = "warehouse"
    reads = (DISPATCH_PRODUCTS, ORDERS)

    def write(self, shop: ConsumerHarness) -> None:
        shop.shadow(SHADOW_FIRST)
        shop.raw(ORDERS, encode_key(BAD_FACT), b"no avro at all")
        shop.raw(DISPATCH_PRODUCTS, encode_key(BAD_COMMAND), b"no avro at all")
        for order_id in PLAIN:
            if order_id % 3 != 1:
                shop.command(order_id)
            if order_id % 3 != 2:
                shop.fact(order_id)
            if order_id % 5 == 0:
                shop.command(order_id)
                shop.fact(order_id)
        shop.command(CONFLICT)
        shop.command(CONFLICT, AWAY)
        shop.command(REJECTED, None)
        shop.command(EXPIRED, ce_expirytime=rfc3339(now_ms() - 60_000))
        shop.fact(FOREIGN, mode_epoch=0)
        shop.command(BAD_FACT)
        shop.fact(BAD_COMMAND)
        shop.command(SHADOW_FIRST)
        shop.command(SHADOW_LAST)
        shop.shadow(SHADOW_LAST)
        _markers(shop)

    def check(self, shop: ConsumerHarness) -> None:
        """One effect and one result an order, one letter a dead record, nothing else."""
        assert shop.outcomes(self.group) == _OUTCOMES
        assert Counter(shop.results()) == Counter((n, _RESULTS[outcome]) for n, outcome in _OUTCOMES.items())
        made = dict(shop.rows(self.group, "SELECT order_id, at FROM effects"))
        for result in shop.read(DISPATCH_RESULTS):
            order_id, name = result.message[0], type(result.message).__name__
            assert result.header("ce_id") == f"{self.group}/{order_id}/{name}".encode()
            if name == "ProductDispatched":
                assert result.message[2] == made[order_id], "the stored result was sent"
        assert letters(shop, self.group, DISPATCH_PRODUCTS) == {CONFLICT: 1, BAD_COMMAND: 1}
        assert letters(shop, self.group, ORDERS) == {FOREIGN: 1, BAD_FACT: 1}
        assert shop.outcomes(self.group, "shadow_decisions").keys() == {SHADOW_FIRST, SHADOW_LAST}
        [(address,)] = shop.rows(self.group, f"SELECT input FROM effects WHERE order_id = {CONFLICT}")
        assert address != AWAY


class Sales:
    """Facts for the group `sales`, which owes Kafka nothing but offsets."""

    group = "sales"
    reads = (ORDERS,)

    def write(self, shop: ConsumerHarness) -> None:
        for order_id in PLAIN:
            for _ in range(1 + order_id % 2):
                shop.fact(order_id, items=_ITEMS, placed_at=1_800_000_000_000 + order_id)

    def check(self, shop: ConsumerHarness) -> None:
        """Every order is counted once, and no money twice."""
        assert shop.outcomes(self.group) == dict.fromkeys(PLAIN, "counted")
        sales = [json.loads(detail) for (detail,) in shop.rows(self.group, "SELECT detail FROM effects")]
        cents = sum(line[2] for sale in sales for line in sale["lines"])
        assert cents == len(PLAIN) * sum(item.quantity * item.unit_price_cents for item in _ITEMS)
        assert letters(shop, self.group, ORDERS) == {}


class Notification:
    """Facts for the group `notification`: mails as files, texts as lines; one mail has no address."""

    group = "notification"
    reads = (ORDERS,)

    def write(self, shop: ConsumerHarness) -> None:
        for order_id in _MAILED:
            for _ in range(1 + order_id % 2):
                shop.fact(order_id, email=_recipient(order_id), phone=f"+4930{order_id}")
        shop.fact(_NO_ADDRESS, email="nobody", phone="+4930999")

    def check(self, shop: ConsumerHarness) -> None:
        """Every mail is one file, every text a line or more; who cannot be mailed is put aside once."""
        texts = {(n, "text"): "done" for n in (*_MAILED, _NO_ADDRESS)}
        mails = {(n, "email"): "done" for n in _MAILED}
        rows = shop.rows(self.group, "SELECT order_id, effect, outcome FROM effects")
        assert {(order_id, effect): outcome for order_id, effect, outcome in rows} == texts | mails
        files = sorted(each.name for each in (shop.data_dir / "maildir" / "new").iterdir())
        assert files == sorted(f"notification.{n}.email" for n in _MAILED)
        lines = [json.loads(line) for line in (shop.data_dir / "texts.jsonl").read_text("utf-8").splitlines()]
        assert {line["id"] for line in lines} == {f"notification/{n}/text" for n, _ in texts}
        assert letters(shop, self.group, ORDERS) == {_NO_ADDRESS: 1}


class Fulfilment:
    """Facts for the group `fulfilment`; what answers its commands is there already, once or twice."""

    group = "fulfilment"
    reads = (ORDERS, PAYMENTS, DISPATCH_RESULTS, FULFILMENT_TIMERS)

    def write(self, shop: ConsumerHarness) -> None:
        for order_id, life in _LIVES.items():
            shop.fact(order_id, flow=Flow.PROCESS.value, email=_recipient(order_id), items=_ITEMS)
            for topic, result in (_ANSWERS[name](order_id) for name in life):
                for _ in range(1 + order_id % 2):
                    shop.write(topic, result)
        shop.fact(len(_LIVES))

    def check(self, shop: ConsumerHarness) -> None:
        """Every order is where its results have led it, and every command is there once."""
        states = dict(shop.rows(self.group, "SELECT order_id, status FROM order_states"))
        assert states == {order_id: _ENDS[life][0] for order_id, life in _LIVES.items()}
        issued = [
            seen.header("ce_id")
            for topic in (CAPTURE_PAYMENTS, DISPATCH_PRODUCTS, SEND_NOTIFICATIONS)
            for seen in shop.read(topic)
        ]
        assert Counter(issued) == {
            f"{self.group}/{order_id}/{name}".encode(): 1
            for order_id, life in _LIVES.items()
            for name in ("CapturePayment", "SendNotification/email/placed", *_ENDS[life][1])
        }


def _recipient(order_id: int) -> str:
    return f"c{order_id}@customers.example"


_ANSWERS: dict[str, Callable[[int], tuple[str, Fact]]] = {
    "captured": lambda n: (PAYMENTS, PaymentCaptured(n, 2_898, "EUR", "ch", 1, Flow.PROCESS.value)),
    "failed": lambda n: (PAYMENTS, PaymentFailed(n, "declined", 1, Flow.PROCESS.value)),
    "refunded": lambda n: (PAYMENTS, PaymentRefunded(n, 2_898, "EUR", "re", 1, Flow.PROCESS.value)),
    "dispatched": lambda n: (DISPATCH_RESULTS, ProductDispatched(n, AWAY, 1, Flow.PROCESS.value)),
    "expired": lambda n: (DISPATCH_RESULTS, DispatchExpired(n, 1, 2, Flow.PROCESS.value)),
}
_ENDS: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    (): ("payment unresolved", ()),
    ("failed",): ("failed", ("SendNotification/email/payment-failed",)),
    ("captured",): ("dispatch overdue", ("DispatchProduct",)),
    ("captured", "dispatched"): ("completed", ("DispatchProduct", "SendNotification/email/dispatched")),
    ("captured", "expired", "refunded"): (
        "refunded",
        ("DispatchProduct", "RefundPayment", "SendNotification/email/refunded"),
    ),
}
"""The status and the commands after the first ones, where orders of flow `process` were answered so."""
_LIVES = dict(enumerate([*_ENDS] * 4))
Scenario = Warehouse | Sales | Notification | Fulfilment
QUICK = {
    "CEV_KAFKA__FETCH_WAIT_MAX_MS": "20",
    "CEV_PAYMENT_TIMEOUT_S": "0.001",
    "CEV_DISPATCH_TIMEOUT_S": "0.001",
}
"""A broker holds an empty fetch for half a second by default; here processes come and go all the time. And
what does not come in time is overdue at once."""
SCENARIOS: dict[str, Scenario] = {
    each.group: each for each in (Warehouse(), Sales(), Notification(), Fulfilment())
}


def _markers(shop: ConsumerHarness) -> None:
    """An order that was never placed: an aborted transaction leaves a record and a marker behind the rest."""
    shop.flush()
    writer = Producer(shop.cluster.transactional_producer("cev-test-markers"))
    writer.init_transactions(10)
    writer.begin_transaction()
    writer.produce(ORDERS, b"never placed", encode_key(99))
    writer.flush(10)
    writer.abort_transaction(10)


def letters(shop: ConsumerHarness, group: str, topic: str) -> dict[int, int]:
    """How many dead letters each order has, by the order id in the key."""
    found = shop.read(f"{group}.{topic}.dlq")
    return dict(Counter(decode_key(seen.key, Position(*seen[:3])) for seen in found))
