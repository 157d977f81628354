"""What a store keeps of orders' states: the same promises on SQLite and PostgreSQL."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from consumers.runtime.order_states import (
    Application,
    KnownStates,
    StateChange,
    StoredState,
    TimerChange,
    to_json,
)
from consumers.runtime.records import EffectRow, KnownEffect
from consumers.runtime.stores.batch_write import EffectTaken, StoreWrite
from consumers.runtime.stores.state_tables import DueTimer
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import Position, SafetyRefusal
from schemas.topics import ORDERS
from tests.support.stores.stores import opened


@pytest.fixture
def store(name: StoreAddress) -> Iterator[Store]:
    with opened(name) as made:
        yield made


class Remembered(NamedTuple):
    """A state."""

    status: str
    text: str = ""


NEW = Remembered("new")


def change(order_id: int, version: int, offset: int, state: Remembered = NEW) -> StateChange:
    position = Position(ORDERS, 0, offset)
    return StateChange(
        order_id, version, state.status, to_json(state), "OrderPlaced", f"id-{offset}", position, 5
    )


def found(store: Store, *order_ids: int, offsets: tuple[int, ...] = ()) -> KnownStates:
    return store.states.find(Remembered, order_ids, [Position(ORDERS, 0, offset) for offset in offsets])


def test_a_state_is_what_the_last_message_made_of_it(store: Store) -> None:
    odd = Remembered("paying", "\x00 \ud800 é")
    changes = [change(1, 1, 10), change(2, 1, 11), change(1, 2, 12, odd)]
    store.write(StoreWrite(at=1, states=changes))
    known = found(store, 1, 2, 3, offsets=(10, 12, 13))
    assert known.states == {1: StoredState(2, odd), 2: StoredState(1, NEW)}
    assert known.applied >= {Application(Position(ORDERS, 0, offset), "OrderPlaced") for offset in (10, 12)}
    assert Application(Position(ORDERS, 0, 13), "OrderPlaced") not in known.applied


def test_who_comes_second_to_a_state_is_refused_and_nothing_of_it_is_written(store: Store) -> None:
    store.write(StoreWrite(at=1, states=[change(1, 1, 10)]))
    for taken in (change(1, 1, 20), change(1, 2, 10)):
        with pytest.raises(EffectTaken):
            store.write(StoreWrite(at=2, states=[change(9, 1, 30), taken], positions={(ORDERS, 0): 31}))
    assert found(store, 1, 9).states == {1: StoredState(1, NEW)}
    assert store.progress([(ORDERS, 0)]) == {}


def row(outcome: str, offset: int, detail: str | None) -> EffectRow:
    return EffectRow(1, "charge", outcome, "100 EUR", detail, "fact", "id", ORDERS, 0, offset, 7)


@pytest.mark.parametrize("open_outcome", ["intended", "unresolved"])
def test_an_open_effect_becomes_something_else_and_a_closed_one_does_not(
    store: Store, open_outcome: str
) -> None:
    store.write(StoreWrite(at=1, effects=[row(open_outcome, 10, "text")]))
    store.write(StoreWrite(at=2, changed=[row("captured", 20, None)]))
    expected = {(1, "charge"): KnownEffect("captured", "100 EUR", Position(ORDERS, 0, 20))}
    assert store.find_effects([1]) == expected
    store.write(StoreWrite(at=3, changed=[row("declined", 30, None)]))
    assert store.find_effects([1]) == expected


def timer(name: str, due_at: int | None, order_id: int = 1) -> TimerChange:
    return TimerChange(order_id, name, due_at, "corr", "cause")


def test_timers_are_due_in_their_order_until_they_are_fired_or_cancelled(store: Store) -> None:
    changes = [change(1, 1, 10), change(2, 1, 11)]
    store.write(
        StoreWrite(
            at=1,
            states=changes,
            timers=[timer("b", 200), timer("a", 100), timer("a", 150), timer("c", 50, 2)],
        )
    )
    due = store.states.due_timers(200, 10)
    assert due == [
        DueTimer(2, "c", 50, "corr", "cause"),
        DueTimer(1, "a", 150, "corr", "cause"),
        DueTimer(1, "b", 200, "corr", "cause"),
    ]
    assert store.states.due_timers(149, 10) == due[:1]
    assert store.states.due_timers(200, 2) == due[:2]
    store.write(StoreWrite(at=2, states=[change(1, 2, 12)], timers=[timer("b", None)]))
    store.write(StoreWrite(at=2, fired=due[:1]))
    assert store.states.due_timers(1_000, 10) == due[1:2]


def test_a_timer_that_was_set_anew_meanwhile_is_not_taken_for_the_fired_one(store: Store) -> None:
    store.write(StoreWrite(at=1, states=[change(1, 1, 10)], timers=[timer("a", 100)]))
    fired = store.states.due_timers(100, 10)
    store.write(StoreWrite(at=2, states=[change(1, 2, 11)], timers=[timer("a", 300)]))
    store.write(StoreWrite(at=3, fired=fired))
    assert [late.due_at for late in store.states.due_timers(300, 10)] == [300]


def test_states_are_swapped_all_at_once_unless_the_group_has_gone_on_meanwhile(store: Store) -> None:
    changes = [change(1, 1, 10), change(2, 1, 11)]
    store.write(StoreWrite(at=1, states=changes, positions={(ORDERS, 0): 12}))
    states = [(1, 2, "done", to_json(Remembered("done")))]
    history = [(1, version, "done", "OrderPlaced", "id", ORDERS, 0, 20 + version) for version in (1, 2)]
    with pytest.raises(SafetyRefusal, match="gone on meanwhile"):
        store.states.swap({(ORDERS, 0): 11}, states, history, 2)
    assert found(store, 1, 2).states.keys() == {1, 2}
    store.states.swap({(ORDERS, 0): 12}, states, history, 2)
    known = found(store, 1, 2, offsets=(10, 22))
    assert known.states == {1: StoredState(2, Remembered("done"))}
    assert Application(Position(ORDERS, 0, 22), "OrderPlaced") in known.applied
    assert Application(Position(ORDERS, 0, 10), "OrderPlaced") not in known.applied
