"""Killed at every point between two steps, and started again (design §7, points 2, 3 and 11).

The catalogue is in `tests/support/crash/points.py`. A real process works on one day's records of every kind
until it is killed at the point; another one finishes. Then every order has one effect and one result for a
read_committed reader, every dead record one letter; mails are there at least once, as one file each.
"""

import pytest

from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash.forked import ran
from tests.support.crash.points import DEATH, NOTIFICATION, SALES, WAREHOUSE, Point
from tests.support.crash.scenarios import DAYS, Day
from tests.support.kafka.leave_group import bury
from tests.support.stores.postgres import STORE_KINDS

both_stores = pytest.mark.parametrize("store_kind", STORE_KINDS)


def names(points: tuple[Point, ...]) -> list[str]:
    return [point.name for point in points]


def killed(shop: ConsumerHarness, point: Point, group: str) -> None:
    for nth in [point.nth, 1][: 1 + point.again]:
        died, told = ran(shop, "consume", group, "--until-idle", "0.5", point=point, nth=nth)
        assert died == DEATH, f"the point was not reached: {told}"
        bury(shop.bootstrap, group)


def finished(shop: ConsumerHarness, day: Day) -> None:
    code, told = ran(shop, "consume", day.group, "--until-idle", "0")
    assert code == 0, told
    assert shop.lag(day.group, day.reads) == 0


def killed_and_finished(shop: ConsumerHarness, point: Point, group: str) -> None:
    day = DAYS[group]
    day.write(shop)
    killed(shop, point, group)
    finished(shop, day)
    day.check(shop)


@both_stores
@pytest.mark.parametrize("point", WAREHOUSE, ids=names(WAREHOUSE))
def test_a_warehouse_that_is_killed_there_dispatches_everything_once(
    shop: ConsumerHarness, point: Point
) -> None:
    killed_and_finished(shop, point, "warehouse")


@both_stores
@pytest.mark.parametrize("point", SALES, ids=names(SALES))
def test_sales_that_are_killed_there_count_everything_once(shop: ConsumerHarness, point: Point) -> None:
    killed_and_finished(shop, point, "sales")


@both_stores
@pytest.mark.parametrize("point", NOTIFICATION, ids=names(NOTIFICATION))
def test_a_notifier_that_is_killed_there_loses_no_mail_and_hands_each_over_under_one_name(
    shop: ConsumerHarness, point: Point
) -> None:
    killed_and_finished(shop, point, "notification")
