"""Killed, stopped, cut off at the worst moment: one effect and one result an order (design §7, 2 to 4)."""

import random
import signal
from collections import Counter
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

from clients.errors import StaleBatch
from consumers.runtime.kafka.producer import ResultProducer
from consumers.runtime.retry_policy import RetryPolicy
from schemas.errors import BrokerUnreachable
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash import reactions
from tests.support.crash.code import code_of
from tests.support.crash.points import Point
from tests.support.kafka.log import until

if TYPE_CHECKING:
    import subprocess

READS = [DISPATCH_PRODUCTS, ORDERS]
STOPS = [
    ("warehouse", Point("results are acknowledged", "producer.flush:after")),
    pytest.param(
        "sales",
        Point("the store has the batch", "store.commit(insert effects):after"),
        marks=pytest.mark.full,
    ),
]


def once(order_ids: range, kind: str = "ProductDispatched") -> Counter[tuple[int, str]]:
    return Counter({(order_id, kind): 1 for order_id in order_ids})


def test_a_commit_whose_answer_was_lost_doubles_neither_results_nor_dead_letters(
    shop: ConsumerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order_id in range(5):
        shop.command(order_id)
    shop.raw(DISPATCH_PRODUCTS, b"short", b"")
    send, lost = ResultProducer.send, list[bool]()

    def forgetful(*given: object) -> None:
        send(*given)  # type: ignore[arg-type]  # handed through as they came
        if not lost:
            lost.append(True)
            raise BrokerUnreachable("the answer was lost")

    monkeypatch.setattr(ResultProducer, "send", forgetful)
    shop.handled("warehouse")
    assert lost
    assert Counter(shop.results()) == once(range(5))
    assert len(shop.read("warehouse.dispatch_products.dlq")) == 1


def test_a_batch_that_the_group_refused_is_read_again_where_the_partitions_are_still_ours(
    shop: ConsumerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order_id in range(20):
        shop.fact(order_id)
    send, refused = ResultProducer.send, list[bool]()

    def refusing(*given: object) -> None:
        if not refused:
            refused.append(True)
            raise StaleBatch("the group moved on")
        send(*given)  # type: ignore[arg-type]  # handed through as they came

    monkeypatch.setattr(ResultProducer, "send", refusing)
    shop.handled("warehouse")
    assert refused
    assert Counter(shop.results()) == once(range(20))


@pytest.mark.full
def test_a_process_that_is_killed_again_and_again_under_load_does_everything_once(
    shop: ConsumerHarness,
) -> None:
    chance = random.Random(20_261_121)
    written = 0

    def load(count: int) -> None:
        nonlocal written
        for order_id in range(written, written + count):
            (shop.command, shop.fact)[order_id % 2](order_id)
            if order_id % 5 == 0:
                shop.command(order_id)
            if order_id % 7 == 0:
                shop.shadow(order_id)
        written += count

    load(400)
    child = shop.cev("consume", "warehouse")
    for _ in range(6):
        load(400)
        shop.flush()
        seen = len(shop.outcomes("warehouse"))
        goal = min(seen + chance.randint(1, 500), written)
        shop.until_outcomes("warehouse", goal)
        child.kill()
        child.communicate(timeout=10)
        child = shop.cev("consume", "warehouse")
    # Something is left for the last one, so that it is at work when it is told to stop.
    load(400)
    shop.flush()
    until(lambda: shop.lag("warehouse", READS) == 0, "everything is read")
    child.send_signal(signal.SIGTERM)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 0, told
    assert shop.outcomes("warehouse") == dict.fromkeys(range(written), "dispatched")
    assert Counter(shop.results()) == once(range(written))
    assert shop.read("warehouse.orders.dlq") == shop.read("warehouse.dispatch_products.dlq") == []


def test_a_process_that_is_killed_while_it_reads_past_a_record_that_waits_does_everything_once(
    shop: ConsumerHarness,
) -> None:
    shop.fact(7)
    child = shop.cev("consume", "warehouse", code=code_of(reactions.fail_at_a_fact))
    until(lambda: shop.rows("warehouse", "SELECT * FROM attempts"), "it waits")
    for order_id in range(100, 160):
        (shop.command, shop.fact)[order_id % 2](order_id)
    shop.command(7)
    shop.flush()
    shop.until_outcomes("warehouse", 60)
    assert 7 not in shop.outcomes("warehouse"), "its command waits behind its fact"
    [(topic, number, offset)] = shop.rows("warehouse", 'SELECT topic, partition, "offset" FROM attempts')
    assert shop.committed("warehouse", [topic]).get((topic, number), offset) == offset
    assert all(times == 1 for times in Counter(shop.results()).values()), "only what is committed is answered"
    child.kill()
    child.wait(10)
    shop.handled("warehouse", retry_policy=RetryPolicy(initial_backoff_ms=20, max_backoff_ms=100))
    assert shop.outcomes("warehouse") == dict.fromkeys([7, *range(100, 160)], "dispatched")
    assert Counter(shop.results()) == once(range(100, 160)) + once(range(7, 8))


@pytest.mark.parametrize(("group", "point"), STOPS)
def test_a_member_that_was_stopped_and_goes_on_works_beside_the_one_that_took_over(
    shop: ConsumerHarness, group: str, point: Point
) -> None:
    reads = READS if group == "warehouse" else [ORDERS]
    for order_id in range(10):
        shop.fact(order_id)
    zombie = shop.cev("consume", group, code=point.stopped())
    until(lambda: _stopped(zombie), "the member stops itself")
    heir = shop.member(group)
    for order_id in range(10, 20):
        shop.fact(order_id)
    shop.flush()
    until(lambda: heir.status.failure or shop.lag(group, reads) == 0, "another member finishes")
    if group == "warehouse":
        # Behind an open transaction nothing can be read: here the broker has timed it out.
        until(lambda: len(shop.results()) == 20, "the results can be read")
    done = shop.committed(group, reads)
    zombie.send_signal(signal.SIGCONT)
    until(lambda: zombie.poll() is not None or shop.members(group) == 2, "the stopped member is back")
    assert zombie.poll() is None, zombie.communicate()
    for order_id in range(20, 40):
        shop.fact(order_id)
    shop.flush()
    until(lambda: len(shop.outcomes(group)) == 40 and shop.lag(group, reads) == 0, "both work on")
    after = shop.committed(group, reads)
    assert all(after[each] >= offset for each, offset in done.items()), "an offset went back"
    heir.stop()
    zombie.send_signal(signal.SIGTERM)
    _, told = zombie.communicate(timeout=60)
    assert zombie.returncode == 0, told
    if group == "warehouse":
        assert Counter(shop.results()) == once(range(40))


def _stopped(child: "subprocess.Popen[str]") -> bool:
    assert child.poll() is None, child.communicate()
    return str(psutil.Process(child.pid).status()) == "stopped"
