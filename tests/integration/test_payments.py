"""Payments on a real broker, with our gateway as a process: what it was asked to charge, it charged once.

I/O: Kafka, processes, HTTP on loopback. The gateway's own store says what was charged.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.channels.http_payments import HttpPayments
from consumers.registry import all_topics
from consumers.runtime.retry_policy import RetryPolicy
from operations import payments
from schemas.commands import CapturePayment, RefundPayment
from schemas.decisions import PaymentResolved
from schemas.errors import SafetyRefusal
from schemas.topics import CAPTURE_PAYMENTS, PAYMENTS, PAYMENTS_TIMERS
from tests.integration.test_crash_points import everywhere
from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash.forked import ran
from tests.support.crash.points import DEATH, Point
from tests.support.crash.points import PAYMENTS as POINTS
from tests.support.crash.scenarios import letters
from tests.support.kafka.leave_group import leave_group
from tests.support.kafka.log import until
from tests.support.payments import PaymentGateway

GROUP = "payments"
TOKENS = ("tok_ok", "tok_declined", "tok_lost_answer", "tok_lost_request", None)
ENDS = {
    "tok_ok": ("captured", "PaymentCaptured"),
    "tok_declined": ("failed", "PaymentFailed"),
    "tok_lost_answer": ("captured", "PaymentCaptured"),
    "tok_lost_request": ("captured", "PaymentCaptured"),
    None: ("failed", "PaymentFailed"),
}
QUICKLY = RetryPolicy(initial_backoff_ms=50)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[PaymentGateway]:
    made = PaymentGateway(tmp_path)
    yield made
    made.kill()


def ordered(shop: ConsumerHarness, rounds: int) -> dict[int, str | None]:
    """Commands for orders with every token; the token by order id."""
    tokens = dict(enumerate(TOKENS * rounds))
    for order_id, token in tokens.items():
        for _ in range(1 + order_id % 2):
            shop.write(CAPTURE_PAYMENTS, CapturePayment(order_id, 100 + order_id, "EUR", token))
    return tokens


def settled(shop: ConsumerHarness) -> int:
    [(count,)] = shop.rows(GROUP, "SELECT count(*) FROM effects WHERE outcome IN ('captured', 'failed')") or [
        (0,)
    ]
    return int(count)


def check(shop: ConsumerHarness, gateway: PaymentGateway, tokens: dict[int, str | None]) -> None:
    """Each order is charged once where its card is good, and everybody has heard once what became of it."""
    charged = {
        f"{GROUP}/{order_id}/capture": 100 + order_id
        for order_id, token in tokens.items()
        if ENDS[token][0] == "captured"
    }
    assert {key: charge["amount_cents"] for key, charge in gateway.charges().items()} == charged
    assert shop.outcomes(GROUP) == {order_id: ENDS[token][0] for order_id, token in tokens.items()}
    facts = Counter((seen.message[0], type(seen.message).__name__) for seen in shop.read(PAYMENTS))
    assert facts == {(order_id, ENDS[token][1]): 1 for order_id, token in tokens.items()}
    for topic in (CAPTURE_PAYMENTS, PAYMENTS_TIMERS):
        assert letters(shop, GROUP, topic) == {}


@everywhere(*POINTS)
def test_payments_that_are_killed_there_charge_every_order_once(
    shop: ConsumerHarness, gateway: PaymentGateway, point: Point, kills: int
) -> None:
    tokens, environment = ordered(shop, 3), {"CEV_PAYMENT_URL": gateway.url}
    for nth in [point.nth, 1][:kills]:
        words = ("consume", GROUP, "--until-idle", "0.5")
        died, log = ran(shop, *words, point=point, nth=nth, environment=environment)
        assert died == DEATH, f"the point was not reached: {log}"
        leave_group(shop.bootstrap, GROUP)
    code, log = ran(shop, "consume", GROUP, "--until-idle", "1", environment=environment)
    assert code == 0, log
    check(shop, gateway, tokens)


def test_a_gateway_that_dies_under_load_costs_nobody_anything(
    shop: ConsumerHarness, gateway: PaymentGateway
) -> None:
    tokens = ordered(shop, 20)
    member = shop.member(GROUP, channels={"gateway": HttpPayments(gateway.url)}, retry_policy=QUICKLY)
    for share in (4, 2):
        until(lambda: settled(shop) >= len(tokens) // share, "some are paid")  # noqa: B023 - called at once
        gateway.kill()
        gateway.up()
    until(lambda: settled(shop) == len(tokens) or member.status.failure, "all are paid")
    member.stop()
    check(shop, gateway, tokens)


def test_an_operators_word_takes_effect_once_and_the_gateways_later_one_contradicts_it(
    shop: ConsumerHarness, gateway: PaymentGateway
) -> None:
    shop.write(CAPTURE_PAYMENTS, CapturePayment(7, 3_990, "EUR", "tok_unknown_for:4"))
    member = shop.member(
        GROUP,
        channels={"gateway": HttpPayments(gateway.url)},
        retry_policy=RetryPolicy(attempts=1),
        payment_unresolved_ms=0,
    )

    def status() -> str:
        rows = shop.rows(GROUP, "SELECT status FROM order_states WHERE order_id = 7")
        return str(rows[0][0]) if rows else ""

    until(lambda: status() == "unresolved", "nobody knows")
    word = PaymentResolved(7, "failed", None, "ada@desk", "the gateway's operator says so")
    written = payments.resolve(shop.cluster, all_topics(), shop.name(GROUP), word)
    assert written.topic == "payments.capture_payments.retry"
    until(lambda: status() == "failed", "the operator's word counts")
    with pytest.raises(SafetyRefusal, match="the payment of order 7 is failed"):
        payments.resolve(shop.cluster, all_topics(), shop.name(GROUP), word)
    until(lambda: status() == "contradicted", "the gateway says that it has charged")
    member.stop()
    assert len(gateway.charges()) == 1
    assert [type(seen.message).__name__ for seen in shop.read(PAYMENTS)] == ["PaymentFailed"]


def test_a_captured_order_is_refunded_once_by_the_gateway(
    shop: ConsumerHarness, gateway: PaymentGateway
) -> None:
    shop.write(CAPTURE_PAYMENTS, CapturePayment(7, 3_990, "EUR", "tok_lost_answer"))
    member = shop.member(GROUP, channels={"gateway": HttpPayments(gateway.url)}, retry_policy=QUICKLY)
    until(lambda: settled(shop) == 1, "it is captured")
    [charge] = gateway.charges().values()
    for _ in range(2):
        shop.write(CAPTURE_PAYMENTS, RefundPayment(7, 3_990, "EUR", charge["reference"]))
    shop.flush()
    until(lambda: len(shop.read(PAYMENTS)) == 2, "it is refunded")
    member.stop()
    assert [charge["refunded_cents"] for charge in gateway.charges().values()] == [3_990]
    assert [type(seen.message).__name__ for seen in shop.read(PAYMENTS)] == [
        "PaymentCaptured",
        "PaymentRefunded",
    ]
