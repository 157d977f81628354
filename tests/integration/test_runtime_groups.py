"""Groups on a real broker: who has which store, which partitions, which offsets (design §7, 5, 11 and 12)."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewTopic

from consumers.runtime.stores.store import Store
from schemas.errors import ForeignStore, LostOffset, TopicMissing
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.harness import ConsumerHarness, renamed
from tests.support.kafka.log import PATIENCE_S, until
from tests.support.stores.stores import upgrade_to

READS = [DISPATCH_PRODUCTS, ORDERS]


def test_members_on_one_store_share_the_partitions_through_joins_and_leaves(shop: ConsumerHarness) -> None:
    written = 0

    def load() -> None:
        nonlocal written
        for order_id in range(written, written + 300):
            (shop.command, shop.fact)[order_id % 2](order_id)
            shop.command(order_id)
        written += 300
        shop.flush()

    load()
    first = shop.member("warehouse", max_batch=20)
    load()
    second = shop.member("warehouse", max_batch=20)
    load()
    until(lambda: first.status.owned and second.status.owned, "both have partitions")
    assert {first.status.slot, second.status.slot} == {0, 1}
    load()
    third = shop.member("warehouse", max_batch=20)
    until(lambda: third.status.owned, "the third has partitions too")
    load()
    first.stop()
    load()
    until(lambda: second.status.owned + third.status.owned == 24, "the others take over")
    until(lambda: shop.lag("warehouse", READS) == 0, "everything is read")
    second.stop()
    third.stop()
    assert shop.outcomes("warehouse") == dict.fromkeys(range(written), "dispatched")
    assert Counter(shop.results()) == Counter({(n, "ProductDispatched"): 1 for n in range(written)})
    assert first.status.effects + second.status.effects + third.status.effects == written


def test_a_member_with_nothing_to_do_is_joined_and_idle(shop: ConsumerHarness) -> None:
    for order_id in range(10):
        shop.fact(order_id)
    status = shop.handled("sales")
    assert (status.joined, status.ready, status.outage) == (True, True, None)


def test_a_store_that_was_deleted_stops_the_group_with_4(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    shop.store("sales").unlink()
    code, told = shop.ran("consume", "sales")
    assert code == 4, told
    assert "was committed with the store" in told
    assert "one group has one store" in told
    assert shop.outcomes("sales") == {}


def test_a_backup_that_was_restored_stops_the_group(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    backup = shop.data_dir / "backup"
    shutil.copyfile(shop.store("sales"), backup)
    shop.fact(1)
    shop.fact(2)
    shop.handled("sales")
    for leftover in shop.store("sales").parent.glob("sales.sqlite3*"):
        leftover.unlink()
    shutil.copyfile(backup, shop.store("sales"))
    failure = shop.member("sales").failed()
    assert isinstance(failure, ForeignStore)
    assert "a restored backup would forget effects" in str(failure)


def test_a_store_that_still_holds_parked_records_stops_the_group_with_4(shop: ConsumerHarness) -> None:
    upgrade_to(shop.name("sales"), "0002")
    with closing(sqlite3.connect(shop.store("sales"))) as raw, raw:
        raw.execute("INSERT INTO held VALUES (7, 'orders', 0, 4, 1)")
    code, output = shop.ran("consume", "sales")
    assert code == 4, output
    assert "is not migrated" in output
    assert "does not answer" not in output
    assert shop.rows("sales", "SELECT order_id FROM held") == [(7,)]


def test_a_store_of_another_group_under_a_groups_name_is_refused(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    shutil.copyfile(shop.store("sales"), shop.store("loyalty"))
    failure = shop.member("loyalty").failed()
    assert isinstance(failure, ForeignStore)
    assert "belongs to group sales, not loyalty" in str(failure)


def test_offsets_that_were_deleted_are_lost_and_not_a_new_beginning(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    shop.forget_offsets("sales")
    failure = shop.member("sales").failed()
    assert isinstance(failure, LostOffset)
    assert "committed offset is gone" in str(failure)
    code, told = shop.ran("consume", "sales", "--until-idle", "0.3")
    assert (code, "committed offset is gone" in told) == (4, True)


def test_a_log_that_was_cut_above_the_groups_offset_is_lost(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales")
    for order_id in range(60):
        shop.fact(order_id)
    shop.flush()
    ends = [TopicPartition(ORDERS, n, high) for (_, n), (_, high) in shop.edges(ORDERS).items()]
    for future in shop.admin.delete_records(ends).values():
        future.result(10)
    failure = shop.member("sales").failed()
    assert isinstance(failure, LostOffset)
    assert "records are gone that nobody handled" in str(failure)


def test_a_first_start_that_is_told_now_leaves_out_what_was_there(shop: ConsumerHarness) -> None:
    shop.fact(1)
    shop.handled("sales", start="now")
    shop.fact(2)
    shop.handled("sales", start="now")
    assert shop.outcomes("sales") == {2: "counted"}


def test_a_partition_where_nothing_was_read_yet_is_committed_all_the_same(shop: ConsumerHarness) -> None:
    shop.handled("sales")
    done = shop.committed("sales", [ORDERS, "sales.orders.retry"])
    assert len(done) == 12
    metadata = shop.rows("sales", "SELECT id FROM store")[0][0]
    assert shop.metadata("sales", ORDERS) == {metadata}


def test_a_group_without_its_dead_letter_topic_says_what_creates_it(shop: ConsumerHarness) -> None:
    shop.admin.create_topics([NewTopic("newcomer.orders.retry", 6, 1)])["newcomer.orders.retry"].result(10)
    failure = shop.member(renamed("sales", "newcomer")).failed()
    assert isinstance(failure, TopicMissing)
    assert "newcomer.orders.dlq is missing; `cev topics create` creates it" in str(failure)


def test_a_group_that_joins_later_reads_the_whole_history(shop: ConsumerHarness) -> None:
    for order_id in range(20):
        shop.fact(order_id, customer="Ada")
    shop.handled("sales")
    shop.handled("loyalty")
    assert shop.outcomes("loyalty") == dict.fromkeys(range(20), "granted")


def test_effects_that_another_member_took_first_are_found_and_not_made_again(
    shop: ConsumerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.fact(1)
    shop.fact(2)
    find_effects = Store.find_effects
    blind = [True]

    def find_nothing_once(store: Store, ids: list[int]) -> object:
        if blind and shop.outcomes("sales"):
            blind.clear()
            return {}
        return find_effects(store, ids)

    shop.handled("sales")
    shop.fact(1)
    monkeypatch.setattr(Store, "find_effects", find_nothing_once)
    assert shop.handled("sales").duplicates == 1
    assert not blind
    assert shop.outcomes("sales") == {1: "counted", 2: "counted"}


def test_the_classic_protocol_does_the_same(shop: ConsumerHarness) -> None:
    classic = replace(shop.cluster, group_protocol="classic")
    for order_id in range(100):
        shop.command(order_id)
        shop.fact(order_id)
    one = shop.member("warehouse", cluster=classic, max_batch=10)
    two = shop.member("warehouse", cluster=classic, max_batch=10)
    until(lambda: one.status.owned and two.status.owned, "both have partitions", PATIENCE_S)
    until(lambda: shop.lag("warehouse", READS) == 0, "everything is read")
    one.stop()
    two.stop()
    assert Counter(shop.results()) == Counter({(n, "ProductDispatched"): 1 for n in range(100)})
