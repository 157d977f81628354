"""Stores and outboxes behind a connection pool, and names of tables that no session's setting decides."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from consumers.runtime.plan import FailedAttempt
from consumers.runtime.records import Alarm, Attempts
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.failure_tables import FailureChanges
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from databases.snapshot import Snapshot, reading
from schemas.errors import Position, SafetyRefusal
from schemas.topics import ORDERS
from tests.contract.test_store_contract import effect, result
from tests.support.stores.pooler import Pooler, pooling
from tests.support.stores.postgres import PASSWORD, Server
from tests.support.stores.stores import opened, rows

P0 = (ORDERS, 0)
TABLES = ("store", "progress", "effects", "shadow_decisions", "results", "attempts", "alarms")


@pytest.fixture
def pooler(migrated_url: str) -> Iterator[Pooler]:
    with pooling(migrated_url) as running:
        yield running


def fill(store: Store) -> None:
    """Write to every table."""
    store.identity("cluster", 1)
    store.announce_start({P0: 0}, 1, started=True)
    store.failures.raise_alarm(Alarm("outage", "smtp", 1, "no answer"))
    store.write(
        StoreWrite(
            at=1,
            effects=[effect(1)],
            shadows=[effect(1)],
            results=[result(0)],
            positions={P0: 1},
            failures=FailureChanges([FailedAttempt(Position(ORDERS, 0, 0), Attempts(1, 1), "not now")]),
        )
    )


def order_ids(store: Snapshot | None) -> list[int]:
    assert store is not None
    return [order_id for (order_id,) in store.rows("SELECT order_id FROM effects")]


def test_tables_are_those_of_the_group_whatever_session_a_statement_meets(pooler: Pooler) -> None:
    warehouse, sales = (StoreAddress(pooler.url, group) for group in ("warehouse", "sales"))
    pooler.lends = False
    with opened(warehouse) as store, opened(sales) as other:
        assert store.progress([P0]) == other.progress([P0]) == {}
        pooler.lends = True
        fill(store)
        assert store.find_effects([1]).keys() == {(1, "dispatch")}
        assert store.results([Position(ORDERS, 0, 0)]) == [result(0)]
        assert store.progress([P0])[P0].position == 1
        assert len(store.failures.attempts([P0])) == len(store.failures.alarms()) == 1
    for table in TABLES:
        counted = [rows(name, f"SELECT count(*) FROM {table}") for name in (warehouse, sales)]
        assert counted == [[(1,)], [(0,)]], table


def test_a_pool_that_lends_connections_by_the_transaction_is_refused_before_anything_is_made(
    postgres_url: str, postgres: Server
) -> None:
    with pooling(postgres_url) as pooler, pytest.raises(SafetyRefusal, match="pool_mode=transaction") as told:
        Store(StoreAddress(pooler.url, "warehouse"))
    assert told.value.exit_code == 4
    assert "\n" not in str(told.value)
    assert PASSWORD not in str(told.value)
    schemas = postgres.run("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'cev%%'", url=postgres_url)
    assert schemas == []


def test_nothing_is_set_in_a_session_of_such_a_pool(pooler: Pooler) -> None:
    with pytest.raises(SafetyRefusal):
        Store(StoreAddress(pooler.url, "warehouse"))
    with reading(StoreAddress(pooler.url, "warehouse")) as store:
        assert store is not None
        assert [*store.rows("SELECT current_setting('statement_timeout')")] == [("0",)]


def test_a_pool_that_leaves_a_session_its_connection_is_as_good_as_none(pooler: Pooler) -> None:
    pooler.lends = False
    with opened(StoreAddress(pooler.url, "warehouse")) as store, opened(store.name) as other:
        assert (store.claim_slot(), other.claim_slot()) == (0, 1)
        fill(store)
        assert other.find_effects([1]).keys() == {(1, "dispatch")}


def test_a_pool_that_begins_to_lend_connections_under_a_member_is_noticed_by_the_next_write(
    pooler: Pooler,
) -> None:
    pooler.lends = False
    with opened(StoreAddress(pooler.url, "warehouse")) as store, opened(store.name) as other:
        store.register(store.claim_slot(), 1)
        store.write(StoreWrite(at=1, effects=[effect(1)]))
        other.find_effects([1])
        pooler.lends = True
        with pytest.raises(SafetyRefusal, match="pool_mode=transaction"):
            store.write(StoreWrite(at=2, effects=[effect(2)]))
        assert other.find_effects([1, 2]).keys() == {(1, "dispatch")}


def test_who_only_looks_may_look_through_any_pool(pooler: Pooler, migrated_url: str) -> None:
    for number, group in enumerate(("warehouse", "sales")):
        with opened(StoreAddress(migrated_url, group)) as store:
            store.write(StoreWrite(at=1, effects=[effect(n) for n in range(number + 1)]))
    warehouse = StoreAddress(pooler.url, "warehouse")
    for _ in range(4):
        with reading(warehouse) as one, reading(replace(warehouse, group="sales")) as two:
            assert one is not None
            assert two is not None
            seen = [
                [number for (number,) in store.rows("SELECT order_id FROM effects")] for store in (one, two)
            ]
            assert seen == [[0], [0, 1]]
