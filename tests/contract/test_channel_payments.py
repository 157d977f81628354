"""What the channel to a payment gateway promises: nobody is charged twice, and no outcome is guessed.

I/O: gateways on loopback, ours as a process.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from email.utils import formatdate
from itertools import count
from threading import Timer
from time import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.run_consumers import _channel
from cli.settings import load
from consumers.channels import http_payments
from consumers.channels.http_payments import HttpPayments
from consumers.runtime.reaction import Delivery
from schemas.errors import (
    DeliveryDeferred,
    DeliveryRejected,
    DependencyUnavailable,
    InvalidSetting,
    OutcomeUnknown,
    Position,
    UsageError,
)
from tests.support.payments import Fault, ForgetfulGateway, PaymentGateway
from tests.support.program import until

WHERE = Position("capture_payments", 1, 2)
KEY = "payments/12004/capture"
_NUMBERS = count()


def capture(method: str = "tok_ok", amount_cents: int = 3499) -> Delivery:
    body = {"amount_cents": amount_cents, "currency": "EUR", "method": method}
    return Delivery("gateway", "capture", "", json.dumps(body))


def refund(reference: str) -> Delivery:
    body = {"amount_cents": 3499, "currency": "EUR", "reference": reference}
    return Delivery("gateway", "refund", "", json.dumps(body))


def new_key() -> str:
    return f"payments/{next(_NUMBERS)}/capture"


def answered(channel: HttpPayments, delivery: Delivery, key: str) -> tuple[dict[str, Any], list[type]]:
    """The answer in the end, and the errors before it."""
    errors: list[type] = []
    answers: list[dict[str, Any]] = []

    def tried() -> bool:
        try:
            answers.append(json.loads(channel.deliver(delivery, key, WHERE)))
        except (DeliveryDeferred, DependencyUnavailable) as error:
            errors.append(type(error))
        return bool(answers)

    until(tried, 20, "the gateway answers")
    return answers[0], errors


@pytest.fixture
def forgetful() -> Iterator[ForgetfulGateway]:
    made = ForgetfulGateway()
    yield made
    made.close()


def test_a_capture_and_its_refund_are_answered_with_their_references_however_often_they_are_asked_for(
    gateway: PaymentGateway,
) -> None:
    channel, key = HttpPayments(gateway.url), new_key()
    answers = [json.loads(channel.deliver(capture(), key, WHERE)) for _ in range(2)]
    charge = gateway.charges()[key]
    assert answers == [{"outcome": "captured", "reference": charge["reference"]}] * 2
    assert charge["asked"] == 1, "the second time it was found by inquiry"
    back = json.loads(channel.deliver(refund(charge["reference"]), key, WHERE))
    assert (back["outcome"], gateway.charges()[key]["refunded_cents"]) == ("refunded", 3499)
    channel.close()


def test_a_declined_card_is_an_answer_and_no_error(gateway: PaymentGateway) -> None:
    channel, key = HttpPayments(gateway.url), new_key()
    for _ in range(2):
        declined = json.loads(channel.deliver(capture("tok_declined"), key, WHERE))
        assert declined == {"outcome": "declined", "reason": "the card was declined"}
    channel.close()


@pytest.mark.parametrize(
    ("token", "errors"),
    [
        ("tok_lost_answer", [OutcomeUnknown]),
        ("tok_lost_request", [OutcomeUnknown]),
        ("tok_busy", [DeliveryDeferred, DeliveryDeferred]),
    ],
)
def test_whatever_a_token_does_to_requests_the_card_is_charged_once_and_the_answer_found(
    gateway: PaymentGateway, token: str, errors: list[type]
) -> None:
    channel, key = HttpPayments(gateway.url), new_key()
    answer, failures = answered(channel, capture(token), key)
    assert failures == errors
    assert answer == {"outcome": "captured", "reference": gateway.charges()[key]["reference"]}
    channel.close()


def test_an_answer_that_takes_too_long_is_found_by_inquiry(
    gateway: PaymentGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_payments, "_TIMEOUT_S", 0.1)
    channel, key = HttpPayments(gateway.url), new_key()
    answer, failures = answered(channel, capture("tok_slow"), key)
    assert set(failures) == {OutcomeUnknown}
    assert answer["reference"] == gateway.charges()[key]["reference"]
    channel.close()


def test_an_inquiry_without_an_answer_leaves_the_outcome_unknown(gateway: PaymentGateway) -> None:
    channel, key = HttpPayments(gateway.url), new_key()
    answer, failures = answered(channel, capture("tok_unknown_for:0.5"), key)
    assert len(failures) >= 2
    assert set(failures) == {OutcomeUnknown}
    assert answer["reference"] == gateway.charges()[key]["reference"]
    assert gateway.charges()[key]["asked"] == 1
    channel.close()


@pytest.mark.parametrize("changed", [3500, 1])
def test_a_key_that_stands_for_another_amount_is_refused_for_good(
    gateway: PaymentGateway, changed: int
) -> None:
    channel, key = HttpPayments(gateway.url), new_key()
    channel.deliver(capture(), key, WHERE)
    with pytest.raises(DeliveryRejected, match=rf"capture_payments:1:2: .*{key} with another amount"):
        channel.deliver(capture(amount_cents=changed), key, WHERE)
    channel.close()


def test_a_gateway_that_is_down_is_an_outage_and_is_used_again_once_it_is_up(
    gateway: PaymentGateway,
) -> None:
    channel, key = HttpPayments(gateway.url), new_key()
    channel.deliver(capture(), new_key(), WHERE)
    gateway.kill()
    for _ in range(2):
        with pytest.raises(DependencyUnavailable, match=r"\A[^\n]*does not answer[^\n]*\Z"):
            channel.deliver(capture(), key, WHERE)
    gateway.up()
    assert json.loads(channel.deliver(capture(), key, WHERE))["outcome"] == "captured"
    channel.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (409, DeliveryRejected),
        (400, DeliveryRejected),
        (422, DeliveryRejected),
        (429, DeliveryDeferred),
        (408, DeliveryDeferred),
        (302, DependencyUnavailable),
        (401, DependencyUnavailable),
        (404, DependencyUnavailable),
        (500, DependencyUnavailable),
        (502, DependencyUnavailable),
        (503, DependencyUnavailable),
        (202, OutcomeUnknown),
    ],
)
def test_who_is_to_blame_for_an_answer(
    forgetful: ForgetfulGateway, status: int, error: type[Exception]
) -> None:
    forgetful.faults, forgetful.body = [404, status], {}
    channel = HttpPayments(forgetful.url)
    with pytest.raises(error) as caught:
        channel.deliver(capture(), KEY, WHERE)
    assert type(caught.value) is error
    channel.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, OutcomeUnknown),
        (429, OutcomeUnknown),
        (401, DependencyUnavailable),
        (500, DependencyUnavailable),
    ],
)
def test_an_inquiry_that_is_refused_says_nothing_about_the_payment(
    forgetful: ForgetfulGateway, status: int, error: type[Exception]
) -> None:
    forgetful.faults = [status]
    channel = HttpPayments(forgetful.url)
    with pytest.raises(error):
        channel.deliver(capture(), KEY, WHERE)
    channel.close()
    assert forgetful.asked == ["GET /captures/payments%2F12004%2Fcapture"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "at_least", "at_most"),
    [(lambda: "7", 7_000, 7_000), (lambda: formatdate(time() + 90, usegmt=True), 60_000, 90_000)],
    ids=["seconds", "date"],
)
def test_a_gateway_that_says_when_to_come_again_is_heard(
    forgetful: ForgetfulGateway, status: int, header: Callable[[], str], at_least: int, at_most: int
) -> None:
    forgetful.faults, forgetful.headers = [404, status], {"Retry-After": header()}
    with (
        closing(HttpPayments(forgetful.url)) as channel,
        pytest.raises(DeliveryDeferred, match=f"wants {KEY} later: HTTP {status}") as caught,
    ):
        channel.deliver(capture(), KEY, WHERE)
    assert at_least <= caught.value.retry_after_ms <= at_most


@pytest.mark.parametrize("body", [[], {}, {"reference": 7}, {"reference": ""}, "captured"])
def test_an_answer_without_a_reference_leaves_the_outcome_unknown(
    forgetful: ForgetfulGateway, body: Any
) -> None:
    forgetful.faults, forgetful.body = [404], body
    channel = HttpPayments(forgetful.url)
    with pytest.raises(OutcomeUnknown, match="names no reference"):
        channel.deliver(capture(), KEY, WHERE)
    channel.close()


def test_a_kept_connection_that_is_lost_at_the_inquiry_is_no_failure(forgetful: ForgetfulGateway) -> None:
    channel = HttpPayments(forgetful.url)
    channel.deliver(capture(), new_key(), WHERE)
    forgetful.faults = [Fault.LOST_REQUEST]
    channel.deliver(capture(), KEY, WHERE)
    channel.close()
    path = "/captures/payments%2F12004%2Fcapture"
    assert forgetful.asked[2:] == [f"GET {path}", f"GET {path}", "POST /captures"]


@given(st.lists(st.sampled_from([*Fault, 429, 500, 503]), max_size=4))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_gateway_that_forgets_its_keys_charges_nobody_twice_whatever_goes_wrong(
    forgetful: ForgetfulGateway, faults: list[Fault | int]
) -> None:
    channel, key = HttpPayments(forgetful.url), new_key()
    forgetful.faults = [*faults]
    answer, _ = answered(channel, capture(), key)
    channel.close()
    [(_, reference)] = [charge for charge in forgetful.charges if charge[0] == key]
    assert answer == {"outcome": "captured", "reference": reference}


@given(
    tokens=st.lists(
        st.sampled_from(["tok_ok", "tok_slow", "tok_lost_answer", "tok_lost_request"]), min_size=1, max_size=4
    ),
    killed_after_s=st.floats(0, 0.1),
)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_gateway_that_is_killed_while_it_charges_charges_nobody_twice(
    gateway: PaymentGateway, tokens: list[str], killed_after_s: float
) -> None:
    channel = HttpPayments(gateway.url)
    keys = {new_key(): capture(token) for token in tokens}
    death = Timer(killed_after_s, gateway.kill)
    death.start()
    for key, delivery in keys.items():
        try:
            channel.deliver(delivery, key, WHERE)
        except (DeliveryDeferred, DependencyUnavailable):
            continue
    death.join()
    gateway.up()
    answers = {key: answered(channel, delivery, key)[0] for key, delivery in keys.items()}
    channel.close()
    charges = gateway.charges()
    assert {key: answer["reference"] for key, answer in answers.items()} == {
        key: charges[key]["reference"] for key in keys
    }


@pytest.mark.parametrize("url", ["pay.example", "ftp://pay.example", "http://", "http://h:port"])
def test_an_address_of_no_gateway_is_a_fault_of_the_setting(url: str) -> None:
    with pytest.raises(InvalidSetting, match="payment_url"):
        HttpPayments(url)


def test_a_password_in_the_address_is_shown_nowhere() -> None:
    channel = HttpPayments("http://shop:hush@127.0.0.1:1/hush?token=hush")
    with pytest.raises(DependencyUnavailable) as caught:
        channel.deliver(capture(), KEY, WHERE)
    channel.close()
    assert "hush" not in f"{caught.value} {channel.describe}"


def test_a_group_that_needs_a_gateway_does_not_start_without_one() -> None:
    with pytest.raises(UsageError, match="CEV_PAYMENT_URL"):
        _channel("gateway", load({}, {}).settings)


def test_the_address_may_have_a_path(forgetful: ForgetfulGateway) -> None:
    channel = HttpPayments(f"{forgetful.url}/v1/?shop=7")
    channel.deliver(capture(), "k", WHERE)
    channel.close()
    assert forgetful.asked == ["GET /v1/captures/k?shop=7", "POST /v1/captures?shop=7"]


def test_a_check_asks_what_is_known_of_the_capture_and_charges_nothing(gateway: PaymentGateway) -> None:
    channel, key = HttpPayments(gateway.url), new_key()
    check = capture()._replace(recipient="check")
    check_key = key.replace("/capture", "/check")
    before = gateway.charges()
    assert json.loads(channel.deliver(check, check_key, WHERE)) == {"outcome": "nothing"}
    assert gateway.charges() == before
    captured, _ = answered(channel, capture(), key)
    assert json.loads(channel.deliver(check, check_key, WHERE)) == captured
    channel.close()
