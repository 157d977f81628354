"""Cleaning on a real broker: each rule of design §5, and that groups and the reconciliation go on."""

from typing import Any

from confluent_kafka import TopicPartition

from clients.config import Cluster
from consumers.registry import all_topics
from operations.cleaning import plan
from operations.cleaning.clean import CleanedTopic, CleaningRun
from operations.dead_letters.listing import Filter
from operations.dead_letters.redrive import Redrive, RedriveRequest
from operations.verify.check import check_all
from operations.verify.evidence import READS
from operations.verify.reconciliation import Reconciliation
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.framing import encode_key
from schemas.timers import TimerDue
from schemas.times import now_ms
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS, PAYMENTS_TIMERS
from tests.support.consumers.dead_letters import DLQ, RETRY, ended, positions, put_aside
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.offsets import set_offsets

DAY = 86_400_000
LATER = 60_000


def clean(
    shop: ConsumerHarness, *, before: int | None = None, dry_run: bool = False
) -> dict[str, CleanedTopic]:
    """Clean everything that is older than a moment, by default a minute from now; by topic."""
    limit = now_ms() + LATER if before is None else before
    run = CleaningRun(Cluster(bootstrap=shop.bootstrap), all_topics(), before=limit, dry_run=dry_run)
    return {each.topic.name: each for each in run.run()}


def decide(shop: ConsumerHarness, how: Any, **wanted: Any) -> None:
    cluster = Cluster(bootstrap=shop.bootstrap)
    Redrive(cluster, all_topics(), Filter(**wanted), RedriveRequest(how, "ada@here", "why")).run()


def command(shop: ConsumerHarness, order_id: int, *, age_ms: int) -> None:
    """A command that was written some time ago."""
    value = Codec().encode(DISPATCH_PRODUCTS, DispatchProduct(order_id, "1 Streetford Road", 1))
    key = encode_key(order_id)
    shop.producer.produce(DISPATCH_PRODUCTS, value, key, timestamp=now_ms() - age_ms, partition=0)


def verdict(shop: ConsumerHarness) -> Reconciliation:
    stores = {group: shop.name(group) for group in READS}
    return check_all(shop.cluster, Codec(), stores, lambda _text: None)


def test_handled_commands_go_up_to_the_first_young_one_and_the_group_goes_on(shop: ConsumerHarness) -> None:
    for order_id, days in ((1, 20), (2, 20), (3, 1), (4, 20)):
        command(shop, order_id, age_ms=days * DAY)
    shop.handled("warehouse")
    done = clean(shop, before=now_ms() - 14 * DAY)[DISPATCH_PRODUCTS]
    assert (done.deleted, done.left > 0) == (2, True)
    assert plan.reasons(done.partitions.values()) == [plan.YOUNG]
    assert [seen.message[0] for seen in shop.read(DISPATCH_PRODUCTS)] == [3, 4]
    shop.command(5)
    assert shop.handled("warehouse").effects == 1
    found = verdict(shop)
    assert (found.ok, found.accepted, found.aged, found.dispatched) == (True, 3, 2, 5)


def test_a_run_that_is_stopped_deletes_nothing_of_the_topic_that_it_was_reading(
    shop: ConsumerHarness,
) -> None:
    for order_id in (1, 2):
        command(shop, order_id, age_ms=20 * DAY)
    shop.handled("warehouse")
    run = CleaningRun(
        Cluster(bootstrap=shop.bootstrap),
        all_topics(),
        before=now_ms(),
        dry_run=False,
        stopping=lambda: run.walked > 0,
    )
    assert (run.run(), run.walked) == ([], 1)
    assert [seen.message[0] for seen in shop.read(DISPATCH_PRODUCTS)] == [1, 2]
    assert clean(shop)[DISPATCH_PRODUCTS].deleted == 2


def test_a_command_whose_dead_letter_is_undecided_stays_and_is_counted(shop: ConsumerHarness) -> None:
    command(shop, 1, age_ms=0)
    shop.producer.produce(DISPATCH_PRODUCTS, b"junk", encode_key(2), partition=0)
    command(shop, 3, age_ms=0)
    shop.handled("warehouse")
    done = clean(shop)[DISPATCH_PRODUCTS]
    assert done.deleted == 1
    assert plan.reasons(done.partitions.values()) == [plan.UNDECIDED]
    found = verdict(shop)
    assert (found.ok, found.unreadable, found.accepted, found.aged) == (True, 1, 1, 1)
    decide(shop, "discarded", group="warehouse")
    assert clean(shop)[DISPATCH_PRODUCTS].deleted == 2


def test_what_is_for_ever_stays(shop: ConsumerHarness) -> None:
    shop.command(1)
    shop.fact(2)
    shop.handled("warehouse")
    before = shop.edges(ORDERS, DISPATCH_RESULTS)
    assert clean(shop)[DISPATCH_PRODUCTS].deleted == 1
    assert shop.edges(ORDERS, DISPATCH_RESULTS) == before
    assert (shop.read(DISPATCH_PRODUCTS), len(shop.read(DISPATCH_RESULTS))) == ([], 2)
    found = verdict(shop)
    assert (found.ok, found.aged, found.accepted) == (True, 1, 1)


def test_what_the_owner_has_not_committed_stays(shop: ConsumerHarness) -> None:
    shop.command(1)
    shop.flush()
    done = clean(shop)[DISPATCH_PRODUCTS]
    assert (done.deleted, plan.reasons(done.partitions.values())) == (0, [plan.UNKNOWN_OWNER])
    shop.handled("warehouse")
    shop.command(1)
    shop.flush()
    done = clean(shop)[DISPATCH_PRODUCTS]
    assert (done.deleted, plan.reasons(done.partitions.values())) == (1, [plan.UNHANDLED])


def test_timers_go_up_to_the_first_that_their_group_has_not_handled(shop: ConsumerHarness) -> None:
    for order_id in (1, 2, 3):
        value = Codec().encode(PAYMENTS_TIMERS, TimerDue(order_id, "capture", 1))
        shop.producer.produce(PAYMENTS_TIMERS, value, encode_key(order_id), partition=0)
    shop.flush()
    first = (PAYMENTS_TIMERS, 0)
    _, end = shop.edges(PAYMENTS_TIMERS)[first]
    set_offsets(shop.cluster, "payments", {first: end - 1}, metadata="")
    done = clean(shop)[PAYMENTS_TIMERS]
    shop.forget_offsets("payments")
    assert (done.deleted, plan.UNHANDLED in plan.reasons(done.partitions.values())) == (2, True)
    assert [seen.message[0] for seen in shop.read(PAYMENTS_TIMERS)] == [3]


def test_a_rehearsal_deletes_nothing_and_says_the_same(shop: ConsumerHarness) -> None:
    put_aside(shop, 3)
    shop.command(9)
    shop.handled("warehouse")
    decide(shop, "redriven")
    shop.handled("warehouse", act_on_foreign=True)
    touched = (DISPATCH_PRODUCTS, ORDERS, DISPATCH_RESULTS, DLQ, RETRY)
    before = shop.edges(*touched)
    rehearsed = clean(shop, dry_run=True)
    assert shop.edges(*touched) == before
    done = clean(shop)
    assert {name: each.deleted for name, each in rehearsed.items()} == {
        name: each.deleted for name, each in done.items()
    }
    assert [done[name].deleted for name in (DISPATCH_PRODUCTS, DLQ, RETRY)] == [1, 3, 3]
    assert shop.read(DLQ) == shop.read(RETRY) == []
    assert sum(each.deleted for each in clean(shop).values()) == 0
    assert shop.handled("warehouse").effects == 0
    assert verdict(shop).ok


def test_an_undecided_letter_in_the_middle_stops_the_cleaning(shop: ConsumerHarness) -> None:
    for number in range(4):
        shop.raw(DLQ, encode_key(7), b"%d" % number)
    shop.flush()
    first, second, _, _ = positions(shop)
    for position in (first, positions(shop)[2]):
        code, _, err = ended(shop.cev("dlq", "discard", position, "--why", "x"))
        assert code == 0, err
    done = clean(shop)[DLQ]
    assert (done.deleted, plan.reasons(done.partitions.values())) == (1, [plan.UNDECIDED])
    assert positions(shop)[0] == second


def test_a_decision_that_is_young_keeps_its_letter(shop: ConsumerHarness) -> None:
    shop.producer.produce(DLQ, b"x", encode_key(7), timestamp=now_ms() - 20 * DAY)
    shop.flush()
    decide(shop, "discarded")
    done = clean(shop, before=now_ms() - 14 * DAY)[DLQ]
    assert (done.deleted, plan.reasons(done.partitions.values())) == (0, [plan.FRESH])
    assert clean(shop)[DLQ].deleted == 1


def test_a_decision_stays_as_long_as_its_letter_so_that_none_is_made_twice(shop: ConsumerHarness) -> None:
    # One key, so that all lie in one partition behind the undecided one.
    for number in range(3):
        shop.raw(DLQ, encode_key(7), b"%d" % number)
    shop.flush()
    asked = positions(shop)[1:]
    code, _, err = ended(shop.cev("dlq", "redrive", *asked))
    assert code == 0, err
    shop.handled("warehouse")
    done = clean(shop)[RETRY]
    assert (done.deleted, plan.reasons(done.partitions.values())) == (0, [plan.NEEDED])
    cluster = Cluster(bootstrap=shop.bootstrap)
    run = Redrive(
        cluster, all_topics(), Filter(topic=DLQ, until=now_ms()), RedriveRequest("redriven", "ada@here")
    )
    tally = run.run()
    assert tally.skipped.total() == 2


def test_a_discard_about_a_fact_is_known_after_its_letter_is_gone(shop: ConsumerHarness) -> None:
    put_aside(shop, 2)
    decide(shop, "discarded", order_id=1)
    decide(shop, "redriven", order_id=2)
    shop.handled("warehouse", act_on_foreign=True)
    before = verdict(shop)
    assert (before.discarded, before.dead, before.dispatched, before.lost) == (1, 0, 1, ())
    done = clean(shop)
    assert done[DLQ].deleted == 2
    assert plan.reasons(done[RETRY].partitions.values()) == [plan.REMEMBERED]
    assert (verdict(shop).discarded, verdict(shop).lost, verdict(shop).ok) == (1, (), True)


def test_the_command_says_what_it_did_and_what_stopped_it(shop: ConsumerHarness) -> None:
    put_aside(shop, 1)
    shop.command(9)
    shop.handled("warehouse")
    code, [document], err = ended(shop.cev("topics", "clean", "--json", CEV_CLEAN_AFTER_D="0"))
    assert code == 0, err
    assert (document["deleted"], document["dry_run"]) == (1, False)
    [letters] = [each for each in document["topics"] if each["name"] == DLQ]
    assert (letters["deleted"], letters["because"]) == (0, [plan.UNDECIDED])
    child = shop.cev("topics", "clean", "--dry-run")
    out, err = child.communicate(timeout=60)
    assert (child.returncode, "would delete" in out, plan.YOUNG in out) == (0, True, True), err
    assert "nothing was deleted" in err


def test_deleting_leaves_the_group_its_offsets(shop: ConsumerHarness) -> None:
    for order_id in range(1, 30):
        shop.command(order_id)
    shop.handled("warehouse")
    clean(shop)
    committed = shop.committed("warehouse", [DISPATCH_PRODUCTS])
    for each, (low, _) in shop.edges(DISPATCH_PRODUCTS).items():
        assert low <= committed[each], TopicPartition(*each)
