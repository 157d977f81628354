"""Tracking on a real broker: it comes late, reads from the first record, and says how far it is."""

import sqlite3
from contextlib import closing

import pytest

from consumers.registry import named
from operations.order_view import read_order
from operations.replay.replay import Replay, replay
from schemas.codec import Codec
from schemas.errors import SafetyRefusal, UsageError
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import until


def test_a_late_group_knows_every_order_by_either_path_from_the_first_record(shop: ConsumerHarness) -> None:
    shop.command(7)
    shop.fact(8)
    shop.handled("warehouse")
    status = shop.handled("tracking")
    assert (status.dead, status.effects) == (0, 0)
    commanded, placed = (read_order(shop.name("tracking"), order_id) for order_id in (7, 8))
    assert commanded is not None
    assert placed is not None
    assert [fact.type for fact in commanded.facts] == ["ProductDispatched"]
    assert [fact.type for fact in placed.facts] == ["OrderPlaced", "ProductDispatched"]
    assert (commanded.status, commanded.is_placed) == ("dispatched", False)
    assert (placed.status, placed.is_placed) == ("dispatched", True)
    code, said = shop.ran("order", "status", "9")
    assert (code, "nothing is known of order 9: tracking has read every fact" in said) == (1, True), said
    shop.fact(9)
    code, said = shop.ran("order", "status", "9")
    assert (code, "tracking does not run, and has still to read 1 record" in said) == (1, True), said


def replayed(
    shop: ConsumerHarness, *, group: str = "tracking", dry_run: bool = False, forget: bool = False
) -> Replay:
    store = shop.name(group)
    return replay(
        shop.cluster, Codec(), named(group), store, dry_run=dry_run, forget=forget, report=lambda _count: None
    )


def change(shop: ConsumerHarness, statement: str) -> None:
    with closing(sqlite3.connect(shop.store("tracking"))) as store, store:
        store.execute(statement)


def test_states_that_were_lost_are_built_anew_and_the_group_goes_on(shop: ConsumerHarness) -> None:
    shop.fact(7)
    shop.fact(8)
    shop.handled("warehouse")
    member = shop.member("tracking")
    until(lambda: member.status.at_end, "tracking has joined")
    with pytest.raises(SafetyRefusal, match="stop"):
        replayed(shop)
    member.stop()
    shop.handled("tracking")
    name = shop.name("tracking")
    before = read_order(name, 7)
    assert (replayed(shop).differing, read_order(name, 7)) == (0, before)
    change(shop, "UPDATE order_states SET state = '[[]]', status = 'placed' WHERE order_id = 7")
    trial = replayed(shop, dry_run=True)
    assert (trial.records, trial.orders, trial.swapped) == (4, 2, False)
    assert trial.differences == [(7, "placed", "dispatched")]
    assert read_order(name, 7) is None
    assert replayed(shop).swapped
    assert read_order(name, 7) == before
    shop.fact(7)
    assert shop.handled("tracking").dead == 0
    grown = read_order(name, 7)
    assert grown is not None
    assert [fact.type for fact in grown.facts] == ["OrderPlaced", "ProductDispatched", "OrderPlaced"]


def test_what_the_topics_have_no_more_is_forgotten_only_if_somebody_says_so(shop: ConsumerHarness) -> None:
    shop.fact(7)
    shop.handled("tracking")
    change(shop, "UPDATE order_states SET version = 2")
    with pytest.raises(SafetyRefusal, match="more of 1 order"):
        replayed(shop)
    assert replayed(shop, forget=True).forgotten == 1
    assert shop.rows("tracking", "SELECT version FROM order_states") == [(1,)]
    with pytest.raises(UsageError, match="warehouse cannot be replayed"):
        replayed(shop, group="warehouse")
