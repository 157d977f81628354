"""A store that comes back in an older state, on each database: no transaction goes on in it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from consumers.runtime.failures.alarms import Alarms
from consumers.runtime.plan import FailedAttempt
from consumers.runtime.records import Alarm, Attempts
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.failure_tables import FailureChanges
from consumers.runtime.stores.postgres import Postgres
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import DependencyUnavailable, Position, RevertedStore
from schemas.topics import ORDERS
from tests.contract.test_store_contract import effect, intention
from tests.contract.test_store_postgres import cut
from tests.support.stores.older import OlderState, older_state
from tests.support.stores.stores import opened, rows

P0 = (ORDERS, 0)


@pytest.fixture
def store(name: StoreAddress) -> Iterator[Store]:
    with opened(name) as made:
        yield made


@pytest.fixture
def older(name: StoreAddress, request: pytest.FixtureRequest) -> Iterator[OlderState]:
    server = request.getfixturevalue("postgres") if name.path is None else None
    with older_state(name, server) as state:
        yield state


def begin(store: Store) -> None:
    """Become a member of the store."""
    store.register(store.claim_slot(), 1)


def reconnect(store: Store) -> None:
    """In PostgreSQL the connection is gone: the next call says so, the one after it connects."""
    with suppress(DependencyUnavailable):
        store.progress([P0])


WRITES: dict[str, Callable[[Store], None]] = {
    "a batch": lambda store: store.write(StoreWrite(at=3, effects=[effect(3)], positions={P0: 3})),
    "an intention": lambda store: store.write(StoreWrite(at=3, effects=[effect(3, outcome="intended")])),
    "a delivery": lambda store: store.write(StoreWrite(at=3, finished=[intention(1)])),
    "a failed attempt": lambda store: store.write(
        StoreWrite(
            at=3,
            failures=FailureChanges([FailedAttempt(Position(ORDERS, 0, 2), Attempts(1, 1), "not now")]),
        )
    ),
    "progress alone": lambda store: store.write(StoreWrite(at=3, positions={P0: 3})),
    "a first start": lambda store: store.announce_start({(ORDERS, 1): 0}, 3, started=False),
    "an alarm": lambda store: store.failures.raise_alarm(Alarm("outage", "smtp", 3, "no answer")),
    "the end of an alarm": lambda store: store.failures.clear_alarm("outage", "smtp"),
}


@pytest.mark.parametrize("kind", WRITES)
def test_no_transaction_goes_on_in_an_older_state(store: Store, older: OlderState, kind: str) -> None:
    begin(store)
    store.write(StoreWrite(at=1, effects=[effect(1)], positions={P0: 1}))
    older.keep()
    reconnect(store)
    store.write(StoreWrite(at=2, effects=[effect(2)]))
    older.put_back()
    tables = ("effects", "progress", "attempts", "alarms", "members")
    before = {table: rows(store.name, f"SELECT * FROM {table}") for table in tables}
    reconnect(store)
    for _ in range(2):
        with pytest.raises(RevertedStore, match="1 of its 2 writes are gone") as refusal:
            WRITES[kind](store)
        assert refusal.value.exit_code == 4
        assert "\n" not in str(refusal.value)
    assert {table: rows(store.name, f"SELECT * FROM {table}") for table in tables} == before


def test_a_state_from_before_the_member_began_is_older_too(store: Store, older: OlderState) -> None:
    older.keep()
    reconnect(store)
    begin(store)
    store.write(StoreWrite(at=1, positions={P0: 1}))
    older.put_back()
    reconnect(store)
    with pytest.raises(RevertedStore, match="all of its 1 writes are gone"):
        store.write(StoreWrite(at=2, positions={P0: 2}))


def test_what_is_still_written_after_that_is_why_the_member_stopped(store: Store, older: OlderState) -> None:
    begin(store)
    older.keep()
    reconnect(store)
    store.write(StoreWrite(at=1, positions={P0: 1}))
    older.put_back()
    reconnect(store)
    with pytest.raises(RevertedStore):
        store.write(StoreWrite(at=2, positions={P0: 2}))
    Alarms(store.failures).stopped("warehouse", RevertedStore("older"))
    assert rows(store.name, "SELECT name, text FROM alarms") == [("stopped", "older")]


def test_a_member_that_begins_in_the_older_state_goes_on_in_it(store: Store, older: OlderState) -> None:
    begin(store)
    older.keep()
    reconnect(store)
    store.write(StoreWrite(at=1, positions={P0: 1}))
    older.put_back()
    with opened(store.name) as again:
        begin(again)
        again.write(StoreWrite(at=2, positions={P0: 1}))
        assert again.progress([P0])[P0].position == 1


def test_members_beside_each_other_count_their_own_writes(store: Store, name: StoreAddress) -> None:
    with opened(name) as other:
        begin(store)
        begin(other)
        for at in range(3):
            store.write(StoreWrite(at=at, positions={P0: at}))
            other.write(StoreWrite(at=at, positions={(ORDERS, 1): at}))
    assert rows(name, "SELECT writes FROM members") == [(3,), (3,)]


@pytest.mark.parametrize("store_kind", ["postgres"], indirect=True)
def test_an_older_state_is_noticed_by_who_only_reads_from_the_next_connection_on(
    store: Store, older: OlderState
) -> None:
    begin(store)
    older.keep()
    reconnect(store)
    store.write(StoreWrite(at=1, effects=[effect(1)]))
    older.put_back()
    with pytest.raises(DependencyUnavailable):
        store.find_effects([1])
    assert store.in_doubt
    with pytest.raises(RevertedStore):
        store.find_effects([1])


@pytest.mark.parametrize("store_kind", ["postgres"], indirect=True)
@pytest.mark.parametrize("committed", [True, False])
def test_a_transaction_whose_end_is_unknown_makes_no_state_an_older_one(
    store: Store, name: StoreAddress, request: pytest.FixtureRequest, *, committed: bool
) -> None:
    database = store._database
    assert isinstance(database, Postgres)
    begin(store)
    store.write(StoreWrite(at=1, positions={P0: 1}))

    def lose(connection: Any) -> None:
        if committed:
            connection.connection.driver_connection.commit()
            raise DBAPIError("commit", None, psycopg.OperationalError("no answer"))
        cut(request.getfixturevalue("postgres"), name)

    event.listen(database.engine, "commit", lose)
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            store.write(StoreWrite(at=2, positions={P0: 2}))
    event.remove(database.engine, "commit", lose)
    store.write(StoreWrite(at=3, positions={P0: 2}))
    assert store.progress([P0])[P0].position == 2
