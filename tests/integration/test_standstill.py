"""Every way a group can stand still, on a real broker: what its readiness and its alarms say, and how soon.

The table in docs/operations.md lists them; each test makes one happen.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from confluent_kafka import Consumer

from broker import state
from clients.config import Cluster
from schemas.errors import Fenced
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
