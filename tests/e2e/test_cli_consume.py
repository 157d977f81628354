"""`cev consume` as an operator runs it: what it says, how it ends, and who is left standing.

I/O: a world of this file's own, HTTP on loopback, a gateway that never answers.
"""

import json
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import pytest

from tests.support.program import Program, Started, until

ADDRESS = "1 Streetford Road"
EVERYTHING = (
    "--customer",
    "Ada",
    "--email",
    "ada@example.com",
    "--phone",
    "+441632960123",
    "--item",
    "kettle:1:3499",
)


class Here(NamedTuple):
    """A running world in mode event, and its address for programs of other data directories."""

    cev: Program
    bootstrap: str


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    cev = Program(tmp_path_factory.mktemp("consume") / "data")
    with cev.up() as told:
        cev.ok("mode", "set", "event")
        yield Here(cev, told["bootstrap"])


@pytest.fixture
def endless_gateway() -> Iterator[str]:
    """The address of a text gateway whose answer begins, goes on byte by byte, and never ends."""
    over = Event()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def drip(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Wait: ")
                while not over.wait(0.5):
                    connection.sendall(b".")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    Thread(target=drip, args=(listening.accept()[0],), daemon=True).start()

        accepting = Thread(target=accept, daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/texts"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join(5)


def place(cev: Program, *more: str) -> str:
    """Place an order; its id."""
    return str(cev.json("order", "place", "--address", ADDRESS, *more)[0]["order_id"])


def dispatched(cev: Program, order_id: str) -> bool:
    return bool(cev.json("effects", "warehouse", "--order-id", order_id))


def health(consuming: Started, path: str) -> tuple[int, dict[str, Any]]:
    """Status and document of a health endpoint of a process that said its port."""
    consuming.says("health server")
    found = re.search(r"health server .*port=(\d+)", consuming.said)
    assert found is not None
    connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_it_says_what_it_reads_where_it_starts_and_how_it_went(here: Here) -> None:
    with here.cev.started("consume", "warehouse", "notification", "sales") as consuming:
        consuming.joined("warehouse", "notification", "sales")
        for line in (
            'group=warehouse reads="dispatch_products (command, owner warehouse), orders (fact, ',
            'group=sales reads="orders (fact, owner order-service)"',
            f"store={here.cev.data_dir / 'stores' / 'warehouse.sqlite3'}",
            f'email="maildir {here.cev.data_dir / "maildir"}"',
            f'text="file {here.cev.data_dir / "texts.jsonl"}"',
            'start="for the first time" offset_sum=0',
        ):
            assert line in consuming.said
        order = place(here.cev, *EVERYTHING, "--wait", "30")
        until(
            lambda: bool(here.cev.json("effects", "sales", "--order-id", order)), 30, "the order is counted"
        )
        assert consuming.end() == 0
        assert consuming.printed == ""
        assert "ended group=warehouse effects=1 duplicates=0 dead_letters=0" in consuming.said
    with here.cev.started("consume", "warehouse") as again:
        again.joined("warehouse")
        assert "where it left off" in again.said
        assert again.end() == 0


def test_until_idle_waits_for_what_a_dead_member_still_holds(here: Here) -> None:
    with here.cev.started("consume", "sales") as dead:
        dead.joined("sales")
        dead.process.kill()
        dead.process.wait(10)
    before = len({each["order_id"] for each in here.cev.json("effects", "sales")})
    total = here.cev.json("order", "load", "--count", "60", "--rate", "0")[0]["placed"]
    here.cev.ok("consume", "sales", "--until-idle", "0")
    assert len({each["order_id"] for each in here.cev.json("effects", "sales")}) == before + total
    here.cev.ok("consume", "warehouse", "notification", "--until-idle", "0")


def test_a_reaction_that_nobody_knows_is_a_usage_error(here: Here) -> None:
    for words in (("sell",), ("warehouse", "sell")):
        said = here.cev.refused(2, "consume", *words)
        assert "'sell'" in said
        assert "warehouse, notification, sales, tracking, loyalty" in said


def members(cev: Program, group: str) -> int:
    """How many members a group has, as the broker knows it."""
    (status,) = cev.json("status")
    found = [each for topic in status["topics"] for each in topic["groups"] if each["group"] == group]
    return max(int(each["members"]) for each in found)


def test_a_second_sigterm_ends_at_once(here: Here, endless_gateway: str) -> None:
    # So long that only the second signal can end it.
    cev = here.cev.beside(CEV_TEXT_URL=endless_gateway, CEV_DRAIN_S="300")
    with cev.started("consume", "warehouse", "notification", "sales") as consuming:
        consuming.joined("warehouse", "notification", "sales")
        assert f'text="gateway {endless_gateway.rpartition("/")[0]}/********"' in consuming.said
        order = place(cev, *EVERYTHING, "--wait", "30")
        until(lambda: bool(cev.json("effects", "sales", "--order-id", order)), 30, "sales goes on")
        until(lambda: states(cev, order).get("text") == "intended", 30, "a text is intended")
        consuming.process.send_signal(signal.SIGTERM)
        until(lambda: not members(cev, "sales"), 30, "who has nothing in flight leaves at the first SIGTERM")
        assert consuming.process.poll() is None, "what is in flight is waited for"
        assert consuming.end(seconds=3) == 1
    here.cev.ok("consume", "notification", "--until-idle", "0.5")
    assert states(cev, order) == {"email": "done", "text": "done"}


def states(cev: Program, order_id: str) -> dict[str, str]:
    """How far each notification of an order is."""
    return {
        each["channel"]: each["state"] for each in cev.json("effects", "notification", "--order-id", order_id)
    }


def test_the_drain_deadline_ends_it_with_1_and_says_so(here: Here, endless_gateway: str) -> None:
    cev = here.cev.beside(CEV_TEXT_URL=endless_gateway, CEV_DRAIN_S="0.3")
    with cev.started("consume", "notification") as consuming:
        consuming.joined("notification")
        order = place(cev, *EVERYTHING)
        until(lambda: "text" in states(cev, order), 30, "a text is intended")
        assert consuming.end(seconds=10) == 1
        assert "the drain deadline of 0.3 s passed" in consuming.said
        assert "Traceback" not in consuming.said
    here.cev.ok("consume", "notification", "--until-idle", "0.5")
    assert states(cev, order) == {"email": "done", "text": "done"}


def test_health_tells_who_joined(here: Here) -> None:
    cev = here.cev.beside(CEV_HEALTH_PORT="0")
    with cev.started("consume", "warehouse", "sales") as consuming:
        consuming.joined("warehouse", "sales")
        assert health(consuming, "/health/live") == (200, {"live": True})
        status, ready = health(consuming, "/health/ready")
        assert (status, ready["ready"]) == (200, True)
        groups = [(each["group"], each["partitions"]) for each in ready["groups"]]
        assert groups == [("warehouse", 36), ("sales", 12)]
        assert health(consuming, "/metrics")[0] == 404
        assert consuming.end(signal.SIGINT) == 0


def test_a_health_port_in_use_is_a_usage_error(here: Here) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = here.cev.beside(CEV_HEALTH_PORT=port).run("consume", "sales")
    assert ended.returncode == 2
    assert f"health_port {port} cannot be used" in ended.stderr.splitlines()[-1]


def test_a_foreign_store_stops_its_own_group_alone(here: Here, tmp_path: Path) -> None:
    place(here.cev, *EVERYTHING)
    stranger = here.cev.beside(tmp_path / "other", CEV_BOOTSTRAP_SERVERS=here.bootstrap)
    stranger.ok("consume", "loyalty", "--until-idle", "0.5")
    cev = here.cev.beside(CEV_HEALTH_PORT="0")
    with cev.started("consume", "warehouse", "loyalty", "sales") as consuming:
        consuming.joined("warehouse", "sales")
        consuming.says("stopped group=loyalty")
        status, ready = health(consuming, "/health/ready")
        assert (status, ready["ready"]) == (503, False)
        broken = {each["group"]: each["failure"] for each in ready["groups"]}
        assert broken["warehouse"] is broken["sales"] is None
        assert "store" in broken["loyalty"]
        assert health(consuming, "/health/live")[0] == 200
        order = place(cev, "--wait", "30")
        assert dispatched(cev, order)
        assert consuming.end() == 4
        last = consuming.said.splitlines()[-1]
        assert last.startswith("cev: ")
        assert "store" in last
        assert "Traceback" not in consuming.said


def test_consuming_before_up_makes_a_data_directory_that_up_takes(here: Here, tmp_path: Path) -> None:
    early = Program(tmp_path / "data", CEV_BOOTSTRAP_SERVERS=here.bootstrap)
    with early.started("consume", "loyalty", "--until-idle", "0") as consuming:
        consuming.process.wait(60)
    assert (early.data_dir / "stores" / "loyalty.sqlite3").exists()
    with Program(early.data_dir).up() as told:
        assert told["bootstrap"] != here.bootstrap
    assert not early.data_dir.exists()
