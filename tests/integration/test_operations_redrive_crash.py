"""A redrive of 10,000 dead letters that is killed half-way, and run again."""

from collections import Counter

from tests.support.consumers.dead_letters import DLQ, RETRY, positions, put_aside, redrives, watched
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import until

COUNT = 10_000


def test_a_redrive_of_ten_thousand_that_is_killed_half_way_goes_on_and_does_each_once(
    shop: ConsumerHarness,
) -> None:
    put_aside(shop, COUNT)
    words = ("dlq", "redrive", "--group", "warehouse", "--rate", "1500", "--json")
    first = shop.cev(*words)
    until(lambda: sum(high - low for low, high in shop.edges(RETRY).values()) > COUNT // 4, "a part is done")
    first.kill()
    assert first.wait() < 0
    half = Counter(redrives(shop))
    assert 0 < len(half) < COUNT
    assert set(half.values()) == {1}

    code, [document], shown = watched(shop, *words)
    assert code == 0, shown
    # What the killed one had committed when it died may have become visible since.
    assert (document["selected"], document["done"] + document["decided_before"]) == (COUNT, COUNT)
    assert len(half) <= document["decided_before"] < COUNT
    assert "redriving" in shown
    assert f" of {sum(high - low for low, high in shop.edges(DLQ).values()):,} " in shown

    assert sorted(redrives(shop)) == sorted(positions(shop))
    shop.handled("warehouse", act_on_foreign=True)
    assert Counter(shop.results()) == Counter(
        (order_id, "ProductDispatched") for order_id in range(1, COUNT + 1)
    )
    assert len(shop.outcomes("warehouse")) == COUNT
