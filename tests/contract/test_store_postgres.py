"""What is peculiar to a store in PostgreSQL: lost connections, locks of sessions, roles, passwords."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from consumers.runtime.stores import store as store_module
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.database import SlotTaken
from consumers.runtime.stores.postgres import Postgres
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from databases.snapshot import reading
from operations import effects
from schemas.errors import DependencyUnavailable, InvalidSetting
from schemas.topics import ORDERS
from tests.contract.test_store_contract import effect
from tests.support.kafka.log import until
from tests.support.stores import children
from tests.support.stores import postgres as servers
from tests.support.stores.postgres import PASSWORD, Server
from tests.support.stores.stores import child, opened

P0 = (ORDERS, 0)
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def name(migrated_url: str) -> StoreAddress:
    return StoreAddress(migrated_url, "warehouse")


@pytest.fixture
def store(name: StoreAddress) -> Iterator[Store]:
    with opened(name) as made:
        yield made


def cut(server: Server, name: StoreAddress) -> None:
    """Every connection to the store is ended by the server."""
    server.run(f"SELECT pg_terminate_backend(pid) {OTHERS}", url=name.url)
    until(lambda: not server.run(f"SELECT pid {OTHERS}", url=name.url), "the sessions are over")


# -- a lost connection -------------------------------------------------------------------------------------


def test_a_lost_connection_is_an_outage_once_and_replaced_by_the_next_call(
    store: Store, name: StoreAddress, postgres: Server
) -> None:
    store.write(StoreWrite(at=1, effects=[effect(1)], positions={P0: 1}))
    for call in (
        lambda: store.write(StoreWrite(at=2, effects=[effect(2)], positions={P0: 2})),
        lambda: store.find_effects([1]),
        lambda: store.announce_start({P0: 0}, 0, started=False),
    ):
        cut(postgres, name)
        with pytest.raises(DependencyUnavailable, match="does not answer"):
            call()
        assert store.find_effects([1, 2]).keys() == {(1, "dispatch")}
    store.write(StoreWrite(at=2, effects=[effect(2)], positions={P0: 2}))
    assert store.find_effects([1, 2]).keys() == {(1, "dispatch"), (2, "dispatch")}


def test_a_connection_that_is_lost_inside_a_write_leaves_nothing(
    store: Store, name: StoreAddress, postgres: Server
) -> None:
    def lose(*_: object) -> None:
        cut(postgres, name)

    assert isinstance(store._database, Postgres)
    event.listen(store._database.engine, "commit", lose)
    with pytest.raises(DependencyUnavailable):
        store.write(StoreWrite(at=1, effects=[effect(1)], positions={P0: 1}))
    event.remove(store._database.engine, "commit", lose)
    assert store.find_effects([1]) == {}
    assert store.progress([P0]) == {}


def test_a_server_that_is_down_is_an_outage_in_one_line_without_the_password() -> None:
    with servers.running() as server:
        url = server.database()
        with opened(StoreAddress(url, "sales")) as store:
            store.write(StoreWrite(at=1, effects=[effect(1)]))
            server.stop(signal.SIGQUIT)
            for _ in range(3):
                with pytest.raises(DependencyUnavailable) as told:
                    store.find_effects([1])
                assert "\n" not in str(told.value)
                assert PASSWORD not in str(told.value)
            with pytest.raises(DependencyUnavailable, match="does not answer"):
                Store(StoreAddress(url, "sales"))
            server.start()
            assert store.find_effects([1]).keys() == {(1, "dispatch")}, "what was written survived the crash"


# -- slots -------------------------------------------------------------------------------------------------


def test_a_slot_is_taken_again_with_the_next_connection(
    store: Store, name: StoreAddress, postgres: Server
) -> None:
    assert store.claim_slot() == 0
    cut(postgres, name)
    with pytest.raises(DependencyUnavailable):
        store.find_effects([1])
    store.find_effects([1])
    with opened(name) as other:
        assert other.claim_slot() == 1


def test_a_slot_that_another_member_took_meanwhile_is_not_shared(
    store: Store, name: StoreAddress, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_S", 0.3)
    with opened(name) as mine:
        assert mine.claim_slot() == 0
        cut(postgres, name)
        assert store.claim_slot() == 0, "its holder has no connection, and so no slot"
        with pytest.raises(DependencyUnavailable):
            mine.find_effects([1])
        for _ in range(2):
            with pytest.raises(SlotTaken, match="another member took slot 0") as told:
                mine.write(StoreWrite(at=1, effects=[effect(1)]))
            assert PASSWORD not in str(told.value)
    assert store.find_effects([1]) == {}


def test_slots_of_two_groups_in_one_database_are_their_own(name: StoreAddress) -> None:
    with opened(name) as one, opened(replace(name, group="sales")) as two:
        assert [one.claim_slot(), two.claim_slot()] == [0, 0]


# -- a member that stands still ----------------------------------------------------------------------------


def test_the_server_undoes_a_write_in_which_its_member_stands_still(
    name: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LOCK_WAIT_S", 0.3)
    with child(children.stay_inside_a_write, name, 2) as (holder, said), opened(name) as store:
        assert said == "inside"
        holder.send_signal(signal.SIGSTOP)

        def written() -> bool:
            try:
                store.write(StoreWrite(at=1, effects=[effect(2)], positions={P0: 7}))
            except DependencyUnavailable:
                return False
            return True

        until(written, "the stopped member's locks are gone, though it still stands")
        holder.send_signal(signal.SIGCONT)
        _, told = holder.communicate("", timeout=60)
        assert holder.returncode != 0
        assert "DependencyUnavailable" in told
        assert store.find_effects([2])[2, "dispatch"].input == "1 Streetford Road"


# -- the database ------------------------------------------------------------------------------------------


def test_each_group_has_a_schema_of_its_own(new_url: str, postgres: Server) -> None:
    for group in ("warehouse", "a-b", "a" * 80, "a" * 81, 'odd"; DROP TABLE x'):
        with opened(StoreAddress(new_url, group)) as store:
            store.write(StoreWrite(at=1, effects=[effect(1)]))
    found = {each for (each,) in postgres.run("SELECT nspname FROM pg_namespace", url=new_url)}
    assert {"cev_warehouse", "cev_a_b"} < found
    assert len([each for each in found if each.startswith("cev_")]) == 5
    tables = postgres.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", url=new_url)
    assert tables == [(0,)], "alembic_version is in the group's schema too"


@pytest.fixture
def new_url(postgres_url: str) -> str:
    return postgres_url


def test_a_role_that_may_not_make_schemas_uses_one_that_is_there(new_url: str, postgres: Server) -> None:
    postgres.run("CREATE ROLE modest LOGIN PASSWORD 'm0dest'", url=new_url)
    try:
        url = new_url.replace(f"cev:{PASSWORD}", "modest:m0dest")
        with pytest.raises(DependencyUnavailable, match="permission denied"):
            Store(StoreAddress(url, "sales"))
        postgres.run("CREATE SCHEMA cev_sales AUTHORIZATION modest", url=new_url)
        with opened(StoreAddress(url, "sales")) as store:
            store.write(StoreWrite(at=1, effects=[effect(1)]))
            assert store.find_effects([1])
    finally:
        postgres.run("DROP OWNED BY modest", url=new_url)
        postgres.run("DROP ROLE modest", url=new_url)


def test_a_database_that_cannot_keep_every_character_is_refused(postgres: Server) -> None:
    postgres.run("CREATE DATABASE narrow TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        with pytest.raises(DependencyUnavailable, match="encoded as LATIN1; a store needs UTF8"):
            Store(StoreAddress(postgres.url("narrow"), "sales"))
    finally:
        postgres.drop(postgres.url("narrow"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda url: url.replace(PASSWORD, "wr0ng-pass"), "password authentication failed"),
        (lambda url: url.rpartition("/")[0] + "/nowhere", "does not exist"),
        (lambda url: url.replace("127.0.0.1", "no-such-host.invalid"), "no-such-host"),
    ],
)
def test_who_is_not_let_in_is_told_why_without_the_password(
    name: StoreAddress, change: Callable[[str], str], words: str
) -> None:
    wrong = StoreAddress(change(name.url), "warehouse")
    for call in (lambda: Store(wrong), lambda: list(effects.read_effects(wrong))):
        with pytest.raises(DependencyUnavailable, match=words) as told:
            call()
        assert "\n" not in str(told.value)
        assert PASSWORD not in str(told.value)
        assert "wr0ng-pass" not in str(told.value)


def test_a_parameter_that_nobody_knows_is_a_wrong_setting(name: StoreAddress) -> None:
    wrong = StoreAddress(f"{name.url}?colour=red", "warehouse")
    for call in (lambda: Store(wrong), lambda: list(effects.read_effects(wrong))):
        with pytest.raises(InvalidSetting, match="colour"):
            call()


def test_what_the_address_asks_for_is_done(name: StoreAddress, postgres: Server) -> None:
    with opened(StoreAddress(f"{name.url}?application_name=mine&connect_timeout=9", "warehouse")) as store:
        store.find_effects([1])
        assert ("mine",) in postgres.run("SELECT application_name FROM pg_stat_activity", url=name.url)


def test_a_commit_is_on_the_disk_though_the_server_would_not_wait_for_it(store: Store) -> None:
    with store._reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


# -- looking at it -----------------------------------------------------------------------------------------


def looked_at(name: StoreAddress, sql: str) -> list[tuple[object, ...]]:
    with reading(name) as seen:
        assert seen is not None
        return list(seen.rows(sql))


def test_who_looks_sees_one_moment_and_may_change_nothing(store: Store, name: StoreAddress) -> None:
    store.write(StoreWrite(at=1, effects=[effect(1)]))
    with reading(name) as seen:
        assert seen is not None
        assert [row[0] for row in seen.rows("SELECT order_id FROM effects")] == [1]
        store.write(StoreWrite(at=2, effects=[effect(2)]))
        assert [row[0] for row in seen.rows("SELECT order_id FROM effects")] == [1]
    with pytest.raises(DependencyUnavailable, match="read-only transaction"):
        looked_at(name, "SELECT lo_create(0)")


def test_a_large_store_is_read_page_by_page(store: Store, name: StoreAddress) -> None:
    store.write(StoreWrite(at=1, effects=[effect(n) for n in range(20_000)]))
    found = effects.read_effects(name)
    assert [next(found).order_id for _ in range(3)] == [0, 1, 2]
    assert sum(1 for _ in found) == 19_997
    assert list(effects.read_effects(replace(name, group="nobody"))) == []


def test_the_process_list_tells_no_password(postgres_url: str) -> None:
    code = (
        "import sys\nfrom databases.address import StoreAddress\n"
        "from consumers.runtime.stores import migrate\n"
        "migrate.ensure(StoreAddress(sys.stdin.read(), 'sales'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(postgres_url)
    process.stdin.close()
    seen = 0
    while process.poll() is None:
        for each in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = each.read_bytes()
            except OSError:
                continue  # it has just ended
            assert PASSWORD.encode() not in words or str(os.getpid()) in str(each)
            seen += b"stores.migrate" in words
    assert process.returncode == 0
    assert seen
