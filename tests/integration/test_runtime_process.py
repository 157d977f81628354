"""`cev consume` as a process: signals, health, independence of its groups, receivers that are down."""

import json
import signal
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from consumers.channels.json_lines import JsonLinesText
from consumers.channels.smtp import SmtpMail
from consumers.runtime.stores import store as store_module
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash import reactions
from tests.support.crash.code import code_of
from tests.support.crash.points import Point
from tests.support.kafka.log import until
from tests.support.receivers import MailServer, TextGateway, free_port

if TYPE_CHECKING:
    import subprocess

HANGING = Point("the store has the batch", "producer.begin_transaction:before").hung()


def ask(port: int, path: str) -> tuple[int, dict[str, Any]] | None:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
    except OSError:  # nobody listens, or no answer in time
        return None


def status(port: int) -> int | None:
    found = ask(port, "/health/ready")
    return found[0] if found else None


def ended(child: "subprocess.Popen[str]", seconds: float = 60) -> tuple[int, str]:
    _, told = child.communicate(timeout=seconds)
    return child.returncode, told


def test_a_broken_group_leaves_the_others_running_and_is_told_at_the_end(shop: ConsumerHarness) -> None:
    port = free_port()
    shop.fact(1)
    child = shop.cev(
        "consume", "warehouse", "sales", code=code_of(reactions.break_sales), CEV_HEALTH_PORT=str(port)
    )
    until(lambda: status(port) is not None, "health answers")
    until(
        lambda: (ask(port, "/health/ready") or (0, {"groups": [{}, {}]}))[1]["groups"][1].get("failure"),
        "sales failed",
    )
    shop.fact(2)
    shop.flush()
    until(lambda: len(shop.results()) == 2, "the warehouse works on")
    found = ask(port, "/health/ready")
    assert found is not None
    assert (found[0], found[1]["ready"]) == (503, False)
    warehouse, sales = found[1]["groups"]
    assert (warehouse["group"], warehouse["ready"], warehouse["failure"]) == ("warehouse", True, None)
    assert (sales["group"], sales["ready"], sales["failure"]) == ("sales", False, "sales is broken")
    assert ask(port, "/health/live") == (200, {"live": True})
    assert shop.outcomes("sales") == {}
    child.send_signal(signal.SIGTERM)
    code, told = ended(child)
    assert code != 0
    assert "sales is broken" in told
    assert "Traceback" not in told
    assert shop.committed("sales", [ORDERS]).keys() <= {(ORDERS, n) for n in range(6)}
    assert sum(shop.committed("sales", [ORDERS]).values()) == sum(
        low for low, _ in shop.edges(ORDERS).values()
    ), "a broken group passes nothing"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_drains_and_leaves_the_group_at_once(
    shop: ConsumerHarness, how: signal.Signals
) -> None:
    for order_id in range(200):
        shop.command(order_id)
    child = shop.cev("consume", "warehouse")
    until(lambda: shop.outcomes("warehouse"), "it works")
    child.send_signal(how)
    code, told = ended(child)
    assert code == 0, told
    assert shop.members("warehouse") == 0, "nobody waits for a session to time out"
    done = shop.outcomes("warehouse")
    assert sorted(order_id for order_id, _ in shop.results()) == sorted(done), "what was begun was finished"
    code, told = shop.ran("consume", "warehouse", "--until-idle", "0")
    assert code == 0, told
    assert len(shop.outcomes("warehouse")) == len(shop.results()) == 200, "the rest is done next time"


def test_a_drain_that_takes_too_long_is_given_up_and_told(shop: ConsumerHarness) -> None:
    shop.command(1)
    child = shop.cev("consume", "warehouse", code=HANGING, CEV_DRAIN_S="0.5")
    until(lambda: shop.outcomes("warehouse"), "a batch hangs")
    child.send_signal(signal.SIGTERM)
    code, told = ended(child)
    assert (code, "the drain deadline of 0.5 s passed" in told) == (1, True)


def test_until_idle_ends_by_itself_once_everything_is_handled(shop: ConsumerHarness) -> None:
    for order_id in range(50):
        shop.fact(order_id)
    code, told = shop.ran("consume", "warehouse", "sales", "--until-idle", "0.5")
    assert code == 0, told
    assert len(shop.outcomes("warehouse")) == len(shop.outcomes("sales")) == len(shop.results()) == 50


def test_a_mail_server_that_is_down_fills_no_dead_letters_and_loses_no_membership(
    shop: ConsumerHarness,
) -> None:
    server = MailServer()
    server.down()
    mail, text = SmtpMail(server.url, "shop@command-event.invalid"), JsonLinesText(shop.data_dir / "texts")
    for order_id in range(10):
        shop.fact(order_id, email=f"c{order_id}@customers.example", phone="+4930123")
    # The classic protocol, because KIP-848 lets no client ask for less than 45 s between two polls.
    impatient = {**shop.cluster.kafka, "session.timeout.ms": "6000", "max.poll.interval.ms": "6000"}
    running = shop.member(
        "notification",
        channels={"email": mail, "text": text},
        cluster=replace(shop.cluster, kafka=impatient, group_protocol="classic"),
    )
    until(lambda: running.status.outage, "the outage is seen")
    assert not running.status.ready
    down_since = time.monotonic()
    until(lambda: time.monotonic() - down_since > 7, "longer than a poll may take")
    assert shop.members("notification") == 1
    assert running.status.owned == 48
    assert shop.read("notification.orders.dlq") == []
    assert shop.lag("notification", [ORDERS]) == 10, "nothing is committed that was not delivered"
    server.up()
    until(lambda: len(server.mails) == 10 and shop.lag("notification", [ORDERS]) == 0, "the mails arrive")
    until(lambda: running.status.outage is None, "the outage is over")
    running.stop()
    server.down()
    assert sorted(server.ids()) == sorted(f"notification.{n}.email" for n in range(10))
    assert {outcome for (outcome,) in shop.rows("notification", "SELECT outcome FROM effects")} == {"done"}
    assert len({json.loads(line)["id"] for line in (shop.data_dir / "texts").read_text().splitlines()}) == 10


def test_a_receiver_that_refuses_one_message_gets_it_put_aside_and_the_rest_delivered(
    shop: ConsumerHarness,
) -> None:
    gateway = TextGateway()
    gateway.refuse = 422
    shop.fact(1, phone="+491", email="a@customers.example")
    channels = {"email": JsonLinesText(shop.data_dir / "mails"), "text": JsonLinesText(shop.data_dir / "t")}
    code, told = shop.ran("consume", "notification", "--until-idle", "0.3", CEV_TEXT_URL=gateway.url)
    gateway.refuse = None
    assert code == 0, told
    [dead] = shop.read("notification.orders.dlq")
    assert dead.header("kafka_dlt-exception-fqcn") == b"schemas.errors.DeliveryRejected"
    assert shop.rows("notification", "SELECT effect, outcome FROM effects") == [("email", "done")]
    shop.fact(2, phone="+492")
    code, told = shop.ran("consume", "notification", "--until-idle", "0.3", CEV_TEXT_URL=gateway.url)
    gateway.down()
    assert code == 0, told
    assert gateway.keys == ["notification/2/text"]
    for channel in channels.values():
        channel.close()


def test_a_store_that_is_locked_for_long_is_an_outage_and_then_goes_on(
    shop: ConsumerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_S", 0.3)
    shop.command(1)
    shop.handled("warehouse")
    raw = sqlite3.connect(shop.store("warehouse"), isolation_level=None)
    running = shop.member("warehouse")
    until(lambda: running.status.at_end, "it has joined")
    raw.execute("BEGIN IMMEDIATE")
    shop.command(2)
    shop.flush()
    until(lambda: running.status.outage, "the outage is seen")
    assert "database is locked" in str(running.status.outage)
    raw.execute("ROLLBACK")
    raw.close()
    until(lambda: shop.lag("warehouse", [DISPATCH_PRODUCTS]) == 0, "it goes on")
    running.stop()
    assert sorted(shop.results()) == [(1, "ProductDispatched"), (2, "ProductDispatched")]
