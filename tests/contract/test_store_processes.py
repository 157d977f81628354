"""What every store promises between processes: slots, migrations, and members that stand still or die."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from consumers.runtime.stores import database, member_table, migrate, tables
from consumers.runtime.stores import store as store_module
from consumers.runtime.stores.batch_write import EffectTaken, StoreWrite
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import DependencyUnavailable, Position
from schemas.topics import ORDERS
from tests.contract.test_store_contract import effect, result
from tests.support.kafka.log import until
from tests.support.stores import children
from tests.support.stores.stores import begun, child, connected, opened, rows

P0, P1 = (ORDERS, 0), (ORDERS, 1)


def written(store: Store, batch: StoreWrite) -> bool:
    """Whether it could be written by now."""
    try:
        store.write(batch)
    except DependencyUnavailable:
        return False
    return True


# -- migrations --------------------------------------------------------------------------------------------


def test_the_migrated_tables_are_the_tables_of_the_code(new: StoreAddress) -> None:
    migrate.ensure(new)
    with connected(new) as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        found = inspect(connection)
        for table in tables.metadata.sorted_tables:
            columns = [each["name"] for each in found.get_columns(table.name)]
            assert columns == [column.name for column in table.columns]
            keys = found.get_pk_constraint(table.name)["constrained_columns"]
            assert keys == [column.name for column in table.primary_key.columns]


def test_the_newest_migration_is_the_one_that_the_code_asks_for(new: StoreAddress) -> None:
    migrate.ensure(new)
    assert rows(new, "SELECT version_num FROM alembic_version") == [(migrate.HEAD,)]


def test_a_store_that_is_up_to_date_is_not_migrated_again(
    name: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_a, **_k: pytest.fail("migrated again"))
    migrate.ensure(name)


def test_members_that_start_together_migrate_once_and_find_one_identity(new: StoreAddress) -> None:
    started = [begun(children.tell_identity, new) for _ in range(4)]
    said = [each.communicate(timeout=120) for each in started]
    assert [each.returncode for each in started] == [0] * 4, said
    assert len({out for out, _ in said}) == 1
    assert len(rows(new, "SELECT id FROM store")) == 1


def test_a_store_of_a_newer_program_is_left_alone(name: StoreAddress) -> None:
    with connected(name) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DependencyUnavailable, match="9999"):
        Store(name)


def test_what_a_migration_is_told_is_not_on_its_command_line(
    new: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    real = subprocess.run

    def run(words: list[str], **named: object) -> object:
        seen.append(words)
        return real(words, **named)  # type: ignore[call-overload]  # as it came

    monkeypatch.setattr(subprocess, "run", run)
    migrate.ensure(new)
    assert seen == [[sys.executable, "-m", "consumers.runtime.stores.migrate"]]


# -- slots -------------------------------------------------------------------------------------------------


def test_a_slot_is_free_again_the_moment_its_process_is_killed(name: StoreAddress) -> None:
    with child(children.claim_slot, name) as (first, slot), opened(name) as mine:
        assert slot == "0"
        assert mine.claim_slot() == 1
        first.send_signal(signal.SIGKILL)
        first.wait()

        def free() -> bool:
            with opened(name) as next_one:
                return next_one.claim_slot() == 0

        until(free, "the slot is free")


def test_a_member_that_stands_still_keeps_its_slot(name: StoreAddress) -> None:
    with child(children.claim_slot, name) as (first, _), opened(name) as mine:
        first.send_signal(signal.SIGSTOP)
        assert mine.claim_slot() == 1


def test_members_of_one_process_have_slots_of_their_own(name: StoreAddress) -> None:
    with opened(name) as one, opened(name) as two:
        assert [one.claim_slot(), two.claim_slot()] == [0, 1]


def test_a_full_house_is_told(name: StoreAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SLOTS", 1)
    with opened(name) as one, opened(name) as two:
        one.claim_slot()
        with pytest.raises(DependencyUnavailable, match="1 members use"):
            two.claim_slot()


# -- members that stand still, die, or get in each other's way ---------------------------------------------


@pytest.mark.parametrize("stopped", [False, True], ids=["at work", "stopped"])
def test_a_member_inside_a_write_holds_the_others_up_for_a_while_and_takes_nothing_with_it(
    name: StoreAddress, monkeypatch: pytest.MonkeyPatch, *, stopped: bool
) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_S", 0.3)
    with opened(name) as store:
        store.write(StoreWrite(at=1, effects=[effect(1)], positions={P0: 1}))
        with child(children.stay_inside_a_write, name) as (holder, said):
            assert said == "inside"
            if stopped:
                holder.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            for batch in (
                StoreWrite(at=2, effects=[effect(2, at=1)]),
                StoreWrite(at=2, positions={P0: 2, P1: 2}),
            ):
                with pytest.raises(DependencyUnavailable, match=r"does not answer: .*lock"):
                    store.write(batch)
            assert time.monotonic() - began < 10, "each waited for 0.3 s, not for five"
            assert store.find_effects([1, 2]).keys() == {(1, "dispatch")}, "readers do not wait for a writer"
            assert store.progress([P0, P1]).keys() == {P0}
            holder.kill()
            holder.wait()
        last = StoreWrite(at=3, effects=[effect(2, at=1)], results=[result(1)], positions={P0: 2})
        until(lambda: written(store, last), "the dead member's lock is gone")
        assert store.find_effects([2])[2, "dispatch"].input == "1 Streetford Road"
        assert store.results([Position(ORDERS, 0, 1)]) == [result(1)]


def test_a_member_that_goes_on_inside_its_write_is_followed(name: StoreAddress) -> None:
    with opened(name) as store, child(children.stay_inside_a_write, name) as (holder, _):
        holder.send_signal(signal.SIGSTOP)
        holder.send_signal(signal.SIGCONT)
        assert holder.stdin is not None
        going_on = threading.Timer(0.2, holder.stdin.close)
        going_on.start()
        with pytest.raises(EffectTaken):
            store.write(StoreWrite(at=2, effects=[effect(2, at=1)]))
        going_on.join()
        assert store.find_effects([2])[2, "dispatch"].input == "half"


def test_four_members_with_the_same_orders_in_any_order_neither_deadlock_nor_double(
    name: StoreAddress,
) -> None:
    started = [begun(children.write_any_orders, name, seed) for seed in range(4)]
    said = [each.communicate(timeout=240) for each in started]
    assert [each.returncode for each in started] == [0] * 4, said
    made = [tuple(map(int, out.split())) for out, _ in said]
    found = rows(name, "SELECT order_id, input FROM effects")
    assert sum(each for each, _ in made) == len(found) <= 150
    assert len({order_id for order_id, _ in found}) == len(found)
    with opened(name) as store:
        assert {each.position for each in store.progress([(ORDERS, n) for n in range(12)]).values()} == {29}


# -- members -----------------------------------------------------------------------------------------------


def test_a_member_is_known_and_runs_until_its_process_ends(name: StoreAddress) -> None:
    with opened(name) as store, child(children.register, name) as (process, token):
        assert store.members.known([token]) == {token: True}
        process.kill()
        process.wait()
        until(lambda: store.members.known([token]) == {token: False}, "its slot is free")
        mine = store.members.register(store.claim_slot(), 7)
        assert store.members.known([token, mine, "x"]) == {token: False, mine: True}


def test_members_of_the_past_are_remembered_and_not_for_ever(
    name: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_table, "_KEPT", 3)
    with opened(name) as store:
        slot = store.claim_slot()
        tokens = [store.members.register(slot, at) for at in range(6)]
        assert store.members.known(tokens) == {tokens[5]: True} | dict.fromkeys(tokens[2:5], False)
