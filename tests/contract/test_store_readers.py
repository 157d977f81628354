"""What operators' commands read from a store is what its group wrote, on each database."""

from dataclasses import replace

import pytest

from consumers.runtime.order_states import StateChange
from consumers.runtime.reaction import StateAlarm
from consumers.runtime.records import Alarm
from consumers.runtime.stores.batch_write import StoreWrite
from databases.address import StoreAddress
from operations import effects
from operations.status.alarms import StatusAlarm
from operations.status.stores import Reader, StoreState, read_stores
from operations.verify import stores
from operations.verify.evidence import digest
from schemas.errors import DependencyUnavailable, Position
from schemas.topics import ORDERS
from tests.contract.test_store_contract import effect, result
from tests.support.stores.stores import connected, opened

P0 = (ORDERS, 0)


def state(name: StoreAddress) -> StoreState:
    [found], silent = read_stores([Reader(name.group, (ORDERS,), None, name)])
    assert silent == []
    return found


def test_status_tells_size_effects_results_and_the_groups_alarms(name: StoreAddress) -> None:
    with opened(name) as store:
        empty = state(name)
        assert (empty.effects, empty.results, empty.alarms) == (0, 0, ())
        store.write(
            StoreWrite(at=1, effects=[effect(n) for n in range(5_000)], results=[result(0), result(1)])
        )
        store.failures.raise_alarm(Alarm("outage", "smtp", 1_000, "no \x00 answer"))
        found = state(name)
    assert (found.group, found.effects, found.results) == ("warehouse", 5_000, 1)
    assert found.size > empty.size > 0
    [alarm] = found.alarms
    assert (alarm.name, alarm.subject, alarm.since, alarm.text) == (
        "outage",
        "smtp",
        1_000,
        "warehouse: no \x00 answer",
    )


def test_status_counts_the_orders_that_a_reaction_left_to_a_person(name: StoreAddress) -> None:
    unresolved = StateAlarm("payment-unresolved", ("unresolved", "refund unresolved"), "ask the gateway")
    reader = Reader(name.group, (ORDERS,), None, name, (unresolved,))
    with opened(name) as store:
        assert read_stores([reader])[0][0].alarms == ()
        statuses = ("unresolved", "captured", "refund unresolved", "unresolved")
        changes = [
            StateChange(n, 1, status, "{}", "OrderPlaced", "id", Position(ORDERS, 0, n), 10 - n)
            for n, status in enumerate(statuses)
        ]
        store.write(StoreWrite(at=1, states=changes))
        [alarm] = read_stores([reader])[0][0].alarms
    assert alarm == StatusAlarm("payment-unresolved", "warehouse", 7, "3 orders: ask the gateway")


def test_status_reads_a_store_that_no_newer_program_has_opened(name: StoreAddress) -> None:
    with connected(name) as connection:
        connection.exec_driver_sql("DROP TABLE alarms")
    assert state(name).alarms == ()


def test_a_store_that_is_not_there_is_nothing(new: StoreAddress) -> None:
    assert read_stores([Reader("warehouse", (ORDERS,), None, new)]) == ([], [])
    assert not effects.exists(new)
    assert list(effects.read_effects(new)) == []
    with stores.opened(new) as contents:
        assert contents is None


@pytest.mark.parametrize("odd", ["\x00", "\ud800 and a \\ after it", "\x10"])
def test_readers_see_text_as_it_was_whatever_a_database_makes_of_it(name: StoreAddress, odd: str) -> None:
    row = effect(1)._replace(effect=odd, input=odd, detail=odd, message_id=odd)
    plain = effect(2)
    with opened(name) as store:
        identity = store.identity("c", 0)
        store.write(StoreWrite(at=1, effects=[row, plain], shadows=[row]))
    [made, other] = effects.read_effects(name)
    assert (made.effect, made.input, made.detail, made.message_id) == (odd, odd, odd, odd)
    assert other.input == plain.input
    [same] = effects.read_effects(name, order_id=1, outcome="dispatched")
    assert same == made
    with stores.opened(name) as seen:
        assert seen is not None
        assert seen.id == identity.id
        (order_id, found), _ = seen.effects()
        assert (order_id, found.content) == (1, digest(odd))
        assert list(seen.shadows()) == [(1, found)]


def test_a_store_that_cannot_be_read_is_an_alarm_and_hides_nothing_else(name: StoreAddress) -> None:
    with opened(name) as store:
        store.write(StoreWrite(at=1, effects=[effect(1)]))
    broken = replace(name, url="postgresql://cev:s3cret@127.0.0.1:1/nowhere", group="sales")
    readers = [Reader(each.group, (ORDERS,), None, each) for each in (broken, name)]
    [found], [(group, why)] = read_stores(readers)
    assert (found.group, group) == ("warehouse", "sales")
    assert "cannot be read" in why
    assert "s3cret" not in why
    with pytest.raises(DependencyUnavailable):
        list(effects.read_effects(broken))
