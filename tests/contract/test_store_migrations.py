"""What becomes of a store's content in a migration, on SQLite and on PostgreSQL."""

import pytest
from sqlalchemy import inspect

from consumers.runtime.stores import migrate
from consumers.runtime.stores.store import Store
from databases.address import StoreAddress
from schemas.errors import SafetyRefusal
from tests.support.stores.stores import connected, opened, rows, upgrade_to

PARKED = "INSERT INTO parked VALUES ('orders', 0, 5, 7, 1, 'orders', 0, NULL, NULL, '[]', 1)"
HELD = "INSERT INTO held VALUES (7, 'orders', 0, 4, 1)"


@pytest.fixture
def with_parking(new: StoreAddress) -> StoreAddress:
    """A store of the version that could park records."""
    upgrade_to(new, "0002")
    return new


def execute(name: StoreAddress, *statements: str) -> None:
    """Run statements on a store that need not be at the newest version."""
    with connected(name) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def tables(name: StoreAddress) -> set[str]:
    with connected(name) as connection:
        return set(inspect(connection).get_table_names())


def version(name: StoreAddress) -> list[tuple[object, ...]]:
    return rows(name, "SELECT version_num FROM alembic_version")


def test_empty_tables_of_parking_are_dropped_and_the_rest_is_kept(with_parking: StoreAddress) -> None:
    attempt = "INSERT INTO attempts VALUES ('orders', 0, 5, 2, 'not now', 9)"
    execute(with_parking, attempt)
    assert tables(with_parking) > {"parked", "held"}
    with opened(with_parking):
        pass
    assert version(with_parking) == [(migrate.HEAD,)]
    assert rows(with_parking, 'SELECT "offset", count FROM attempts') == [(5, 2)]
    assert tables(with_parking).isdisjoint({"parked", "held"})


@pytest.mark.parametrize(
    ("statements", "parked", "held"),
    [([PARKED, HELD], 1, 1), ([PARKED], 1, 0), ([HELD], 0, 1)],
    ids=["a parked record", "a parked record alone", "a held order alone"],
)
def test_a_store_that_still_holds_what_was_parked_is_refused_and_left_as_it_is(
    with_parking: StoreAddress, statements: list[str], parked: int, held: int
) -> None:
    execute(with_parking, *statements)
    with pytest.raises(SafetyRefusal) as refusal:
        Store(with_parking)
    assert refusal.value.exit_code == 4
    message = str(refusal.value)
    assert message.startswith(f"the store {with_parking} is not migrated: ")
    assert f"{parked} parked record(s) and {held} order(s)" in message
    assert "cev dlq redrive" in message
    assert "\n" not in message
    assert version(with_parking) == [("0002",)]
    assert rows(with_parking, "SELECT count(*) FROM parked") == [(parked,)]
    assert rows(with_parking, "SELECT count(*) FROM held") == [(held,)]
    execute(with_parking, "DELETE FROM parked", "DELETE FROM held")
    with opened(with_parking):
        pass
    assert version(with_parking) == [(migrate.HEAD,)]
