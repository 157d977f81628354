"""`cev process`, typed as it stands on a store that a process manager has left (SQLite)."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from consumers.runtime.decide_states import decide_with_states
from consumers.runtime.order_states import KnownStates
from consumers.runtime.records import Decoded
from consumers.runtime.stores.batch_write import StoreWrite
from databases.address import StoreAddress
from schemas.envelope import Envelope
from schemas.errors import Position
from schemas.facts import DispatchRejected, Item, OrderPlaced, PaymentCaptured
from schemas.framing import encode_key
from schemas.times import rfc3339
from tests.support.consumers.records import NOW, context, policy, record
from tests.support.stores.stores import opened, template

FLOW = "process"
BIG = 9_007_199_254_740_993


def placed(order_id: int) -> OrderPlaced:
    return OrderPlaced(
        order_id, "1 Road", NOW, email="a@b.example", items=(Item("Lamp", 2, 1_995),), mode_epoch=1, flow=FLOW
    )


RECORDS: list[tuple[str, Any]] = [
    ("orders", placed(7)),
    ("payments", PaymentCaptured(7, 3_990, "EUR", "ch_1", NOW, FLOW)),
    ("dispatch_results", DispatchRejected(7, "no", NOW, FLOW)),
    ("orders", placed(BIG)),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two orders: one that waits for its refund, and one that waits for its payment."""
    folder = tmp_path_factory.mktemp("data")
    address = StoreAddress.at("fulfilment", data_dir=folder)
    assert address.path is not None
    address.path.parent.mkdir()
    shutil.copyfile(template(), address.path)
    items = []
    for offset, (topic, message) in enumerate(RECORDS):
        position, order_id = Position(topic, 0, offset), message.order_id
        envelope = Envelope(f"id-{offset}", f"order-{order_id}")
        items.append(Decoded(record(position, key=encode_key(order_id)), order_id, message, envelope))
    plan = decide_with_states(
        items,
        answers=(),
        effects={},
        known=KnownStates(),
        results_upto={},
        context=context(),
        rules=policy("fulfilment"),
        attempts={},
    )
    with opened(address) as store:
        store.write(StoreWrite(at=NOW, effects=plan.effects, states=plan.states, timers=plan.timers))
    return folder


def run(data_dir: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["process", *words], env={"CEV_DATA_DIR": str(data_dir)})


def listed(data_dir: Path, *words: str) -> list[dict[str, Any]]:
    ended = run(data_dir, "list", "--json", *words)
    assert ended.exit_code == 0, ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]


def test_the_list_shows_each_order_with_its_status_and_selects_by_it(data_dir: Path) -> None:
    at = rfc3339(NOW)
    refunding = {"order_id": "7", "status": "refunding", "changed_at": at, "changes": 3}
    paying = {"order_id": str(BIG), "status": "paying", "changed_at": at, "changes": 1}
    assert listed(data_dir) == [refunding, paying]
    assert listed(data_dir, "--status", "paying") == [paying]
    assert listed(data_dir, "--status", "completed") == []
    table = run(data_dir, "list")
    assert table.stdout.split()[:4] == ["order", "status", "since", "changes"]
    assert "refunding" in table.stdout


def test_a_process_is_shown_with_what_it_waits_for_how_it_came_there_and_what_it_has_issued(
    data_dir: Path,
) -> None:
    ended = run(data_dir, "show", "7", "--json")
    document = json.loads(ended.stdout)
    assert (document["status"], document["amount_cents"], document["currency"]) == ("refunding", 3_990, "EUR")
    assert (document["payment"], document["dispatch"], document["refund"]) == ("captured", "rejected", None)
    assert document["timers"] == [{"name": "refund", "due_at": rfc3339(NOW + 300_000)}]
    assert [(change["status"], change["message"]) for change in document["history"]] == [
        ("paying", "OrderPlaced"),
        ("dispatching", "PaymentCaptured"),
        ("refunding", "DispatchRejected"),
    ]
    issued = {(command["effect"], command["command"]) for command in document["commands"]}
    assert issued == {
        ("capture", "CapturePayment"),
        ("notify:email:placed", "SendNotification"),
        ("dispatch", "DispatchProduct"),
        ("refund", "RefundPayment"),
    }
    page = run(data_dir, "show", "7").stdout
    for part in ("order 7", "39.90 EUR", "refund until", "DispatchRejected", "dispatch_results:0:2"):
        assert part in page


def test_an_order_without_a_process_is_one_clear_line(data_dir: Path, tmp_path: Path) -> None:
    unknown, nowhere = run(data_dir, "show", "8"), run(tmp_path, "show", "8")
    assert (unknown.exit_code, nowhere.exit_code) == (1, 1)
    assert "there is no process of order 8: it is in another flow, was never placed" in unknown.stderr
    assert "fulfilment never ran" in nowhere.stderr
    assert run(tmp_path, "list").exit_code == 0


def test_a_status_that_there_is_not_is_answered_with_the_one_that_was_meant(data_dir: Path) -> None:
    ended = run(data_dir, "list", "--status", "refundin")
    assert ended.exit_code == 2
    assert "did you mean refunding?" in ended.stderr
