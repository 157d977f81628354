"""`cev store adopt`: groups that stopped with exit code 4 are led on, and nothing is done twice."""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from schemas.errors import ForeignStore, LostOffset
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import renew, until
from tests.support.kafka.offsets import set_offsets
from tests.support.stores.postgres import STORE_KINDS


def adopt(shop: ConsumerHarness, group: str, *words: str) -> dict[str, Any]:
    """Run the command; what it says as JSON."""
    child = shop.cev("store", "adopt", group, *words, "--json")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    document: dict[str, Any] = json.loads(out)
    return document


def total(document: dict[str, Any], count: str) -> int:
    return sum(partition[count] for partition in document["partitions"])


def dispatched_once(shop: ConsumerHarness, orders: range) -> None:
    assert shop.outcomes("warehouse") == dict.fromkeys(orders, "dispatched")
    assert Counter(shop.results()) == Counter({(n, "ProductDispatched"): 1 for n in orders})


def change_store(shop: ConsumerHarness, group: str, *statements: str) -> None:
    address = shop.name(group)
    if address.path is not None:
        with closing(sqlite3.connect(address.path)) as raw, raw:
            for statement in statements:
                raw.execute(statement)
        return
    with psycopg.connect(address.url, options=f"-csearch_path={address.schema}") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_group_whose_topic_was_made_anew_is_led_on_and_dispatches_nothing_twice(
    shop: ConsumerHarness,
) -> None:
    for order_id in range(20):
        shop.command(order_id)
    shop.handled("warehouse")
    renew(shop.bootstrap, DISPATCH_PRODUCTS)
    for order_id in range(10, 30):
        shop.command(order_id)
    failure = shop.member("warehouse").failed()
    assert isinstance(failure, LostOffset)
    assert "the topic dispatch_products was made anew" in str(failure)
    assert "`cev store adopt warehouse`" in str(failure)
    dry = adopt(shop, "warehouse")
    assert {name["name"] for name in dry["topics"] if name["store"] != name["now"]} == {DISPATCH_PRODUCTS}
    assert {part["topic"] for part in dry["partitions"] if part["anew"]} == {DISPATCH_PRODUCTS}
    assert dry["dry_run"]
    assert isinstance(shop.member("warehouse").failed(), LostOffset)
    done = adopt(shop, "warehouse", "--yes")
    assert done == {**dry, "dry_run": False}
    # A record may lie where the one lay that made its order's effect, and is then no duplicate.
    assert shop.handled("warehouse").effects == 10
    dispatched_once(shop, range(30))


@pytest.mark.parametrize("store_kind", STORE_KINDS)
def test_a_group_that_moved_to_another_cluster_is_led_on_and_its_last_results_go_with_it(
    shop: ConsumerHarness,
) -> None:
    for order_id in range(10):
        shop.command(order_id)
    shop.handled("warehouse")
    shop.empty()
    change_store(
        shop, "warehouse", "UPDATE store SET cluster_id = 'elsewhere'", "UPDATE topics SET topic_id = 'x'"
    )
    for order_id in range(5, 15):
        shop.command(order_id)
    failure = shop.member("warehouse").failed()
    assert isinstance(failure, ForeignStore)
    assert "belongs to cluster elsewhere" in str(failure)
    assert "`cev store adopt warehouse`" in str(failure)
    done = adopt(shop, "warehouse", "--yes")
    assert done["cluster"]["store"] == "elsewhere"
    assert all(part["anew"] and part["start"] == part["low"] for part in done["partitions"])
    assert done["results_sent"] == 10
    assert shop.handled("warehouse").duplicates == 5
    dispatched_once(shop, range(15))
    assert adopt(shop, "warehouse")["results_sent"] == 0


def test_offsets_that_were_deleted_are_set_where_the_store_is(shop: ConsumerHarness) -> None:
    for order_id in range(20):
        shop.command(order_id)
    shop.handled("warehouse")
    shop.forget_offsets("warehouse")
    assert isinstance(shop.member("warehouse").failed(), LostOffset)
    done = adopt(shop, "warehouse", "--yes")
    assert total(done, "skips") == 0
    assert shop.handled("warehouse").effects == 0
    dispatched_once(shop, range(20))


def test_records_that_an_older_store_does_not_know_are_skipped_or_repeated_only_if_somebody_says_so(
    shop: ConsumerHarness,
) -> None:
    shop.fact(1)
    shop.handled("sales")
    backup = shop.data_dir / "backup"
    shutil.copyfile(shop.store("sales"), backup)
    for order_id in range(20):
        shop.fact(order_id)
    shop.handled("sales")
    for leftover in shop.store("sales").parent.glob("sales.sqlite3*"):
        leftover.unlink()
    shutil.copyfile(backup, shop.store("sales"))
    assert isinstance(shop.member("sales").failed(), ForeignStore)
    assert total(adopt(shop, "sales"), "unknown") == 20
    code, output = shop.ran("store", "adopt", "sales", "--yes")
    assert code == 4, output
    assert "`--unknown skip` if what they say was done" in output
    assert isinstance(shop.member("sales").failed(), ForeignStore)
    adopt(shop, "sales", "--unknown", "repeat", "--yes")
    shop.handled("sales")
    assert shop.outcomes("sales") == dict.fromkeys(range(20), "counted")


def test_a_group_with_a_living_member_is_left_alone(shop: ConsumerHarness) -> None:
    member = shop.member("sales")
    until(lambda: member.status.owned, "it has joined")
    before = shop.committed("sales", [ORDERS])
    code, output = shop.ran("store", "adopt", "sales", "--yes")
    assert code == 4, output
    assert "1 member(s) of the group sales live" in output
    assert shop.committed("sales", [ORDERS]) == before
    member.stop()


def test_a_store_that_is_not_there_is_not_made(shop: ConsumerHarness, tmp_path: Path) -> None:
    code, output = shop.ran("store", "adopt", "loyalty", "--yes", CEV_DATA_DIR=str(tmp_path / "elsewhere"))
    assert code == 4, output
    assert "there is no store" in output
    assert not (tmp_path / "elsewhere" / "stores").exists()


def test_an_offset_that_was_set_back_is_set_where_the_store_is(shop: ConsumerHarness) -> None:
    shop.handled("sales")
    before = shop.committed("sales", [ORDERS])
    for _ in range(2):
        for partition in range(6):
            shop.fact(partition, partition=partition)
        shop.handled("sales")
    store_id = shop.rows("sales", "SELECT id FROM store")[0][0]
    set_offsets(shop.cluster, "sales", before, store_id)
    assert isinstance(shop.member("sales").failed(), LostOffset)
    adopt(shop, "sales", "--yes")
    assert shop.handled("sales").effects == 0
