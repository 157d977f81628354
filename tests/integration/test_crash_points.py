"""Killed at every point between two steps, and started again (design §7, points 2, 3 and 11).

The catalogue is in `tests/support/crash/points.py`. A real process works on a scenario with records of
every kind until it is killed at the point; another one finishes. Then every order has one effect, and one
result for a read_committed reader; every dead record has one letter; mails are there at least once, as one
file each.
"""

import pytest

from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash.forked import ran
from tests.support.crash.points import DEATH, FULFILMENT, NOTIFICATION, SALES, WAREHOUSE, Point
from tests.support.crash.scenarios import SCENARIOS, Scenario
from tests.support.kafka.leave_group import leave_group
from tests.support.stores.postgres import STORE_KINDS


def everywhere(*points: Point) -> pytest.MarkDecorator:
    """Every point on each database, killed once, and where it says so again in the recovery.

    `make test` kills once; on PostgreSQL only at the steps of the store, for at all others one database is
    like the other.
    """
    cases = [
        pytest.param(
            point,
            store_kind,
            kills,
            marks=[pytest.mark.full] * (kills > 1 or not (store_kind == "sqlite" or point.in_store)),
            id=f"{point.name}{', and again' * (kills - 1)}-{store_kind}",
        )
        for point in points
        for store_kind in STORE_KINDS
        for kills in (1, 2)[: 1 + point.again]
    ]
    return pytest.mark.parametrize(("point", "store_kind", "kills"), cases)


def killed(shop: ConsumerHarness, point: Point, kills: int, group: str) -> None:
    for nth in [point.nth, 1][:kills]:
        died, told = ran(shop, "consume", group, "--until-idle", "0.5", point=point, nth=nth)
        assert died == DEATH, f"the point was not reached: {told}"
        leave_group(shop.bootstrap, group)


def finished(shop: ConsumerHarness, scenario: Scenario, until_idle_s: float = 0) -> None:
    code, told = ran(shop, "consume", scenario.group, "--until-idle", f"{until_idle_s}")
    assert code == 0, told
    assert shop.lag(scenario.group, scenario.reads) == 0


def killed_and_finished(shop: ConsumerHarness, point: Point, kills: int, group: str) -> None:
    scenario = SCENARIOS[group]
    scenario.write(shop)
    killed(shop, point, kills, group)
    finished(shop, scenario)
    scenario.check(shop)


@everywhere(*WAREHOUSE)
def test_a_warehouse_that_is_killed_there_dispatches_everything_once(
    shop: ConsumerHarness, point: Point, kills: int
) -> None:
    killed_and_finished(shop, point, kills, "warehouse")


@everywhere(*SALES)
def test_sales_that_are_killed_there_count_everything_once(
    shop: ConsumerHarness, point: Point, kills: int
) -> None:
    killed_and_finished(shop, point, kills, "sales")


@everywhere(*NOTIFICATION)
def test_a_notifier_that_is_killed_there_loses_no_mail_and_hands_each_over_under_one_name(
    shop: ConsumerHarness, point: Point, kills: int
) -> None:
    killed_and_finished(shop, point, kills, "notification")


@everywhere(*FULFILMENT)
def test_a_process_manager_that_is_killed_there_issues_every_command_once(
    shop: ConsumerHarness, point: Point, kills: int
) -> None:
    scenario = SCENARIOS["fulfilment"]
    scenario.write(shop)
    killed(shop, point, kills, "fulfilment")
    finished(shop, scenario, until_idle_s=1)  # a timer that was just set becomes a record first
    scenario.check(shop)
