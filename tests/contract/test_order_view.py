"""`cev order status` and `cev order list` on a store of tracking, as a program and as a person ask.

I/O: a SQLite file; the command line in this process. Nothing listens where Kafka is said to be.
"""

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from consumers.flows.order_view import Order, seen
from consumers.runtime.order_states import to_json
from schemas.facts import DispatchRejected, Fact, Item, OrderPlaced, PaymentCaptured, ProductDispatched
from schemas.topics import DISPATCH_RESULTS, ORDERS, PAYMENTS
from tests.support.stores.stores import template

BIG = 9_007_199_254_740_993
HOME = "1 Streetford Road"
MINUTE = 60_000
TOPIC_OF = {OrderPlaced: ORDERS, PaymentCaptured: PAYMENTS}


class Desk:
    """A data directory with a store of tracking, and somebody who types."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.path = data_dir / "stores" / "tracking.sqlite3"
        self.path.parent.mkdir(parents=True)
        shutil.copyfile(template(), self.path)

    def save(self, order_id: int, *facts: Fact) -> None:
        """Each fact is recorded a minute after the one before, the first at 1970."""
        order = Order()
        for number, fact in enumerate(facts):
            topic = TOPIC_OF.get(type(fact), DISPATCH_RESULTS)
            order = order.heard(
                seen(fact, recorded_at=number * MINUTE, topic=topic, partition=3, offset=number)
            )
        row = (order_id, len(facts), order.status, to_json(order), 0)
        with closing(sqlite3.connect(self.path)) as store, store:
            store.execute("INSERT OR REPLACE INTO order_states VALUES (?, ?, ?, ?, ?)", row)

    def ended(self, *words: str) -> Result:
        environment = {"CEV_DATA_DIR": str(self.data_dir), "CEV_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        return CliRunner().invoke(app, ["order", *words], prog_name="cev", env=environment)

    def lines(self, *words: str) -> list[Any]:
        result = self.ended(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    def refused(self, *words: str) -> tuple[int, str]:
        result = self.ended(*words)
        assert result.stdout == ""
        return result.exit_code, " ".join(result.stderr.split())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.save(
        BIG,
        OrderPlaced(BIG, HOME, 0, customer="Ada", items=(Item("Lamp", 2, 1_995),), flow="process"),
        PaymentCaptured(BIG, 3_990, "EUR", "cap_1", 50, "process"),
        ProductDispatched(BIG, HOME, 100, "process"),
    )
    made.save(1, OrderPlaced(1, HOME, 0))
    made.save(2, OrderPlaced(2, HOME, 0), DispatchRejected(2, "the address is blank", 0))
    return made


def test_a_program_gets_the_status_and_every_fact_with_its_time_and_position(desk: Desk) -> None:
    [document] = desk.lines("status", str(BIG))
    facts = document.pop("facts")
    assert document == {
        "order_id": "9007199254740993",
        "status": "dispatched",
        "flow": "process",
        "placed": True,
        "contradictions": [],
    }
    assert [(fact["type"], fact["recorded_at"]) for fact in facts] == [
        ("OrderPlaced", "1970-01-01T00:00:00.000Z"),
        ("PaymentCaptured", "1970-01-01T00:01:00.000Z"),
        ("ProductDispatched", "1970-01-01T00:02:00.000Z"),
    ]
    assert facts[2] | {"says": None} == {
        "type": "ProductDispatched",
        "recorded_at": "1970-01-01T00:02:00.000Z",
        "topic": "dispatch_results",
        "partition": 3,
        "offset": 2,
        "says": None,
    }
    assert facts[2]["says"]["dispatched_at"] == "1970-01-01T00:00:00.100Z"


def test_a_person_reads_what_each_fact_says(desk: Desk) -> None:
    printed = desk.ended("status", str(BIG)).stdout
    assert printed.splitlines()[0] == "9007199254740993  dispatched  flow process"
    for said in ("39.90 EUR, 1 line, to 1 Streetford Road", "39.90 EUR, cap_1", "payments:3@1"):
        assert said in printed
    assert "the address is blank" in desk.ended("status", "2").stdout


def test_what_was_known_at_a_time_is_shown(desk: Desk) -> None:
    [document] = desk.lines("status", str(BIG), "--at", "1970-01-01T00:01:30Z")
    assert (document["status"], len(document["facts"])) == ("paid", 2)
    assert desk.refused("status", str(BIG), "--at", "1969-12-31T23:59:59Z") == (
        1,
        f"cev: nothing had been recorded of order {BIG} at 1969-12-31T23:59:59.000Z",
    )


def test_whoever_waits_is_answered_as_soon_as_the_order_is_so(desk: Desk) -> None:
    dispatched = (OrderPlaced(3, HOME, 0), ProductDispatched(3, HOME, 0))
    later = Timer(0.3, lambda: desk.save(3, *dispatched))
    later.start()
    began = time.monotonic()
    [document] = desk.lines("status", "3", "--wait", "dispatched", "--timeout", "60")
    later.join()
    assert document["status"] == "dispatched"
    assert time.monotonic() - began < 30


def test_whoever_waits_too_long_is_shown_how_the_order_stands_and_gets_1(desk: Desk) -> None:
    result = desk.ended("status", "1", "--wait", "payment-failed", "--timeout", "0", "--json")
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (1, "placed")
    assert result.stderr == "cev: order 1 is placed, and not payment failed after 0 s\n"


def test_an_unknown_order_is_answered_with_what_is_known_of_tracking(desk: Desk) -> None:
    code, said = desk.refused("status", "9")
    assert code == 1
    assert said.startswith("cev: nothing is known of order 9, nor whether tracking has read everything: ")
    desk.path.unlink()
    code, said = desk.refused("status", "9")
    assert code == 1
    assert "tracking never ran with this data directory; start `cev consume tracking`" in said


def test_orders_are_listed_by_their_newest_fact(desk: Desk) -> None:
    assert [line["order_id"] for line in desk.lines("list")] == [str(BIG), "2", "1"]
    assert [line["order_id"] for line in desk.lines("list", "--limit", "1")] == [str(BIG)]
    assert [line["order_id"] for line in desk.lines("list", "--since", "1970-01-01T00:01:00Z")] == [
        *(str(BIG), "2")
    ]
    assert desk.lines("list", "--state", "rejected") == [
        {
            "order_id": "2",
            "status": "rejected",
            "flow": "direct",
            "placed": True,
            "facts": 2,
            "updated_at": "1970-01-01T00:01:00.000Z",
        }
    ]
    listed = desk.ended("list", "--state", "rejected")
    assert listed.stdout.splitlines()[1].split() == [
        "2",
        "rejected",
        "direct",
        "2",
        "1970-01-01T00:01:00.000Z",
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("list", "--state", "despatched"), "there is no state 'despatched'; did you mean dispatched?"),
        (("status", "1", "--wait", "xyz"), "there is no state 'xyz'; there are placed, paid"),
        (("status", "1", "--wait", "paid", "--at", "1h"), "give one of them"),
        (("status", "1", "--timeout", "1"), "--timeout goes with --wait"),
        (("status", str(2**63)), "ORDER_ID"),
    ],
)
def test_what_makes_no_sense_is_refused(desk: Desk, words: tuple[str, ...], reason: str) -> None:
    code, said = desk.refused(*words)
    assert code == 2
    assert reason in said
