"""P15: the dual write loses an order, the outbox does not. Real processes, killed between two steps.

The order service takes an order in two steps: it inserts into its own table, and it tells the broker. The
process dies in between.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.topics import DISPATCH_PRODUCTS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import PATIENCE_S
from tests.support.stores.outboxes import ORDER_SERVICES, Service, opened

BEGIN = """
import os, signal, sys
from sqlalchemy import create_engine, text
from producers import OrderPlacer, OrderRequest, Outbox

url, bootstrap, crash = sys.argv[1:]
engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
request = OrderRequest(address="1 Streetford Road", order_id=12004)

def die(here):
    if crash == here:
        os.kill(os.getpid(), signal.SIGKILL)

def insert(connection):
    connection.execute(text("INSERT INTO shop_orders VALUES (12004, '1 Streetford Road')"))
"""

DATABASE_FIRST = """
with OrderPlacer.connect(bootstrap) as placer:
    with engine.begin() as connection:
        insert(connection)
    die("between")
    placer.place(request)
"""

BROKER_FIRST = """
with OrderPlacer.connect(bootstrap) as placer:
    with engine.begin() as connection:
        placer.place(request)
        die("between")
        insert(connection)
"""

WITH_OUTBOX = """
with Outbox.connect(bootstrap) as outbox:
    with engine.begin() as connection:
        insert(connection)
        die("between")
        outbox.add(connection, request)
        die("before the commit")
    die("after the commit")
"""


@pytest.fixture(params=ORDER_SERVICES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with opened(request, tmp_path) as made:
        yield made


def order(shop: ConsumerHarness, service: Service, steps: str, crash: str) -> None:
    """Take an order in a process that is killed at a step."""
    ended = subprocess.run(
        [sys.executable, "-c", BEGIN + steps, service.url, shop.bootstrap, crash],
        env={name: value for name, value in os.environ.items() if not name.startswith("CEV_")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == (-signal.SIGKILL if crash else 0), ended.stderr


def orders(shop: ConsumerHarness, service: Service) -> tuple[int, int]:
    """How often the order is in the service's table, and on the topic."""
    ((stored,),) = service.rows("SELECT count(*) FROM shop_orders WHERE id = 12004")
    return int(stored), len(shop.read(DISPATCH_PRODUCTS))


def relay(shop: ConsumerHarness, service: Service) -> None:
    code, said = shop.ran("relay", "--until-idle", "0", CEV_OUTBOX_URL=service.url)
    assert code == 0, said


def test_without_a_crash_all_three_ways_look_alike(shop: ConsumerHarness, service: Service) -> None:
    for number, steps in enumerate((DATABASE_FIRST, BROKER_FIRST, WITH_OUTBOX), 1):
        service.rows("DELETE FROM shop_orders")
        order(shop, service, steps, crash="")
        relay(shop, service)
        assert orders(shop, service) == (1, number)


def test_a_dual_write_killed_in_between_loses_an_accepted_order(
    shop: ConsumerHarness, service: Service
) -> None:
    order(shop, service, DATABASE_FIRST, crash="between")
    relay(shop, service)
    assert orders(shop, service) == (1, 0), "the customer has an order that nobody will ever dispatch"


def test_the_other_way_round_it_dispatches_an_order_that_nobody_has(
    shop: ConsumerHarness, service: Service
) -> None:
    order(shop, service, BROKER_FIRST, crash="between")
    assert orders(shop, service) == (0, 1)


@pytest.mark.parametrize(
    ("crash", "there"), [("between", 0), ("before the commit", 0), ("after the commit", 1)]
)
def test_the_same_crash_with_an_outbox_loses_nothing_and_invents_nothing(
    shop: ConsumerHarness, service: Service, crash: str, there: int
) -> None:
    order(shop, service, WITH_OUTBOX, crash)
    relay(shop, service)
    assert orders(shop, service) == (there, there), "the order is in both or in neither"
