"""Stores that come back in an older state, or are not there any more, under members that run."""

import shutil
from collections.abc import Iterator

import pytest

from schemas.errors import ForeignStore, ReplacedStore, RevertedStore
from schemas.topics import ORDERS, PARTITIONS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import until
from tests.support.stores.older import OlderState, older_state
from tests.support.stores.postgres import STORE_KINDS


@pytest.fixture
def older(shop: ConsumerHarness, request: pytest.FixtureRequest) -> Iterator[OlderState]:
    name = shop.name("warehouse")
    server = request.getfixturevalue("postgres") if name.path is None else None
    with older_state(name, server) as state:
        yield state


def place(shop: ConsumerHarness, order_ids: range, partition: int = -1) -> None:
    for order_id in order_ids:
        shop.fact(order_id, partition=partition)
    shop.flush()


@pytest.mark.parametrize("store_kind", STORE_KINDS)
def test_a_member_stops_before_it_does_anything_in_an_older_state_of_its_store(
    shop: ConsumerHarness, older: OlderState
) -> None:
    member = shop.member("warehouse")
    place(shop, range(20))
    until(lambda: shop.lag("warehouse", [ORDERS]) == 0, "the first orders are committed")
    older.keep()
    place(shop, range(20, 40))
    until(lambda: len(shop.results()) == 40, "the next orders have results")
    older.put_back()
    place(shop, range(60))
    failure = member.failed()
    assert isinstance(failure, RevertedStore)
    assert failure.exit_code == 4
    assert shop.outcomes("warehouse").keys() == set(range(20)), "nothing was done in the older state"
    assert len(shop.results()) == 40, "nothing was told again"
    assert shop.rows("warehouse", "SELECT name, subject FROM alarms") == [("stopped", "warehouse")]
    assert isinstance(shop.member("warehouse").failed(), ForeignStore)


@pytest.mark.parametrize("store_kind", ["postgres"])
def test_a_member_whose_own_writes_are_all_there_stops_where_anothers_are_gone(
    shop: ConsumerHarness, older: OlderState
) -> None:
    first = shop.member("warehouse")
    until(lambda: first.status.owned, "it has all partitions")
    second = shop.member("warehouse")
    until(lambda: second.status.owned, "the other one has some of them")
    place(shop, range(40))
    until(lambda: shop.lag("warehouse", [ORDERS]) == 0, "the first orders are committed")
    older.keep()
    of_second = {number for topic, number in second.status.start_offsets if topic == ORDERS}
    of_first = set(range(PARTITIONS)) - of_second
    place(shop, range(40, 50), partition=min(of_first))
    until(lambda: len(shop.results()) == 50, "one of them worked on")
    older.put_back()
    place(shop, range(50, 60), partition=min(of_second))
    failure = second.failed()
    assert isinstance(failure, RevertedStore)
    assert "came back in an older state: the group has committed offset" in str(failure)
    assert shop.outcomes("warehouse").keys() == set(range(40))


@pytest.mark.parametrize("store_kind", STORE_KINDS)
def test_a_member_with_nothing_to_do_notices_too(shop: ConsumerHarness, older: OlderState) -> None:
    member = shop.member("warehouse")
    place(shop, range(5))
    until(lambda: shop.lag("warehouse", [ORDERS]) == 0, "the first orders are committed")
    older.keep()
    place(shop, range(5, 10))
    until(lambda: shop.lag("warehouse", [ORDERS]) == 0, "the next orders are committed")
    older.put_back()
    assert isinstance(member.failed(), RevertedStore)


def test_a_member_stops_where_its_file_is_removed_and_takes_nothing_as_done(shop: ConsumerHarness) -> None:
    member = shop.member("warehouse")
    place(shop, range(20))
    until(lambda: shop.lag("warehouse", [ORDERS]) == 0, "the first orders are committed")
    aside = shop.data_dir / "aside"
    shutil.move(shop.data_dir / "stores", aside)
    place(shop, range(20, 40))
    failure = member.failed()
    assert isinstance(failure, ReplacedStore)
    assert failure.exit_code == 4
    assert len(shop.results()) == 20, "what went to the removed file was not told"
    shutil.move(aside, shop.data_dir / "stores")
    assert shop.handled("warehouse").failure is None
    assert len(shop.results()) == 40
    assert len(shop.outcomes("warehouse")) == 40
