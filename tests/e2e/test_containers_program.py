"""The program in containers, as a team runs it, looked at from outside.

I/O: the container engine; Kafka and HTTP on 127.0.0.1.
"""

import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import docker
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from schemas.topics import BY_NAME, DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDER_MODE, ORDERS
from tests.support.containers.containers import (
    HEALTH,
    Container,
    World,
    answers,
    cleared,
    engine,
    read,
)
from tests.support.containers.images import ROOT
from tests.support.kafka.log import until

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
GROUPS = ("warehouse", "notification", "sales")


class Seen(NamedTuple):
    """One record, as any client sees it."""

    topic: str
    order_id: int
    value: bytes


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    found = engine()
    with cleared(found):
        yield found
    found.close()


@pytest.fixture(scope="module")
def world(client: docker.DockerClient) -> World:
    made = World(client)
    made.start()
    return made


@pytest.fixture(scope="module")
def groups(world: World) -> dict[str, Container]:
    """A ready member of each group."""
    started = {name: world.program(name, f"consume {name}").start() for name in GROUPS}
    for each in started.values():
        world.await_ready(each)
    return started


def records(world: World, *topics: str) -> list[Seen]:
    """Every committed record of topics, by a raw client on the host."""
    consumer = Consumer(
        {
            "bootstrap.servers": world.bootstrap,
            "group.id": "outside",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    open_ = [
        TopicPartition(name, n, OFFSET_BEGINNING) for name in topics for n in range(BY_NAME[name].partitions)
    ]
    consumer.assign(open_)
    found: list[Seen] = []
    left, deadline = {(each.topic, each.partition) for each in open_}, time.monotonic() + 60
    while left:
        assert time.monotonic() < deadline, f"{topics} do not end"
        message = consumer.poll(1)
        if message is None:
            continue
        error = message.error()
        if error is None:
            key, value, topic = message.key(), message.value(), message.topic()
            assert isinstance(key, bytes)
            assert value is not None
            found.append(Seen(str(topic), int.from_bytes(key, "big", signed=True), value))
        else:
            assert error.code() == KafkaError._PARTITION_EOF, error
            left.discard((message.topic(), message.partition()))
    consumer.close()
    return found


def counted(world: World, topic: str) -> Counter[int]:
    """How many records of a topic each order has."""
    return Counter(each.order_id for each in records(world, topic))


def place(where: Container, order_id: int, *more: str) -> dict[str, Any]:
    """Place one order by the CLI inside a container, with an e-mail address of its own."""
    words = ("--order-id", str(order_id), "--address", f"{order_id} Streetford Road")
    (placed,) = where.cev("order", "place", *words, "--email", f"{order_id}@example.com", *more)
    return dict(placed)


def verified(where: Container) -> dict[str, Any]:
    """What `cev verify` found; it must be content."""
    (found,) = where.cev("verify", "--wait", "60")
    assert found["ok"], found
    return dict(found)


def test_orders_of_every_mode_are_dispatched_once_across_the_switches(
    world: World, groups: dict[str, Container]
) -> None:
    sales = groups["sales"]
    modes = ("command", "shadow", "event", "shadow", "command")
    for number, mode in enumerate(modes, 100):
        if number > 100:
            sales.cev("mode", "set", mode, "--why", "the container test")
        assert place(sales, number, "--item", "kettle:2:3499")["mode"] == mode
    assert verified(sales)["dispatched"] == 5
    # The topics, by a client that knows nothing of the program.
    assert counted(world, DISPATCH_PRODUCTS) == Counter([100, 101, 103, 104])
    assert counted(world, ORDERS) == Counter([101, 102, 103])
    assert counted(world, DISPATCH_RESULTS) == Counter(range(100, 105))
    # The inbox: a fact owes a mail, a command does not.
    until(lambda: len(world.mails()) == 3, "three mails arrive")
    assert world.mails() == {
        f"notification.{number}.email@command-event.invalid": f"{number}@example.com Your order {number}"
        for number in (101, 102, 103)
    }
    # The program's own word for it, from another container than the one that did it.
    dispatched = sales.cev("effects", "warehouse")
    assert {row["order_id"]: row["via"] for row in dispatched} == {
        "100": "command",
        "101": "command",
        "102": "fact",
        "103": "command",
        "104": "command",
    }
    assert {row["order_id"] for row in sales.cev("effects", "sales")} == {"101", "102", "103"}


def test_every_record_carries_the_id_of_a_registered_schema(
    world: World, groups: dict[str, Container]
) -> None:
    place(groups["sales"], 200, "--wait", "30")
    seen = records(world, DISPATCH_PRODUCTS, ORDERS, DISPATCH_RESULTS, ORDER_MODE)
    ids = {int.from_bytes(each.value[1:5], "big") for each in seen}
    assert {each.value[0] for each in seen} == {0}
    schemas = [
        read(world.registry.url(8080, f"/apis/ccompat/v7/schemas/ids/{number}"))["schema"] for number in ids
    ]
    for record in ("DispatchProduct", "OrderPlaced", "ProductDispatched"):
        assert any(f'"{record}"' in schema for schema in schemas), schemas


def test_a_killed_consumer_loses_and_doubles_nothing(world: World, groups: dict[str, Container]) -> None:
    warehouse, sales = groups["warehouse"], groups["sales"]
    before = verified(sales)["dispatched"]
    load = world.program("load", "order load --count 400 --rate 100 --json").start()
    until(
        lambda: len(sales.cev("effects", "warehouse")) > before + 50, "the warehouse is in the middle of it"
    )
    warehouse.it.kill("SIGKILL")
    assert warehouse.it.attrs["State"]["ExitCode"] == 137
    assert load.it.wait(timeout=60)["StatusCode"] == 0, load.says()
    warehouse.it.start()
    assert verified(sales)["dispatched"] == before + 400
    assert set(counted(world, DISPATCH_RESULTS).values()) == {1}


def test_a_broker_that_restarts_is_waited_for(world: World, groups: dict[str, Container]) -> None:
    began = {name: each.it.attrs["State"]["StartedAt"] for name, each in groups.items()}
    before = verified(groups["sales"])["dispatched"]
    world.kafka.it.restart(timeout=30)
    world.await_broker()
    place(groups["sales"], 300, "--wait", "60")
    assert verified(groups["sales"])["dispatched"] == before + 1
    # Nobody restarted with it.
    assert {name: each.it.attrs["State"]["StartedAt"] for name, each in groups.items()} == began


def test_a_mail_server_that_is_down_makes_its_group_unready_and_loses_no_mail(
    world: World, groups: dict[str, Container]
) -> None:
    groups["sales"].cev("mode", "set", "event", "--why", "mails are owed")
    world.mail.it.stop(timeout=5)
    place(groups["sales"], 400)
    health = groups["notification"]
    down = until(lambda: _waiting_for(health), "the group says what it waits for")
    assert down["joined"] is True
    assert not answers(health.url(HEALTH, "/health/ready"))
    assert read(health.url(HEALTH, "/health/live")) == {"live": True}
    assert answers(groups["warehouse"].url(HEALTH, "/health/ready"))
    until(lambda: health.it.health == "unhealthy", "the engine hears of it")
    world.mail.it.start()
    until(lambda: answers(world.mail.url(8025, "/readyz")), "the mail server answers")
    until(lambda: "notification.400.email@command-event.invalid" in world.mails(), "the mail arrives")
    until(lambda: health.it.health == "healthy", "the engine hears of it")


def _waiting_for(container: Container) -> dict[str, Any] | None:
    (group,) = read(container.url(HEALTH, "/health/ready"))["groups"]
    return group if group["outage"] else None


def test_the_program_is_nobody_and_writes_nothing_but_its_data(groups: dict[str, Container]) -> None:
    sales = groups["sales"]
    assert sales.run("id", "-u").strip() == "10001"
    assert sales.it.attrs["HostConfig"]["ReadonlyRootfs"] is True
    for path in ("/here", "/opt/cev/here", "/etc/here"):
        sales.run("touch", path, code=1)
    assert sales.run("sh", "-c", "find /data -not -user 10001").strip() == ""
    assert "/data/stores/sales.sqlite3" in sales.run("sh", "-c", "ls /data/stores/*")


def test_a_container_that_is_told_to_stop_drains_and_ends_with_0(
    world: World, groups: dict[str, Container]
) -> None:
    loyalty = world.consume("loyalty")
    loyalty.it.stop(timeout=40)
    assert loyalty.it.attrs["State"]["ExitCode"] == 0, loyalty.says()
    assert "dead_letters=0" in loyalty.says()
    assert verified(groups["sales"])["ok"]


def test_the_image_is_this_version_and_needs_no_network_to_say_so(world: World) -> None:
    version = tomllib.loads((ROOT / Path("pyproject.toml")).read_text("utf-8"))["project"]["version"]
    alone = world.program("version", "--version")
    alone.start()
    assert alone.it.wait(timeout=60)["StatusCode"] == 0
    assert alone.says() == f"cev {version}\n"
