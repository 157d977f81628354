"""Every way a group can stand still, on a real broker: what its readiness and its alarms say, and how soon.

The table in docs/operations.md lists them; each test makes one happen.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from broker import state
from clients.config import Cluster
from consumers.registry import REACTIONS, all_topics
from consumers.runtime.stores import store as store_module
from operations.status import alarms as status_alarms
from operations.status import collect, progress
from operations.status.stores import Reader
from operations.verify.check import check_all
from operations.verify.evidence import READS
from operations.verify.reconciliation import Reconciliation
from schemas.codec import Codec
from schemas.errors import Fenced, LostOffset
from schemas.topics import ORDERS
from tests.support.consumers.harness import ConsumerHarness, Running
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.leave_group import leave_group
from tests.support.kafka.log import until

SOON_S = 10.0
STATIC = {"group.instance.id": "one"}


def static(shop: ConsumerHarness, **more: Any) -> Cluster:
    return replace(shop.cluster, kafka={**shop.cluster.kafka, **STATIC}, **more)


@contextmanager
def other_member(cluster: Cluster, group: str, **settings: Any) -> Iterator[Consumer]:
    """Another process in the group, in this one; it has its partitions."""
    consumer = Consumer(cluster.consumer(group, **settings))
    consumer.subscribe([ORDERS])
    until(lambda: consumer.poll(0.05) or consumer.assignment(), "it has joined")
    try:
        yield consumer
    finally:
        consumer.close()


def own_alarms(shop: ConsumerHarness, group: str) -> dict[tuple[str, str], str]:
    rows = shop.rows(group, "SELECT name, subject, text FROM alarms")
    return {(name, subject): text for name, subject, text in rows}


def stands_still(shop: ConsumerHarness, running: Running, reason: str) -> None:
    """The member is not ready and says why, in its status and in its alarm, within `SOON_S`."""
    outage = until(lambda: running.status.outage, "the status says so", SOON_S)
    assert reason in outage
    assert not running.status.ready
    assert reason in until(
        lambda: own_alarms(shop, running.status.group).get(("outage", "broker")), "the alarm", SOON_S
    )


def goes_on(shop: ConsumerHarness, running: Running) -> None:
    """Once the cause is gone, it joins by itself, and the alarm goes."""
    until(lambda: running.status.ready, "it is ready")
    until(lambda: shop.lag(running.status.group, [ORDERS]) == 0, "it handles what waited")
    until(lambda: own_alarms(shop, running.status.group) == {}, "the alarm is over")
    running.stop()


def test_a_member_whose_instance_id_is_still_in_use_says_so_and_joins_once_it_is_free(
    shop: ConsumerHarness,
) -> None:
    shop.fact(1)
    shop.flush()
    with other_member(static(shop), "sales"):
        running = shop.member("sales", cluster=static(shop))
        stands_still(shop, running, "instance ID is still used")
    goes_on(shop, running)
    assert shop.outcomes("sales") == {1: "counted"}


def test_a_member_that_its_group_does_not_take_says_so_and_joins_once_it_does(shop: ConsumerHarness) -> None:
    classic = replace(shop.cluster, group_protocol="classic")
    shop.fact(1)
    shop.flush()
    with other_member(classic, "sales", **{"partition.assignment.strategy": "roundrobin"}):
        running = shop.member("sales", cluster=classic)
        stands_still(shop, running, "Inconsistent group protocol")
    goes_on(shop, running)
    assert shop.outcomes("sales") == {1: "counted"}


def test_a_member_whose_instance_id_another_process_takes_stops_with_4_and_the_group_says_why(
    shop: ConsumerHarness,
) -> None:
    classic = static(shop, group_protocol="classic")
    # A static member that closes stays in its group until its session ends (KIP-345).
    classic = replace(classic, kafka={**classic.kafka, "session.timeout.ms": "6000"})
    running = shop.member("sales", cluster=classic)
    until(lambda: running.status.owned, "it has joined")
    with other_member(classic, "sales"):
        failure = running.failed()
    assert isinstance(failure, Fenced)
    assert "group.instance.id" in own_alarms(shop, "sales")["stopped", "sales"]


def test_a_group_that_is_deleted_while_its_member_stands_still_stops_with_4(shop: ConsumerHarness) -> None:
    shop.fact(1)
    child = shop.cev("consume", "sales")
    until(lambda: shop.lag("sales", [ORDERS]) == 0 and shop.outcomes("sales"), "it works")
    child.send_signal(signal.SIGSTOP)
    leave_group(shop.bootstrap, "sales")
    shop.forget_offsets("sales")
    child.send_signal(signal.SIGCONT)
    since = time.monotonic()
    _, output = child.communicate(timeout=SOON_S)
    assert child.returncode == 4, output
    assert time.monotonic() - since < SOON_S
    assert "committed offset is gone" in output
    assert "committed offset is gone" in own_alarms(shop, "sales")["stopped", "sales"]


def test_brokers_that_hang_are_named_after_seconds_and_the_group_goes_on_once_they_answer(
    shop: ConsumerHarness, cluster: BrokerFixture
) -> None:
    running = shop.member("sales")
    until(lambda: running.status.at_end, "it has joined")
    recorded = state.load_state(cluster.data_dir)
    assert recorded is not None
    alive = recorded.alive()
    pid = alive[state.brokers_in(alive)[0]].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        stands_still(shop, running, f"no broker answers at {shop.bootstrap}")
    finally:
        os.kill(pid, signal.SIGCONT)
    shop.fact(1)
    shop.flush()
    goes_on(shop, running)
    assert shop.outcomes("sales") == {1: "counted"}


def alarms(shop: ConsumerHarness) -> dict[tuple[str, str], str]:
    """The alarms of `cev status`."""
    readers = [Reader(each.name, each.reads, each.replaces, shop.name(each.name)) for each in REACTIONS]
    status = collect.collect_status(shop.cluster, Codec(), all_topics(), readers)
    return {(alarm.name, alarm.subject): alarm.text for alarm in status.alarms}


def verified(shop: ConsumerHarness) -> Reconciliation:
    stores = {group: shop.name(group) for group in READS}
    return check_all(shop.cluster, Codec(), stores, lambda _text: None)


def test_a_store_that_cannot_be_written_is_an_alarm_although_nothing_can_be_written_there(
    shop: ConsumerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_S", 0.3)
    monkeypatch.setattr(progress, "STUCK_MS", 0)
    monkeypatch.setattr(progress, "WATCH_S", 2.0)
    shop.fact(1)
    shop.handled("sales")
    running = shop.member("sales")
    until(lambda: running.status.at_end, "it has joined")
    with closing(sqlite3.connect(shop.store("sales"), isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        shop.fact(2)
        shop.flush()
        until(lambda: running.status.outage, "the outage is seen", SOON_S)
        assert not running.status.ready
        assert ("no-progress", "sales@orders") in alarms(shop)
        raw.execute("ROLLBACK")
    goes_on(shop, running)
    assert alarms(shop) == {}


def test_a_group_that_nobody_runs_is_an_alarm_once_its_records_wait_for_longer_than_a_restart(
    shop: ConsumerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.fact(1)
    shop.handled("sales")
    assert alarms(shop) == {}, "nothing waits"
    shop.fact(2)
    shop.flush()
    assert alarms(shop) == {}, "it may be restarting"
    monkeypatch.setattr(status_alarms, "ABSENT_MS", 0)
    assert set(alarms(shop)) == {("no-consumer", "sales@orders")}


def test_a_store_that_was_deleted_is_an_alarm_before_anybody_starts_the_group(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    shop.store("sales").unlink()
    assert set(alarms(shop)) == {("store", "sales")}


def test_groups_that_were_deleted_are_an_alarm_and_stop_with_4_saying_why(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    shop.forget_offsets("sales")
    assert set(alarms(shop)) == {("cannot-start", "sales")}
    assert isinstance(shop.member("sales").failed(), LostOffset)
    assert set(alarms(shop)) == {("cannot-start", "sales"), ("stopped", "sales")}


def test_unread_records_that_are_removed_are_an_alarm_and_never_ok(shop: ConsumerHarness) -> None:
    shop.fact(1, partition=0)
    shop.handled("sales")
    assert verified(shop).ok
    for order_id in range(2, 12):
        shop.fact(order_id, partition=0)
    shop.flush()
    _, high = shop.edges(ORDERS)[ORDERS, 0]
    committed = shop.committed("sales", [ORDERS])[ORDERS, 0]
    [future] = shop.admin.delete_records([TopicPartition(ORDERS, 0, high - 4)]).values()
    future.result(SOON_S)
    raised = alarms(shop)
    assert set(raised) == {("records-removed", "sales@orders")}
    assert f"0:{committed}-{high - 5}" in raised["records-removed", "sales@orders"]
    verdict = verified(shop)
    assert (verdict.ok, verdict.removed) == (False, (f"sales@orders:0:{committed}-{high - 5}",))
