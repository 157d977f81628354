"""What a store takes over when its topics or its cluster are others, on each database."""

from collections.abc import Iterator

import pytest

from consumers.runtime.records import Progress
from consumers.runtime.stores.adoption import Adoption
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import LostOffset
from schemas.topics import ORDERS
from tests.contract.test_store_contract import P0, P1, effect, result
from tests.support.stores.stores import opened, rows


@pytest.fixture
def store(name: StoreAddress) -> Iterator[Store]:
    with opened(name) as made:
        yield made


def test_an_adoption_keeps_effects_and_forgets_what_belongs_to_a_log_that_is_gone(
    store: Store, name: StoreAddress
) -> None:
    begun = store.identity("cluster-1", 5)
    done, intended = effect(1, at=3), effect(2, at=4, name="email", outcome="intended")
    positions = {P0: 9, P1: 9}
    store.write(
        StoreWrite(at=7, effects=[done, intended], results=[result(3), result(4)], positions=positions)
    )
    assert store.adoption.cluster() == (begun.id, "warehouse", "cluster-1")
    assert store.adoption.results([P1]) == []
    assert store.adoption.results([P0, P1]) == [result(3), result(4)]
    assert (store.adoption.count_intended([P0]), store.adoption.count_intended([P1])) == (1, 0)
    progress = {P0: Progress(0, 0, started=True), P1: Progress(9, 8, started=True)}
    store.adoption.write(Adoption(8, "cluster-2", {ORDERS: "anew"}, progress, [P0]))
    assert store.identity("cluster-2", 0) == begun._replace(cluster="cluster-2")
    assert store.progress([P0, P1]) == progress
    assert store.adoption.results([P0, P1]) == []
    assert rows(name, "SELECT order_id FROM effects") == [(1,)]
    assert store.topics.ids() == {ORDERS: "anew"}


def test_an_adoption_of_the_same_log_keeps_what_is_unfinished(store: Store, name: StoreAddress) -> None:
    store.identity("cluster-1", 5)
    intended = effect(2, at=4, name="email", outcome="intended")
    store.write(StoreWrite(at=7, effects=[intended], results=[result(4)], positions={P0: 9}))
    store.adoption.write(Adoption(8, "cluster-1", {}, {P0: Progress(9, 4, started=True)}, []))
    assert store.adoption.results([P0]) == [result(4)]
    assert rows(name, "SELECT outcome FROM effects") == [("intended",)]


def test_the_id_of_a_topic_is_remembered_and_another_one_is_refused(store: Store) -> None:
    store.topics.check({ORDERS: "first"}, "warehouse")
    store.topics.check({ORDERS: "first", "more": "x"}, "warehouse")
    with pytest.raises(
        LostOffset, match=r"orders was made anew: .* second.* of first; `cev store adopt ware"
    ):
        store.topics.check({ORDERS: "second"}, "warehouse")
    assert store.topics.ids() == {ORDERS: "first", "more": "x"}
