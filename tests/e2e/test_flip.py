"""The switch on a running system: modes flip every second, and every order is dispatched exactly once.

I/O: the shared shop, its consumers, a raw client.
"""

import time
from collections import Counter
from itertools import cycle

from clients.config import Cluster
from producers.mode.change import set_mode
from schemas.codec import Codec
from schemas.control import Mode
from schemas.registry import Registry
from tests.e2e.conftest import Shop
from tests.support.kafka import raw_client
from tests.support.program import Started

COUNT, RATE = 500, 50
FLIP_S = 1.0
TOPICS = ("dispatch_products", "orders", "dispatch_results")


def flip_while(loading: Started, shop: Shop) -> int:
    """Set another mode every second until the load has ended; how often."""
    cluster = Cluster(bootstrap=shop.bootstrap)
    modes = cycle([Mode.SHADOW, Mode.EVENT, Mode.COMMAND])
    began, flips = time.monotonic(), 0
    with Registry(shop.registry) as registry:
        while loading.process.poll() is None:
            assert time.monotonic() - began < 60, "the load does not end"
            if time.monotonic() - began >= flips * FLIP_S:
                set_mode(cluster, Codec(registry), next(modes), changed_by="the test", why=f"flip {flips}")
                flips += 1
            time.sleep(0.02)
    return flips


def test_500_orders_while_the_mode_flips_every_second_are_each_dispatched_once(
    shop: Shop,
) -> None:
    cev = shop.cev
    with cev.started("consume", "warehouse", "notification", "sales") as consuming:
        consuming.joined("warehouse", "notification", "sales")
        before = {topic: raw_client.ends(shop.bootstrap, topic) for topic in TOPICS}
        with cev.started("order", "load", "--count", str(COUNT), "--rate", str(RATE), "--json") as loading:
            flips = flip_while(loading, shop)
            assert loading.process.returncode == 0, loading.said
            loaded = loading.printed
        assert flips >= COUNT / RATE / FLIP_S - 1
        (verified,) = cev.json("verify", "--wait", "60")
        assert consuming.end() == 0
    assert verified["ok"], verified

    written = {topic: raw_client.committed(shop.bootstrap, topic, before[topic]) for topic in TOPICS}
    facts, commands = (
        {each.order_id for each in written[topic]} for topic in ("orders", "dispatch_products")
    )
    orders = facts | commands
    assert len(orders) == COUNT
    assert len(facts) == len(written["orders"])
    assert len(commands) == len(written["dispatch_products"])
    assert facts & commands, "shadow wrote both"
    assert facts - commands, "event wrote the fact alone"
    assert commands - facts, "command wrote the command alone"
    assert f'"placed": {COUNT}' in loaded

    results = Counter(each.order_id for each in written["dispatch_results"])
    assert results == dict.fromkeys(orders, 1)
    dispatches = Counter(int(each["order_id"]) for each in cev.json("effects", "warehouse"))
    assert {order: dispatches[order] for order in orders} == dict.fromkeys(orders, 1)
    mails = Counter((each["order_id"], each["channel"]) for each in cev.json("effects", "notification"))
    sales = Counter((each["order_id"], each["product"]) for each in cev.json("effects", "sales"))
    assert set(mails.values()) == set(sales.values()) == {1}
    assert {int(order) for order, _ in mails} & orders == facts
    assert {int(order) for order, _ in sales} & orders == facts
