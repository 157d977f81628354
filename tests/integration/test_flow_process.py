"""Orders of flow `process` on a real broker: every group, and a payment gateway that is a real server.

I/O: Kafka, SQLite files, a gateway's process on 127.0.0.1, threads.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.channels.http_payments import HttpPayments
from consumers.channels.json_lines import JsonLinesText
from consumers.channels.maildir import Maildir
from schemas.control import Flow
from schemas.facts import Item
from schemas.topics import DISPATCH_PRODUCTS, PAYMENTS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import until
from tests.support.payments import PaymentGateway

COMPLETED, DECLINED, REFUNDED, FREE = range(4)
ENDS = {COMPLETED: "completed", DECLINED: "failed", REFUNDED: "refunded", FREE: "completed"}
LAMP = (Item("Lamp", 2, 1_995),)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[PaymentGateway]:
    started = PaymentGateway(tmp_path)
    yield started
    started.kill()


def test_each_order_comes_to_its_end_and_is_charged_dispatched_and_told_as_it_is_owed(
    shop: ConsumerHarness, gateway: PaymentGateway, tmp_path: Path
) -> None:
    maildir = Maildir(tmp_path / "mails", "shop@example.org")
    texts = JsonLinesText(tmp_path / "texts.jsonl")
    groups = [
        shop.member("payments", channels={"gateway": HttpPayments(gateway.url)}),
        shop.member("notification", channels={"email": maildir, "text": texts}),
        shop.member("warehouse"),
        shop.member("fulfilment"),
    ]
    place(shop, COMPLETED, "tok_ok")
    place(shop, DECLINED, "tok_declined")
    place(shop, REFUNDED, "tok_ok", address=" ")  # the warehouse refuses a blank address
    shop.fact(FREE, flow=Flow.PROCESS.value)
    until(lambda: statuses(shop) == ENDS, "every order has come to its end")
    mails = until(lambda: all_told(shop), "everybody is told")
    for group in groups:
        group.stop()
    charges = gateway.charges()
    assert charges.keys() == {f"payments/{order_id}/capture" for order_id in (COMPLETED, REFUNDED)}
    assert Counter(seen.message[0] for seen in shop.read(DISPATCH_PRODUCTS)) == {
        COMPLETED: 1,
        REFUNDED: 1,
        FREE: 1,
    }
    assert shop.outcomes("warehouse") == {
        COMPLETED: "dispatched",
        REFUNDED: "rejected",
        FREE: "dispatched",
    }
    reported = Counter((seen.message[0], type(seen.message).__name__) for seen in shop.read(PAYMENTS))
    assert reported == {
        (COMPLETED, "PaymentCaptured"): 1,
        (DECLINED, "PaymentFailed"): 1,
        (REFUNDED, "PaymentCaptured"): 1,
        (REFUNDED, "PaymentRefunded"): 1,
        (FREE, "PaymentCaptured"): 1,
    }
    assert mails == {
        (COMPLETED, "email"),
        (COMPLETED, "email:dispatched"),
        (DECLINED, "email"),
        (DECLINED, "email:payment-failed"),
        (REFUNDED, "email"),
        (REFUNDED, "email:refunded"),
    }


def place(shop: ConsumerHarness, order_id: int, method: str, address: str = "1 Streetford Road") -> None:
    """An order of flow process that is to be paid."""
    shop.fact(
        order_id,
        address,
        flow=Flow.PROCESS.value,
        email=f"c{order_id}@customers.example",
        items=LAMP,
        payment_method=method,
    )


def statuses(shop: ConsumerHarness) -> dict[int, str]:
    return dict(shop.rows("fulfilment", "SELECT order_id, status FROM order_states"))


def all_told(shop: ConsumerHarness) -> set[tuple[int, str]]:
    """Order and effect of each mail, once as many are done as are owed."""
    done = shop.rows("notification", "SELECT order_id, effect FROM effects WHERE outcome = 'done'")
    return {(order_id, effect) for order_id, effect in done} if len(done) == 6 else set()
