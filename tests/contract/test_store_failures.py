"""What a store keeps of failures, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.runtime.plan import FailedAttempt
from consumers.runtime.records import Alarm, Attempts, EffectRow
from consumers.runtime.stores.batch_write import EffectTaken, StoreWrite
from consumers.runtime.stores.failure_tables import FailureChanges
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import Position
from schemas.topics import ORDERS
from tests.support.stores.stores import opened

P0 = (ORDERS, 0)


@pytest.fixture
def store(name: StoreAddress) -> Iterator[Store]:
    with opened(name) as made:
        yield made


def here(offset: int, number: int = 0) -> Position:
    return Position(ORDERS, number, offset)


def write(store: Store, **changes: Any) -> None:
    store.write(StoreWrite(at=1, failures=FailureChanges(**changes)))


def failed_attempt(offset: int, times: int, *, at: int = 9, reason: str = "not now") -> FailedAttempt:
    return FailedAttempt(here(offset), Attempts(times, at), reason)


def test_attempts_are_found_by_partition_and_never_go_down(store: Store) -> None:
    write(store, failed_attempts=[failed_attempt(5, 2), failed_attempt(3, 1)])
    write(store, failed_attempts=[failed_attempt(5, 1, at=20), failed_attempt(3, 2)])
    assert store.failures.attempts([P0]) == {here(5): Attempts(2, 20), here(3): Attempts(2, 9)}
    assert store.failures.attempts([(ORDERS, 1)]) == {}


def test_attempts_that_are_passed_are_forgotten_in_their_partition_alone(store: Store) -> None:
    other = FailedAttempt(here(1, number=1), Attempts(1, 9), "x")
    write(store, failed_attempts=[failed_attempt(5, 1), failed_attempt(7, 1), other])
    write(store, passed={P0: 7})
    assert store.failures.attempts([P0, (ORDERS, 1)]) == {
        here(7): Attempts(1, 9),
        other.position: Attempts(1, 9),
    }


def test_an_alarm_keeps_its_time_while_it_lasts_and_is_removed_alone(store: Store) -> None:
    mail = Alarm("outage", "email", 5, "down")
    store.failures.raise_alarm(mail)
    store.failures.raise_alarm(mail._replace(since=9, text="still down"))
    store.failures.raise_alarm(Alarm("unknown-schema", "orders:0", 6, "no schema 7"))
    assert store.failures.alarms() == [
        Alarm("outage", "email", 5, "still down"),
        Alarm("unknown-schema", "orders:0", 6, "no schema 7"),
    ]
    store.failures.clear_alarm("outage", "email")
    assert [each.name for each in store.failures.alarms()] == ["unknown-schema"]


def test_failures_are_written_with_the_rest_of_their_batch_or_not_at_all(store: Store) -> None:
    row = EffectRow(7, "sale", "counted", None, None, "fact", "id", ORDERS, 0, 5, 1)
    store.write(StoreWrite(at=1, effects=[row]))
    with pytest.raises(EffectTaken):
        store.write(
            StoreWrite(at=1, effects=[row], failures=FailureChanges(failed_attempts=[failed_attempt(6, 1)]))
        )
    assert store.failures.attempts([P0]) == {}


@given(reason=st.text())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reasons_of_any_kind_are_kept(store: Store, reason: str) -> None:
    write(store, failed_attempts=[failed_attempt(5, 1, reason=f"{reason}\ud800\x00" * 90)])
    assert store.failures.attempts([P0]).keys() == {Position(*P0, 5)}
