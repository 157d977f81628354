"""`cev payments`, typed as it stands on a store that the group has left (SQLite)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from consumers.flows.payment import Asked, Payment, Resolution
from consumers.runtime.order_states import StateChange, TimerChange, to_json
from consumers.runtime.stores.batch_write import StoreWrite
from databases.address import StoreAddress
from operations import payments
from schemas.decisions import PaymentResolved
from schemas.errors import Position, SafetyRefusal
from tests.support.consumers.records import NOW
from tests.support.stores.stores import opened, template

BIG = 9_007_199_254_740_993
ASKED = Asked.at(NOW, 3_990, "EUR", "tok_ok")
UNKNOWN = Payment(
    flow="process",
    capture=Asked(
        amount_cents=1, currency="EUR", source="tok_\x1b[31m", since=NOW, unanswered=2, overdue=True
    ),
)
CAPTURED = Payment(flow="process", capture=replace(ASKED, reference="ch_1"))
CONTRADICTED = Payment(
    flow="process",
    capture=replace(ASKED, reference="ch_1", by="ada@desk"),
    resolution=Resolution(reference="ch_1", why="asked", by="ada@desk"),
    contradiction="ada@desk said captured ch_1; the gateway says nothing",
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    address = StoreAddress.at("payments", data_dir=folder)
    assert address.path is not None
    address.path.parent.mkdir()
    shutil.copyfile(template(), address.path)
    changes = [
        StateChange(
            order_id, 1, payment.status, to_json(payment), "CapturePayment", "id", place(at), NOW + at
        )
        for at, (order_id, payment) in enumerate([(7, CAPTURED), (BIG, UNKNOWN), (8, CONTRADICTED)])
    ]
    timers = [TimerChange(BIG, "capture", NOW + 9, "order-x", "id-1")]
    with opened(address) as store:
        store.write(StoreWrite(at=NOW, states=changes, timers=timers))
    return folder


def place(offset: int) -> Position:
    return Position("capture_payments", 0, offset)


@pytest.fixture
def typed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CEV_DATA_DIR", str(data_dir))
    return lambda *words: CliRunner().invoke(app, ["payments", *words])


def documents(ended: Result) -> list[dict[str, Any]]:
    assert ended.exit_code == 0, ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_payments_are_listed_and_chosen_by_their_status(typed: Any) -> None:
    rows = documents(typed("list", "--json"))
    assert [(row["order_id"], row["status"]) for row in rows] == [
        ("8", "contradicted"),
        (str(BIG), "unresolved"),
        ("7", "captured"),
    ]
    [row] = documents(typed("list", "--status", "unresolved", "--json"))
    assert row["order_id"] == str(BIG)
    lost = typed("list", "--status", "unresolvd")
    assert (lost.exit_code, "did you mean unresolved?" in lost.stderr) == (2, True)


def test_a_payment_is_shown_with_each_step_and_when_it_is_asked_for_again(typed: Any) -> None:
    [shown] = documents(typed("show", str(BIG), "--json"))
    assert shown["capture"]["unanswered"] == 2
    assert [(step["status"], step["message"], step["offset"]) for step in shown["history"]] == [
        ("unresolved", "CapturePayment", 1)
    ]
    assert [timer["name"] for timer in shown["timers"]] == ["capture"]
    text = typed("show", str(BIG)).stdout
    assert "2 requests without an answer" in text
    assert "\x1b" not in text, "what came from others moves no cursor"
    assert "the gateway says nothing" in typed("show", "8").stdout


def test_a_payment_that_nobody_knows_is_one_clear_line(typed: Any) -> None:
    ended = typed("show", "99")
    assert ended.exit_code == 1
    assert ended.stderr.startswith("cev: there is no payment of order 99: it is in flow direct")


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("7", "captured", "--why", "x"), 2, "a payment that was captured has a --reference"),
        (("7", "failed", "--reference", "r", "--why", "x"), 2, "one that failed has none"),
        (("7", "failed", "--why", " "), 2, "--why is empty"),
        (("99", "failed", "--why", "x"), 2, "nothing is known of a payment of order 99"),
        (("7", "failed", "--why", "x"), 4, "the payment of order 7 is captured: only one of unknown outcome"),
        (
            ("8", "failed", "--why", "x"),
            4,
            "that the payment of order 8 was captured: that stays",
        ),
    ],
)
def test_a_resolution_that_makes_no_sense_is_refused_before_the_broker_is_asked(
    typed: Any, words: tuple[str, ...], code: int, line: str
) -> None:
    ended = typed("resolve", *words, "--bootstrap-servers", "127.0.0.1:1")
    assert (ended.exit_code, line in ended.stderr) == (code, True), ended.stderr


def test_who_insists_ends_a_contradiction() -> None:
    payments.check(CONTRADICTED, PaymentResolved(8, "captured", "ch_1", "ada@desk", "settled by hand"))
    with pytest.raises(SafetyRefusal):
        payments.check(CONTRADICTED, PaymentResolved(8, "failed", None, "ada@desk", "settled by hand"))
