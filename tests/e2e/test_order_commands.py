"""`cev order` and `cev mode`, as a user types them, on a real broker of this file's own."""

import gzip
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, its stub only lacks the re-export

from clients.config import Cluster
from producers.placing.order_ids import EPOCH_S
from schemas.codec import Codec
from schemas.facts import DispatchRejected, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import CATALOGUE, DISPATCH_RESULTS, Message
from tests.support.kafka.broker import world

CEV = Path(sys.executable).with_name("cev")


class Cev:
    """The program, pointed at one world."""

    def __init__(self, data_dir: Path, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CEV_")}
        self.environment = {**kept, "CEV_DATA_DIR": str(data_dir)}

    def run(self, *words: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[bytes]:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        return subprocess.run(
            [CEV, *words], input=given, capture_output=True, timeout=90, check=False, env=self.environment
        )

    def json(self, *words: str, stdin: str | bytes = b"", code: int = 0) -> list[Any]:
        ended = self.run(*words, "--json", stdin=stdin)
        assert ended.returncode == code, ended.stderr.decode()
        return [json.loads(line) for line in ended.stdout.splitlines()]

    def refused(self, code: int, *words: str, stdin: str | bytes = b"") -> str:
        """What it says when it ends with this code: nothing on stdout, one line on stderr."""
        ended = self.run(*words, stdin=stdin)
        said = ended.stderr.decode()
        assert (ended.returncode, ended.stdout) == (code, b""), said
        assert "Traceback" not in said
        return said

    def answer(self, message: Message, order_id: int) -> None:
        producer = Producer(Cluster(bootstrap=self.bootstrap).producer())
        value = Codec().encode(DISPATCH_RESULTS, message)
        producer.produce(DISPATCH_RESULTS, value=value, key=encode_key(order_id))
        assert producer.flush(10) == 0


@pytest.fixture(scope="module")
def cev() -> Iterator[Cev]:
    with world() as started:
        admin = AdminClient({"bootstrap.servers": started.bootstrap})
        made = admin.create_topics([NewTopic(t.name, t.partitions, 1, config=t.config) for t in CATALOGUE])
        for future in made.values():
            future.result(30)
        yield Cev(started.data_dir, started.bootstrap)


def test_an_order_is_told_with_its_mode_and_where_its_records_lie(cev: Cev) -> None:
    cev.json("mode", "set", "shadow", "--why", "for the test")
    (order,) = cev.json("order", "place", "--order-id", "12004", "--address", "1 Streetford Road")
    assert order["order_id"] == "12004"
    assert order["mode"] == "shadow"
    assert order["epoch"] == cev.json("mode", "show")[0]["epoch"]
    assert order["correlation_id"] == "order-12004"
    assert [record["topic"] for record in order["records"]] == ["dispatch_products", "orders"]
    assert all(isinstance(record["offset"], int) for record in order["records"])
    line = cev.run("order", "place", "--address", "1 Streetford Road").stdout.decode()
    assert line.split()[1] == "shadow"
    assert line.split()[2].startswith("dispatch_products:")
    assert "@" in line.split()[2]


def test_generated_ids_rise_with_the_clock_from_one_command_to_the_next(cev: Cev) -> None:
    """To the second: within one, each process counts up from a random start."""
    for _ in range(2):
        before = int(time.time()) - EPOCH_S
        order_id = int(cev.json("order", "place", "--address", "x")[0]["order_id"])
        assert before <= order_id >> 32 <= time.time() - EPOCH_S


def test_every_fault_of_an_order_is_in_one_line(cev: Cev) -> None:
    card = "4111111111111111"
    faulty = ("--address", " ", "--email", "x", "--item", "a", "--expires-in", "0", "--pay", card)
    said = cev.refused(2, "order", "place", *faulty)
    for word in ("address", "email", "item 1", "expires_in", "never give card data"):
        assert word in said
    assert card not in said
    assert said.count("\n") == 1


def test_an_order_id_that_is_none_is_an_invalid_order(cev: Cev) -> None:
    assert "order_id" in cev.refused(2, "order", "place", "--address", "x", "--order-id", str(2**63))
    (order,) = cev.json("order", "place", "--address", "x", "--order-id", str(-(2**63)))
    assert order["order_id"] == str(-(2**63))


def test_rows_and_a_single_order_do_not_go_together(cev: Cev, tmp_path: Path) -> None:
    said = cev.refused(2, "order", "place", "--from", "-", "--address", "x", "--item", "k:1:5", "--wait", "3")
    assert "--address, --item, --wait" in said
    assert "--address" in cev.refused(2, "order", "place")
    assert "--from" in cev.refused(2, "order", "place", "--address", "x", "--format", "csv")
    assert "No such file" in cev.refused(2, "order", "place", "--from", "/nowhere/orders.csv")
    rows = tmp_path / "orders.txt"
    rows.touch()
    assert "--format" in cev.refused(2, "order", "place", "--from", str(rows))


def test_a_dry_run_writes_nothing(cev: Cev) -> None:
    (order,) = cev.json("order", "place", "--address", "x", "--dry-run")
    assert all(record["offset"] is None for record in order["records"])
    first = cev.json("order", "place", "--address", "x", "--order-id", "77")[0]["records"][0]
    cev.json("order", "place", "--address", "x", "--order-id", "77", "--dry-run")
    cev.json("order", "place", "--from", "-", "--dry-run", stdin='{"address":"x","order_id":77}')
    again = cev.json("order", "place", "--address", "x", "--order-id", "77")[0]["records"][0]
    # In shadow a commit marker lies between two orders.
    assert again["offset"] - first["offset"] == 2


ROWS = """{"address":"1 Streetford Road","order_id":"12010"}
{"address":""}

{"address":"2 Streetford Road","items":[{"product":"k","quantity":1,"unit_price_cents":5}]}
"""


def test_good_rows_are_placed_bad_ones_named_and_a_second_run_names_the_same_orders(
    cev: Cev, tmp_path: Path
) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text(ROWS)
    *orders, summary = cev.json("order", "place", "--from", str(file), code=1)
    assert summary == {"placed": 2, "failed": 1, "errors": [{"row": 2, "message": "address is blank"}]}
    file.write_text(ROWS.replace('{"address":""}', '{"address":"mended"}'))
    *again, summary = cev.json("order", "place", "--from", str(file))
    assert summary == {"placed": 3, "failed": 0, "errors": []}
    assert [again[0]["order_id"], again[2]["order_id"]] == [order["order_id"] for order in orders]
    ended = cev.run("order", "place", "--from", "-", stdin=ROWS)
    assert ended.stdout == b"2 placed, 1 failed\n"
    assert ended.stderr == b"row 2: address is blank\n"
    assert ended.returncode == 1


def test_csv_comes_from_a_file_or_from_standard_input(cev: Cev) -> None:
    rows = "address,items,order_id\n1 Streetford Road,k:1:5;d:2:7,12020\n2 Mill Lane,,\nbad\n"
    *orders, summary = cev.json("order", "place", "--from", "-", "--format", "csv", stdin=rows, code=1)
    assert orders[0]["order_id"] == "12020"
    assert summary["errors"] == [{"row": 3, "message": "1 column, the header has 3"}]
    assert "unknown column" in cev.refused(
        2, "order", "place", "--from", "-", "--format", "csv", stdin="adress\nx\n"
    )


def test_a_file_as_an_office_writes_it_is_placed_or_refused_as_a_whole(cev: Cev, tmp_path: Path) -> None:
    packed = tmp_path / "orders.tsv.gz"
    packed.write_bytes(gzip.compress("Order ID\tAddress\t\n12040\tM\u00fchle 5\t\n".encode("utf-16")))
    order, summary = cev.json("order", "place", "--from", str(packed))
    assert (order["order_id"], summary["placed"]) == ("12040", 1)
    plain = tmp_path / "orders.csv"
    plain.write_bytes("sep=;\norder_id;address\n12041;M\u00fchle 5\n".encode("cp1252"))
    assert "line 3 is not UTF-8" in cev.refused(2, "order", "place", "--from", str(plain))
    order, _ = cev.json("order", "place", "--from", str(plain), "--encoding", "cp1252")
    assert order["order_id"] == "12041"
    assert "--from" in cev.refused(2, "order", "place", "--address", "x", "--encoding", "cp1252")


def test_standard_input_is_csv_if_it_does_not_begin_like_json(cev: Cev) -> None:
    order, _ = cev.json("order", "place", "--from", "-", stdin="address;order_id\nx;12042\n")
    assert order["order_id"] == "12042"
    order, _ = cev.json("order", "place", "--from", "-", stdin='[{"address": "x", "order_id": 12043}]')
    assert order["order_id"] == "12043"
    ended = cev.run(
        "order", "place", "--from", "-", "--dry-run", stdin="address,order_id\nx,12044\ny,12044\n"
    )
    assert ended.stderr == b"1 row has the order_id of an earlier row: an id is one order\n"


def test_rows_from_a_slow_pipe_are_placed_as_they_come(cev: Cev) -> None:
    piped = subprocess.Popen(
        [CEV, "order", "place", "--from", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=cev.environment,
    )
    assert piped.stdin is not None
    assert piped.stdout is not None
    piped.stdin.write(b'{"address":"x","order_id":"12030"}\n')
    piped.stdin.flush()
    first = json.loads(piped.stdout.readline())
    assert first["order_id"] == "12030"
    piped.stdin.close()
    assert json.loads(piped.stdout.readline())["placed"] == 1
    assert piped.wait(30) == 0
    piped.stdout.close()


def test_a_load_is_steady_and_counts_by_mode(cev: Cev) -> None:
    (told,) = cev.json("order", "load", "--count", "100", "--rate", "50", "--seed", "1")
    assert (told["placed"], told["failed"], told["modes"]) == (100, 0, {"shadow": 100})
    assert 1.9 < told["seconds"] < 4
    (fast,) = cev.json("order", "load", "--count", "500", "--rate", "0", "--pay", "tok_ok")
    assert fast["placed"] == 500


def test_waiting_tells_what_became_of_the_order(cev: Cev) -> None:
    cev.answer(ProductDispatched(501, "x", 1_795_000_000_000), 501)
    (order,) = cev.json("order", "place", "--order-id", "501", "--address", "x", "--wait", "20")
    assert order["result"] == {"type": "ProductDispatched", "at": "2026-11-18T11:06:40.000Z", "reason": None}
    (again,) = cev.json("order", "place", "--order-id", "501", "--address", "x", "--wait", "20")
    assert again["result"] == order["result"]
    (other,) = cev.json("order", "place", "--order-id", "501", "--address", "y", "--wait", "20", code=1)
    assert "another address" in other["result"]["reason"]


def test_a_rejected_order_or_a_silent_warehouse_ends_the_wait_with_1(cev: Cev) -> None:
    cev.answer(DispatchRejected(502, "closed", 1_795_000_000_000), 502)
    (order,) = cev.json("order", "place", "--order-id", "502", "--address", "x", "--wait", "20", code=1)
    assert (order["result"]["type"], order["result"]["reason"]) == ("DispatchRejected", "closed")
    (silent,) = cev.json("order", "place", "--address", "x", "--wait", "0.5", code=1)
    assert silent["result"] is None


def test_the_mode_has_a_history_and_a_guard(cev: Cev) -> None:
    (before,) = cev.json("mode", "show")
    event = ("mode", "set", "event", "--flow", "process")
    (changed,) = cev.json(*event, "--why", "moving", "--if-epoch", str(before["epoch"]))
    assert (changed["mode"], changed["epoch"], changed["why"]) == ("event", before["epoch"] + 1, "moving")
    assert changed["flow"] == "process"
    assert "@" in changed["changed_by"]
    assert changed["changed_at"].endswith("Z")
    last = cev.json("mode", "history")[-1]
    assert (last["epoch"], last["flow"]) == (changed["epoch"], "process")
    said = cev.refused(4, "mode", "set", "command", "--if-epoch", str(before["epoch"]))
    assert f"epoch {changed['epoch']}" in said
    (same,) = cev.json(*event)
    assert same["epoch"] == changed["epoch"]
    warned = cev.run("mode", "set", "shadow")
    assert warned.returncode == 0
    assert "warning: warehouse has no live member" in warned.stderr.decode()
    assert "shadow" in warned.stdout.decode()


def test_a_mode_that_is_none_is_a_usage_error(cev: Cev) -> None:
    assert "telepathy" in cev.refused(2, "mode", "set", "telepathy")
    said = cev.refused(2, "mode", "set", "shadow", "--flow", "process")
    assert "flow process goes with mode event alone: `cev mode set event --flow process`" in said


def test_without_a_cluster_or_broker_it_ends_with_3(cev: Cev, tmp_path: Path) -> None:
    lonely = Cev(tmp_path / "nothing", "")
    assert "cev up" in lonely.refused(3, "order", "place", "--address", "x")
    said = cev.refused(3, "mode", "show", "--bootstrap-servers", "127.0.0.1:1")
    assert "no broker answered at 127.0.0.1:1" in said
