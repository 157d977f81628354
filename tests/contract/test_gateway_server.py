"""What the stand-in for a payment gateway promises over HTTP: a key is one payment, and tokens decide.

I/O: the gateway as a process, HTTP on loopback.
"""

import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from gateway import app, connections
from gateway.server import listen, server
from gateway.store import PaymentStore
from schemas.errors import OperationFailed
from tests.support.payments import PaymentGateway
from tests.support.program import until

_NUMBERS = count()


@pytest.fixture
def key() -> str:
    return f"payments/{next(_NUMBERS)}/capture"


def body(method: str = "tok_ok", **changed: Any) -> dict[str, Any]:
    return {"amount_cents": 3499, "currency": "EUR", "method": method, **changed}


def test_a_key_is_charged_once_however_often_and_from_how_many_sides_it_comes(
    gateway: PaymentGateway, key: str
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda _: gateway.post("/captures", key, body()), range(24))]
    assert {answer.status_code for answer in answers} == {201}
    [reference] = {answer.json()["reference"] for answer in answers}
    charge = gateway.charges()[key]
    assert (charge["reference"], charge["asked"], charge["amount_cents"]) == (reference, 24, 3499)
    inquiry = gateway.get(f"/captures/{key}")
    assert (inquiry.status_code, inquiry.json()) == (200, answers[0].json())


def test_a_kill_between_a_charge_and_its_answer_forgets_nothing(gateway: PaymentGateway, key: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.post("/captures", key, body("tok_lost_answer"))
    gateway.kill()
    gateway.up()
    assert gateway.get(f"/captures/{key}").json()["outcome"] == "captured"
    assert gateway.post("/captures", key, body("tok_lost_answer")).status_code == 201
    assert gateway.charges()[key]["asked"] == 2


@pytest.mark.parametrize(
    ("token", "reason"), [("tok_declined", "the card was declined"), ("tok_new", "unknown token")]
)
def test_a_declined_card_stays_declined(gateway: PaymentGateway, key: str, token: str, reason: str) -> None:
    answers = [gateway.post("/captures", key, body(token)) for _ in range(2)]
    assert [(answer.status_code, answer.json()["reason"]) for answer in answers] == [(402, reason)] * 2
    assert gateway.get(f"/captures/{key}").json()["outcome"] == "declined"
    assert key not in gateway.charges()


@pytest.mark.parametrize("changed", [{"amount_cents": 3500}, {"currency": "USD"}, {"method": "tok_slow"}])
def test_a_key_with_another_amount_currency_or_method_is_a_conflict(
    gateway: PaymentGateway, key: str, changed: dict[str, Any]
) -> None:
    gateway.post("/captures", key, body())
    assert gateway.post("/captures", key, body(**changed)).status_code == 409
    assert gateway.charges()[key]["asked"] == 1


def test_a_lost_request_has_charged_nothing_and_works_the_second_time(
    gateway: PaymentGateway, key: str
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.post("/captures", key, body("tok_lost_request"))
    assert gateway.get(f"/captures/{key}").status_code == 404
    assert gateway.post("/captures", key, body("tok_lost_request")).status_code == 201


def test_a_busy_gateway_says_when_to_come_again(gateway: PaymentGateway, key: str) -> None:
    answers = [gateway.post("/captures", key, body("tok_busy")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 201]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["1", "1", None]


def test_a_slow_answer_is_late_and_its_charge_is_made_at_once(gateway: PaymentGateway, key: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(gateway.post, "/captures", key, body("tok_slow"))
        until(lambda: gateway.get(f"/captures/{key}").is_success, 10, "it is charged")
        assert answer.result().elapsed.total_seconds() >= 0.3
    assert answer.result().status_code == 201


def test_an_outcome_that_is_unknown_for_a_while_is_found_after_it(gateway: PaymentGateway, key: str) -> None:
    def ask() -> int | None:
        try:
            return gateway.get(f"/captures/{key}").status_code
        except httpx.RemoteProtocolError:
            return None

    with pytest.raises(httpx.RemoteProtocolError):
        gateway.post("/captures", key, body("tok_unknown_for:1"))
    assert ask() is None
    until(lambda: ask() == 200, 10, "the outcome is known")


def test_a_refund_gives_back_what_is_left_of_its_capture_and_no_more(
    gateway: PaymentGateway, key: str
) -> None:
    reference = gateway.post("/captures", key, body()).json()["reference"]
    asked = {"amount_cents": 3000, "currency": "EUR", "reference": reference}
    for _ in range(2):
        assert gateway.post("/refunds", f"{key}/1", asked).json()["outcome"] == "refunded"
    more = gateway.post("/refunds", f"{key}/2", asked)
    assert (more.status_code, more.json()["reason"]) == (
        402,
        "more than the 499 that are left of the capture",
    )
    assert gateway.get(f"/refunds/{key}/1").json()["outcome"] == "refunded"
    assert gateway.charges()[key]["refunded_cents"] == 3000


@pytest.mark.parametrize(
    ("token", "changed", "reason"),
    [
        ("tok_refund_fails", {}, "the card takes no refunds"),
        ("tok_ok", {"currency": "USD"}, "the capture is in EUR"),
        ("tok_ok", {"reference": "capture_of_nobody"}, "no capture has this reference"),
    ],
)
def test_a_refund_that_cannot_be_is_declined(
    gateway: PaymentGateway, key: str, token: str, changed: dict[str, Any], reason: str
) -> None:
    reference = gateway.post("/captures", key, body(token)).json()["reference"]
    asked = {"amount_cents": 1, "currency": "EUR", "reference": reference} | changed
    answer = gateway.post("/refunds", key, asked)
    assert (answer.status_code, answer.json()["reason"]) == (402, reason)


@pytest.mark.parametrize(
    ("sent_key", "sent", "status", "error"),
    [
        (None, body(), 400, "Idempotency-Key"),
        ("k" * 256, body(), 400, "Idempotency-Key"),
        ("k", body(amount_cents=0), 400, "amount_cents: "),
        ("k", body(amount_cents="3499"), 400, "amount_cents: "),
        ("k", body(currency="euro"), 400, "currency: "),
        ("k", body(tip=1), 400, "tip: "),
        ("k", {}, 400, "method: "),
        ("k", body("m" * 5000), 413, "4096 bytes"),
    ],
)
def test_a_request_that_says_nothing_clear_is_refused_with_what_is_wrong(
    gateway: PaymentGateway, sent_key: str | None, sent: Any, status: int, error: str
) -> None:
    answer = gateway.post("/captures", sent_key, sent)
    assert answer.status_code == status
    assert error in answer.json()["error"]
    assert gateway.get("/captures/k").status_code == 404


def test_a_failing_gateway_answers_503_and_does_nothing(tmp_path: Path, key: str) -> None:
    failing = PaymentGateway(tmp_path, failure_rate=1.0)
    answer = failing.post("/captures", key, body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert failing.charges() == {}
    failing.kill()


def test_an_answer_does_not_wait_for_an_acknowledgement_of_its_head() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            OperationFailed,
            match=rf"\Athe gateway cannot listen on 127.0.0.1, port {port}: Address already in use; [^\n]*\Z",
        ):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("half", "answer"),
    [
        (b"POST /captures HTTP/1.1\r\n", b""),
        (b"POST /captures HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 408 "),
    ],
)
def test_half_a_request_ends_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bytes, answer: bytes
) -> None:
    monkeypatch.setattr(connections, "_HEADERS_S", 0.2)
    monkeypatch.setattr(app, "_BODY_S", 0.2)
    store, listening = PaymentStore(tmp_path), listen("127.0.0.1", 0)
    running = server(store, app.Faults(), lambda *_: None)
    thread = Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        with socket.create_connection(listening.getsockname(), timeout=5) as connection:
            connection.sendall(half)
            received = connection.makefile("rb").read()
    finally:
        running.should_exit = True
        thread.join(10)
        listening.close()
        store.close()
    assert received[: len(b"HTTP/1.1 408 ")] == answer


def test_a_store_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_text("something else" * 100)
    with pytest.raises(
        OperationFailed, match=r"\A[^\n]*gateway\.db cannot be used: file is not a database\Z"
    ):
        PaymentStore(tmp_path)


def test_a_store_that_fails_while_it_runs_is_answered_503(tmp_path: Path) -> None:
    failing = PaymentGateway(tmp_path)
    with sqlite3.connect(tmp_path / "gateway.db") as store:
        store.execute("DROP TABLE payments")
    store.close()
    answer = failing.post("/captures", "k", body())
    failing.kill()
    assert answer.status_code == 503
    assert answer.json()["error"] == "the store cannot be used: no such table: payments"
