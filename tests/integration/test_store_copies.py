"""Two copies of one store, used at once: one of them is stopped before its first effect (invariant 14)."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from broker.datadir import claim
from clients.config import GroupProtocol
from consumers.runtime import copy_fence
from consumers.runtime.copy_fence import CopyFence
from schemas.errors import ForeignStore
from tests.support.consumers.harness import ConsumerHarness, Running
from tests.support.kafka.log import until
from tests.support.stores.postgres import STORE_KINDS, Server

ORDERS_PLACED = 120


Copied = Callable[[str], ConsumerHarness]


@pytest.fixture
def copied(shop: ConsumerHarness, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Copied]:
    """Copies a group's store as it is now; a SQLite file also under a member that runs."""
    copies: list[ConsumerHarness] = []

    def make(group: str) -> ConsumerHarness:
        database = shop.database_url
        if database is not None:
            server: Server = request.getfixturevalue("postgres")
            database = server.database(database.rpartition("/")[2])
        copy = ConsumerHarness(shop.bootstrap, tmp_path / "copy", database)
        copies.append(copy)
        claim(copy.data_dir)
        (copy.data_dir / "stores").mkdir()
        if database is None and shop.store(group).exists():
            with (
                closing(sqlite3.connect(shop.store(group))) as source,
                closing(sqlite3.connect(copy.store(group))) as target,
            ):
                source.backup(target)
        return copy

    yield make
    for copy in copies:
        copy.close()


def joined(member: Running) -> Running:
    until(lambda: member.status.failure or member.status.owned, "the member has partitions")
    return member


def place(shop: ConsumerHarness, count: int = ORDERS_PLACED) -> None:
    for order_id in range(count):
        shop.fact(order_id)
    shop.flush()


def everything_is_done_once(
    shop: ConsumerHarness, copy: ConsumerHarness, member: Running, group: str
) -> None:
    shop.until_outcomes(group, ORDERS_PLACED)
    member.stop()
    assert copy.outcomes(group) == {}


@pytest.mark.parametrize("protocol", ["consumer", "classic"])
def test_a_copy_that_is_started_second_stops_before_it_joins(
    shop: ConsumerHarness, copied: Copied, protocol: GroupProtocol
) -> None:
    cluster = replace(shop.cluster, group_protocol=protocol)
    shop.handled("sales", cluster=cluster)
    copy = copied("sales")
    first = joined(shop.member("sales", cluster=cluster))
    second = copy.member("sales", cluster=cluster)
    failure = second.failed()
    assert isinstance(failure, ForeignStore)
    assert "uses a copy of the store" in str(failure)
    assert "at /127.0.0.1 of this group" in str(failure)
    assert not second.status.joined
    place(shop)
    everything_is_done_once(shop, copy, first, "sales")
    assert first.status.failure is None


@pytest.mark.parametrize("group", ["warehouse", "sales"])
def test_a_copy_of_a_store_that_is_in_use_stops_before_it_joins(
    shop: ConsumerHarness, copied: Copied, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_fence, "_LONGEST_SESSION_S", 0.5)
    first = joined(shop.member(group))
    copy = copied(group)
    second = copy.member(group)
    failure = second.failed()
    assert isinstance(failure, ForeignStore)
    assert "no process on the store" in str(failure)
    assert not second.status.joined
    place(shop)
    everything_is_done_once(shop, copy, first, group)


@pytest.mark.parametrize("store_kind", STORE_KINDS)
def test_of_two_copies_that_join_at_once_the_later_one_stops_before_its_first_effect(
    shop: ConsumerHarness, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.handled("sales")
    copy = copied("sales")
    monkeypatch.setattr(CopyFence, "wait", lambda *_: None)
    place(shop)
    first = joined(shop.member("sales", max_batch=1))
    second = copy.member("sales")
    failure = second.failed()
    assert isinstance(failure, ForeignStore)
    assert "uses a copy of the store" in str(failure)
    everything_is_done_once(shop, copy, first, "sales")


def test_a_store_of_its_own_beside_the_groups_store_is_refused_before_it_joins(
    shop: ConsumerHarness, copied: Copied
) -> None:
    copy = copied("sales")
    first = joined(shop.member("sales"))
    failure = copy.member("sales").failed()
    assert "one group has one store: stop one of them" in str(failure)
    code, output = copy.ran("consume", "sales", "--until-idle", "0.3")
    assert code == 4, output
    first.stop()


def successor_of_a_killed_member(shop: ConsumerHarness) -> Running:
    killed = shop.cev("consume", "sales")
    until(lambda: shop.members("sales"), "it has joined")
    killed.kill()
    killed.wait()
    return shop.member("sales")


def test_a_member_of_the_same_store_waits_for_one_that_was_killed_and_goes_on(shop: ConsumerHarness) -> None:
    after = successor_of_a_killed_member(shop)
    until(lambda: "was killed, or uses a copy" in (after.status.outage or ""), "it says for whom it waits")
    assert not after.status.ready
    place(shop)
    shop.until_outcomes("sales", ORDERS_PLACED)
    until(lambda: after.status.ready, "it is ready again")
    after.stop()


def test_a_member_that_waits_for_one_that_was_killed_stops_at_once(shop: ConsumerHarness) -> None:
    after = successor_of_a_killed_member(shop)
    until(lambda: after.status.outage, "it waits")
    after.stop()
    assert after.status.start_offsets == {}


@pytest.mark.parametrize("store_kind", ["postgres"])
def test_an_idle_member_that_lost_its_session_in_the_database_keeps_no_other_one_out(
    shop: ConsumerHarness, postgres: Server
) -> None:
    first = joined(shop.member("sales"))
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cev sales'"
    )
    second = joined(shop.member("sales"))
    place(shop)
    shop.until_outcomes("sales", ORDERS_PLACED)
    until(lambda: first.status.owned + second.status.owned == 12, "both work, or one of them for both")
    first.stop()
    second.stop()
