"""Why a group can stand still although somebody runs it: disks, processes, receivers, registries, topics.

Each test makes one row of the table in docs/operations.md happen, and its end.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, its stub only lacks the re-export
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from broker import properties
from broker.datadir import claim
from consumers.registry import REACTIONS, all_topics
from consumers.runtime.reaction import Delivery
from operations.status import alarms as status_alarms
from operations.status import collect, progress
from operations.status.stores import Reader
from operations.topics import provision
from schemas.codec import Codec
from schemas.errors import OperationFailed, Position
from schemas.facts import Item
from schemas.framing import encode_key
from schemas.registry import Registry
from schemas.topics import ORDERS, dead_letter_topic, retry_topic
from tests.support.consumers.harness import ConsumerHarness, Running
from tests.support.kafka.broker import world
from tests.support.kafka.log import prepare, until

SOON_S = 20.0
NO_LIMIT = 1_073_741_823


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Status waits for no record's age, and watches for a moment only."""
    monkeypatch.setattr(progress, "STUCK_MS", 0)
    monkeypatch.setattr(progress, "WATCH_S", 2.0)
    monkeypatch.setattr(status_alarms, "ABSENT_MS", 0)


def alarms(shop: ConsumerHarness) -> dict[tuple[str, str], str]:
    """The alarms of `cev status`."""
    readers = [Reader(each.name, each.reads, each.replaces, shop.name(each.name)) for each in REACTIONS]
    status = collect.collect_status(shop.cluster, Codec(), all_topics(), readers)
    return {(alarm.name, alarm.subject): alarm.text for alarm in status.alarms}


def has_alarm(shop: ConsumerHarness, name: str, subject: str) -> str:
    """Its text, once it is there."""
    return str(until(lambda: alarms(shop).get((name, subject)), f"{name} {subject}", 3 * SOON_S))


def goes_on(shop: ConsumerHarness, running: Running) -> None:
    until(lambda: running.status.ready, "it is ready")
    until(lambda: shop.lag(running.status.group, [ORDERS]) == 0, "it handles what waited")
    running.stop()
    assert alarms(shop) == {}


@contextmanager
def limited_disk() -> Iterator[dict[str, int]]:
    """SQLite's own limit of a file's size: what does not fit is refused as on a full disk (SQLITE_FULL)."""
    pages = {"limit": NO_LIMIT}

    def limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages['limit']}")

    event.listen(Engine, "begin", limit)
    try:
        yield pages
    finally:
        event.remove(Engine, "begin", limit)


def test_a_store_on_a_full_disk_is_an_alarm_and_the_group_goes_on_once_there_is_room(
    shop: ConsumerHarness,
) -> None:
    shop.fact(1)
    shop.handled("sales")
    with limited_disk() as pages:
        running = shop.member("sales")
        until(lambda: running.status.at_end, "it has joined")
        pages["limit"] = 1
        for order_id in range(2, 30):
            shop.fact(order_id, items=(Item("x" * 2_000, 1, 100),))
        shop.flush()
        assert "full" in until(lambda: running.status.outage, "the outage is seen", SOON_S)
        assert not running.status.ready
        assert "commits nothing" in has_alarm(shop, "no-progress", "sales@orders")
        pages["limit"] = NO_LIMIT
        goes_on(shop, running)
    assert len(shop.outcomes("sales")) == 29


class Stuck:
    """A channel whose deliveries do not end before somebody lets them."""

    describe = "stuck"

    def __init__(self) -> None:
        self.free = Event()
        self.calls = 0

    def deliver(self, _delivery: Delivery, _key: str, _where: Position) -> None:
        self.calls += 1
        self.free.wait(120)

    def close(self) -> None:
        self.free.set()


def test_a_member_that_is_stuck_in_a_delivery_is_an_alarm(shop: ConsumerHarness) -> None:
    mail = Stuck()
    running = shop.member("notification", channels={"email": mail, "text": mail})
    until(lambda: running.status.at_end, "it has joined")
    shop.fact(1, email="ada@customers.example")
    shop.flush()
    until(lambda: mail.calls, "the delivery has begun")
    assert "commits nothing" in has_alarm(shop, "no-progress", "notification@orders")
    mail.free.set()
    goes_on(shop, running)
    assert mail.calls == 1


def test_a_registry_that_does_not_answer_is_an_alarm_and_no_dead_letter(shop: ConsumerHarness) -> None:
    shop.raw(ORDERS, encode_key(1), b"\x00" + (7).to_bytes(4, "big") + b"x")
    running = shop.member("sales", codec=Codec(Registry("http://127.0.0.1:1")))
    outage = until(lambda: running.status.outage, "the outage is seen", SOON_S)
    assert "127.0.0.1:1" in outage
    assert not running.status.ready
    assert "127.0.0.1:1" in has_alarm(shop, "outage", "registry")
    running.stop()
    assert shop.read(dead_letter_topic("sales", ORDERS)) == []


def stopped_process(shop: ConsumerHarness, **settings: str) -> Any:
    shop.fact(1)
    child = shop.cev("consume", "sales", **settings)
    until(lambda: shop.outcomes("sales") and shop.lag("sales", [ORDERS]) == 0, "it works")
    child.send_signal(signal.SIGSTOP)
    shop.fact(2)
    shop.flush()
    return child


def test_a_process_that_is_stopped_is_an_alarm_while_it_is_a_member_and_after(shop: ConsumerHarness) -> None:
    # The classic protocol, because KIP-848 lets no client ask for a shorter session than 45 s.
    settings = {"CEV_GROUP_PROTOCOL": "classic", "CEV_KAFKA__SESSION_TIMEOUT_MS": "6000"}
    child = stopped_process(shop, **settings)
    raised = alarms(shop)
    assert set(raised) <= {("no-progress", "sales@orders"), ("no-consumer", "sales@orders")}
    assert raised
    assert "no live member" in has_alarm(shop, "no-consumer", "sales@orders")
    child.send_signal(signal.SIGCONT)
    until(lambda: len(shop.outcomes("sales")) == 2, "it goes on once it is continued")
    until(lambda: alarms(shop) == {}, "the alarm is over")


def test_a_topic_that_is_removed_under_a_member_is_an_alarm_until_it_is_there_again(
    shop: ConsumerHarness,
) -> None:
    running = shop.member("sales")
    until(lambda: running.status.at_end, "it has joined")
    retry = retry_topic("sales", ORDERS)
    shop.admin.delete_topics([retry])[retry].result(SOON_S)
    try:
        assert "cev topics create" in has_alarm(shop, "topic-missing", retry)
    finally:
        began = time.monotonic()
        until(lambda: provision.create(shop.cluster, all_topics()).created == (retry,), "it is there again")
        assert time.monotonic() - began < SOON_S
    shop.fact(1)
    shop.flush()
    until(lambda: shop.outcomes("sales"), "its other topics are read")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[ConsumerHarness]:
    """An empty log on a broker of its own, which asks for permissions where there is a rule."""
    asks = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(properties, "_FAST_FAILOVER", {**properties._FAST_FAILOVER, **asks})
        with world() as started:
            prepare(started.bootstrap)
            data_dir = tmp_path / "data"
            claim(data_dir)
            (data_dir / "stores").mkdir()
            shop = ConsumerHarness(started.bootstrap, data_dir)
            yield shop
            shop.close()


def rule(kind: ResourceType, name: str, operation: AclOperation, permission: AclPermissionType) -> AclBinding:
    literal, anybody = ResourcePatternType.LITERAL, "User:ANONYMOUS"
    return AclBinding(kind, name, literal, anybody, "*", operation, permission)


@contextmanager
def denied(shop: ConsumerHarness, kind: ResourceType, name: str) -> Iterator[None]:
    """Nobody may read it; what else there is to do with it stays allowed."""
    rules = [
        rule(kind, name, AclOperation.ALL, AclPermissionType.ALLOW),
        rule(kind, name, AclOperation.READ, AclPermissionType.DENY),
    ]
    for future in shop.admin.create_acls(rules).values():
        future.result(SOON_S)
    yield
    everybody: Any = None
    every = AclBindingFilter(
        kind,
        name,
        ResourcePatternType.LITERAL,
        everybody,
        everybody,
        AclOperation.READ,
        AclPermissionType.DENY,
    )
    for future in shop.admin.delete_acls([every]).values():
        future.result(SOON_S)


def is_not_authorized(shop: ConsumerHarness, running: Running) -> None:
    assert "uthorization failed" in until(lambda: running.status.outage, "the outage is seen", SOON_S)
    assert not running.status.ready
    raised = shop.rows("sales", "SELECT name, subject FROM alarms")
    assert raised == [("outage", "broker")]


def test_a_group_and_a_topic_that_may_not_be_read_are_an_alarm_until_they_may(
    guarded: ConsumerHarness,
) -> None:
    guarded.fact(1)
    guarded.flush()
    with denied(guarded, ResourceType.GROUP, "sales"):
        running = guarded.member("sales")
        is_not_authorized(guarded, running)
        assert "uthorization failed" in has_alarm(guarded, "outage", "broker")
    goes_on(guarded, running)
    with denied(guarded, ResourceType.TOPIC, ORDERS):
        running = guarded.member("sales")
        is_not_authorized(guarded, running)
        with pytest.raises(OperationFailed, match="orders may not be read by this user"):
            alarms(guarded)
    goes_on(guarded, running)
