"""Deaths that take more than one process, and answers that get lost (design §7, points 2, 3 and 11)."""

import pytest

from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash.points import ABANDONED, DEATH, Point
from tests.support.crash.scenarios import SCENARIOS
from tests.support.kafka.log import until
from tests.support.stores.postgres import STORE_KINDS

both_stores = pytest.mark.parametrize("store_kind", STORE_KINDS)
UNREACHABLE = 3
MIGRATIONS = [
    Point("one table is made, none committed", "store.create progress:after"),
    Point("every table is made, none committed", "store.commit(update alembic_version):before"),
    Point("migrated, and nobody was told", "store.commit(update alembic_version):after"),
]
LOST = [
    ("warehouse", Point("a batch", "store.commit(insert effects):after", 2)),
    ("sales", Point("a batch", "store.commit(insert effects):after", 2)),
    ("notification", Point("intentions", "store.commit(insert effects):after", 1)),
    ("notification", Point("what was done", "store.commit(update effects):after", 1)),
]
REVOCATIONS = [
    Point("told that partitions go, not let go", "consumer.on_revoke:before"),
    Point("partitions are let go, nobody was told", "consumer.on_revoke:after"),
]


def not_migrated(shop: ConsumerHarness, request: pytest.FixtureRequest) -> None:
    if shop.database_url is None:
        shop.store("sales").parent.rmdir()
    else:
        shop.database_url = request.getfixturevalue("postgres_url")


def finished(shop: ConsumerHarness, group: str) -> None:
    code, told = shop.ran("consume", group, "--until-idle", "0")
    assert code == 0, told
    SCENARIOS[group].check(shop)


@both_stores
@pytest.mark.parametrize("point", MIGRATIONS, ids=[point.name for point in MIGRATIONS])
def test_a_migration_that_is_killed_is_told_and_made_by_the_next_start(
    shop: ConsumerHarness, point: Point, request: pytest.FixtureRequest
) -> None:
    not_migrated(shop, request)
    SCENARIOS["sales"].write(shop)
    code, told = shop.ran("consume", "sales", "--until-idle", "0", code=point.migration_killed())
    assert code == UNREACHABLE, told
    assert "migrating" in told
    finished(shop, "sales")


@both_stores
def test_a_migration_whose_starter_was_killed_goes_on_alone_and_the_next_start_waits_for_it(
    shop: ConsumerHarness, request: pytest.FixtureRequest
) -> None:
    not_migrated(shop, request)
    SCENARIOS["sales"].write(shop)
    code, told = shop.ran("consume", "sales", "--until-idle", "0", code=ABANDONED)
    assert code == DEATH, told
    path = shop.name("sales").path
    until(lambda: path is None or path.exists(), "the orphan has begun")
    finished(shop, "sales")


@both_stores
@pytest.mark.parametrize(("group", "point"), LOST, ids=[f"{group}: {point.name}" for group, point in LOST])
def test_a_store_that_commits_and_does_not_say_so_is_asked_again_and_nothing_is_made_twice(
    shop: ConsumerHarness, group: str, point: Point
) -> None:
    SCENARIOS[group].write(shop)
    code, told = shop.ran("consume", group, "--until-idle", "0.5", code=point.lost())
    assert code == 0, told
    assert "the answer was lost" in told
    SCENARIOS[group].check(shop)


@pytest.mark.parametrize("point", REVOCATIONS, ids=[point.name for point in REVOCATIONS])
def test_a_member_that_is_killed_while_it_gives_up_partitions_loses_and_doubles_nothing(
    shop: ConsumerHarness, point: Point
) -> None:
    scenario = SCENARIOS["warehouse"]
    scenario.write(shop)
    child = shop.cev("consume", "warehouse", code=point.killed())
    shop.until_outcomes("warehouse", 1)
    heir = shop.member("warehouse")
    assert child.wait(30) == DEATH
    until(lambda: heir.status.failure or shop.lag("warehouse", scenario.reads) == 0, "the other one finishes")
    heir.stop()
    scenario.check(shop)


def test_what_a_member_left_in_an_open_transaction_is_done_by_another_that_lives(
    shop: ConsumerHarness,
) -> None:
    scenario = SCENARIOS["warehouse"]
    heir = shop.member("warehouse")
    until(lambda: heir.status.owned, "one member is there")
    point = Point("the offsets are in the transaction", "producer.send_offsets_to_transaction:after")
    child = shop.cev("consume", "warehouse", code=point.killed())
    until(lambda: shop.members("warehouse") == 2 and heir.status.owned < 24, "another one shares")
    scenario.write(shop)
    shop.flush()
    assert child.wait(30) == DEATH
    until(lambda: heir.status.failure or shop.lag("warehouse", scenario.reads) == 0, "the other one finishes")
    heir.stop()
    scenario.check(shop)
