"""Committed offsets that somebody set back: no result and no dead letter a second time (invariant 6)."""

from collections import Counter

import pytest

from schemas.errors import LostOffset
from schemas.topics import DISPATCH_PRODUCTS, ORDERS, dead_letter_topic
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.offsets import set_offsets
from tests.support.stores.postgres import STORE_KINDS

READS = [DISPATCH_PRODUCTS, ORDERS]
ORDERS_PLACED = 120
NO_LONG = b"not a Long"


def id_of(shop: ConsumerHarness, group: str) -> str:
    return str(shop.rows(group, "SELECT id FROM store")[0][0])


def dead(shop: ConsumerHarness) -> list[bytes | None]:
    return [record.key for record in shop.read(dead_letter_topic("warehouse", DISPATCH_PRODUCTS))]


@pytest.mark.parametrize("store_kind", STORE_KINDS)
def test_the_log_is_asked_for_what_the_store_cannot_know_to_be_sent(shop: ConsumerHarness) -> None:
    shop.handled("warehouse")
    before = shop.committed("warehouse", READS)
    for order_id in range(ORDERS_PLACED):
        shop.command(order_id)
    shop.raw(DISPATCH_PRODUCTS, NO_LONG, b"never a message")
    shop.handled("warehouse")
    once = Counter({(order_id, "ProductDispatched"): 1 for order_id in range(ORDERS_PLACED)})
    assert Counter(shop.results()) == once
    assert dead(shop) == [NO_LONG]
    set_offsets(shop.cluster, "warehouse", before, id_of(shop, "warehouse"))
    again = shop.handled("warehouse")
    assert again.effects == 0
    assert Counter(shop.results()) == once
    assert dead(shop) == [NO_LONG]


def test_an_offset_below_what_the_store_knows_to_be_committed_is_refused(shop: ConsumerHarness) -> None:
    shop.handled("sales")
    before = shop.committed("sales", [ORDERS])
    for _ in range(2):
        for partition in range(6):
            shop.fact(partition, partition=partition)
        shop.handled("sales")
    set_offsets(shop.cluster, "sales", before, id_of(shop, "sales"))
    failure = shop.member("sales").failed()
    assert isinstance(failure, LostOffset)
    assert "somebody set it back; `cev store adopt sales`" in str(failure)
