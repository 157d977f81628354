"""Groups whose stores are in PostgreSQL: the same promises, and what only a server can do to them."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from schemas.errors import DependencyUnavailable
from schemas.topics import ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import until
from tests.support.stores import postgres as servers
from tests.support.stores.postgres import PASSWORD, STORE_KINDS, Server
from tests.support.stores.stores import opened


@pytest.fixture
def store_kind() -> str:
    return "postgres"


@pytest.fixture
def own_server(shop: ConsumerHarness) -> Iterator[Server]:
    """A server that the test may stop; the shop's stores are on it."""
    with servers.running() as server:
        shop.database_url = server.migrated()
        yield server
        shop.close()


def copied(shop: ConsumerHarness, server: Server, source: str, target: str) -> None:
    """A schema as another one, like a backup that is restored."""
    url = str(shop.database_url)
    tables = server.run("SELECT tablename FROM pg_tables WHERE schemaname = %s", source, url=url)
    server.run(f"DROP SCHEMA IF EXISTS {target} CASCADE", url=url)
    server.run(f"CREATE SCHEMA {target}", url=url)
    for (table,) in tables:
        server.run(f"CREATE TABLE {target}.{table} (LIKE {source}.{table} INCLUDING ALL)", url=url)
        server.run(f"INSERT INTO {target}.{table} SELECT * FROM {source}.{table}", url=url)


@pytest.mark.parametrize("store_kind", STORE_KINDS)
def test_every_command_finds_the_stores_where_the_groups_have_them(shop: ConsumerHarness) -> None:
    for order_id in range(20):
        shop.fact(order_id)
    shop.fact(20, address="")
    code, told = shop.ran("consume", "warehouse", "sales", "notification", "--until-idle", "0.5")
    assert code == 0, told
    assert len(shop.outcomes("warehouse")) == len(shop.results()) == 21

    child = shop.cev("effects", "warehouse", "--json")
    lines = [json.loads(line) for line in child.communicate(timeout=60)[0].splitlines()]
    assert [int(each["order_id"]) for each in lines] == list(range(20))
    child = shop.cev("effects", "warehouse", "--order-id", "20", "--all", "--json")
    assert json.loads(child.communicate(timeout=60)[0])["outcome"] == "rejected"

    child = shop.cev("verify", "--json")
    verdict = json.loads(child.communicate(timeout=60)[0])
    assert (verdict["ok"], verdict["dispatched"], verdict["rejected"]) == (True, 20, 1), verdict

    child = shop.cev("status", "--json")
    status = json.loads(child.communicate(timeout=60)[0])
    stores = {each["group"]: each for each in status["stores"]}
    assert {group: each["effects"] for group, each in stores.items() if each["effects"]} == {
        "warehouse": 21,
        "sales": 21,
        **({"notification": n} if (n := stores["notification"]["effects"]) else {}),
    }
    assert all(each["size"] > 10_000 for each in stores.values())
    assert PASSWORD not in json.dumps(status)


def test_what_is_shown_has_no_password(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    for words in (
        ["status"],
        ["effects", "sales"],
        ["config", "show"],
        ["consume", "sales", "--until-idle", "0"],
    ):
        out, errors = shop.cev(*words).communicate(timeout=60)
        assert PASSWORD not in out + errors, words
    assert "schema cev_sales" in shop.ran("consume", "sales", "--until-idle", "0")[1]


def test_a_store_that_is_gone_stops_the_group_with_4(shop: ConsumerHarness, postgres: Server) -> None:
    shop.fact(1)
    shop.handled("sales")
    postgres.run("DROP SCHEMA cev_sales CASCADE", url=shop.database_url)
    code, told = shop.ran("consume", "sales")
    assert code == 4, told
    assert "was committed with the store" in told
    assert PASSWORD not in told
    assert shop.outcomes("sales") == {}


def test_a_backup_that_was_restored_stops_the_group_with_4(shop: ConsumerHarness, postgres: Server) -> None:
    shop.fact(1)
    shop.handled("sales")
    copied(shop, postgres, "cev_sales", "backup")
    shop.fact(1)
    shop.fact(2)
    shop.handled("sales")
    copied(shop, postgres, "backup", "cev_sales")
    code, told = shop.ran("consume", "sales")
    assert code == 4, told
    assert "a restored backup would forget effects" in told


def test_a_store_of_another_group_under_a_groups_name_is_refused_with_4(
    shop: ConsumerHarness, postgres: Server
) -> None:
    shop.fact(1)
    shop.handled("sales")
    copied(shop, postgres, "cev_sales", "cev_loyalty")
    code, told = shop.ran("consume", "loyalty")
    assert code == 4, told
    assert "belongs to group sales, not loyalty" in told


def test_a_server_that_is_restarted_in_the_middle_of_a_run_costs_nothing(
    shop: ConsumerHarness, own_server: Server
) -> None:
    running = [shop.member("warehouse") for _ in range(2)]
    until(lambda: all(each.status.owned for each in running), "both have partitions")
    stopping = threading.Event()
    placed: list[int] = []

    def place() -> None:
        while not stopping.wait(0.002):
            placed.append(len(placed))
            shop.fact(placed[-1])

    placer = threading.Thread(target=place)
    placer.start()
    try:
        for how in (signal.SIGINT, signal.SIGQUIT):
            before = len(placed)
            until(lambda before=before: seen(shop) > before, "the group is at work")  # type: ignore[misc]  # a lambda's default has no type
            own_server.stop(how)
            until(lambda: any(each.status.outage for each in running), "the outage is noticed")
            own_server.start()
    finally:
        stopping.set()
        placer.join()
    shop.flush()
    until(lambda: shop.lag("warehouse", [ORDERS]) == 0, "everything is handled")
    for each in running:
        each.stop()
    assert shop.outcomes("warehouse") == dict.fromkeys(placed, "dispatched")
    assert sorted(order_id for order_id, _ in shop.results()) == placed
    assert shop.read("warehouse.orders.dlq") == []


def seen(shop: ConsumerHarness) -> int:
    try:
        return len(shop.outcomes("warehouse"))
    except psycopg.OperationalError:
        return 0  # it is just starting


def test_a_member_whose_slot_was_taken_with_its_connection_begins_again_with_another(
    shop: ConsumerHarness, postgres: Server
) -> None:
    shop.fact(1)
    running = shop.member("sales")
    shop.until_outcomes("sales", 1)
    assert running.status.slot == 0
    url, others = str(shop.database_url), "datname = current_database() AND pid <> pg_backend_pid()"
    with ExitStack() as stack:

        def taken() -> bool:
            # With a deadline the server waits until the session, and so its lock, is really gone.
            ended = f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {others}"
            postgres.run(ended, url=url)
            with ExitStack() as trying:
                thief = trying.enter_context(opened(shop.name("sales")))
                try:
                    if thief.claim_slot() != 0:
                        return False
                except DependencyUnavailable:
                    return False
                stack.push(trying.pop_all())
            return True

        until(taken, "another member has the slot")
        shop.fact(2)
        shop.flush()
        shop.until_outcomes("sales", 2)
        assert running.status.slot == 1
        running.stop()


def test_a_server_that_is_down_at_the_start_ends_in_3_and_one_line(
    shop: ConsumerHarness, own_server: Server
) -> None:
    own_server.stop()
    for words in (["consume", "sales"], ["effects", "sales"], ["verify"]):
        code, told = shop.ran(*words)
        assert (code, "Traceback" in told, PASSWORD in told) == (3, False, False), told
    child = shop.cev("status", "--json")
    status = json.loads(child.communicate(timeout=60)[0])
    assert {each["subject"] for each in status["alarms"] if each["name"] == "store"} >= {"sales", "warehouse"}


@pytest.mark.parametrize(
    "url", ["mysql://a:s3cr@h/d", "junk", "postgresql://a:s3cr@h", "postgresql://a:s3@cr@h/d"]
)
def test_another_database_is_a_usage_error_that_repeats_no_password(shop: ConsumerHarness, url: str) -> None:
    code, told = shop.ran("effects", "sales", CEV_DATABASE_URL=url)
    assert (code, "database_url (environment CEV_DATABASE_URL)" in told) == (2, True), told
    assert "s3cr" not in told
