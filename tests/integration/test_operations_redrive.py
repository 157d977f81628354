"""What an operator decides about dead letters, on a real broker and with real members."""

import signal
import time
from typing import Any

import pytest

from clients.config import Cluster
from consumers.registry import all_topics
from operations.dead_letters import listing
from operations.dead_letters.listing import Filter
from operations.dead_letters.redrive import Redrive, RedriveRequest
from operations.dead_letters.writer import Writer
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import Fenced
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, ORDERS, Kind
from tests.support.consumers.dead_letters import (
    DLQ,
    RETRY,
    decide,
    ended,
    open_transaction,
    positions,
    put_aside,
    redrives,
)
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import HOME, until

REDRIVE = RedriveRequest("redriven", "ada@here")
TOPIC = next(topic for topic in all_topics() if topic.name == DLQ)


def run(shop: ConsumerHarness, ruling: RedriveRequest = REDRIVE, **wanted: Any) -> Redrive:
    """A whole run in this process."""
    made = Redrive(Cluster(bootstrap=shop.bootstrap), all_topics(), Filter(**wanted), ruling)
    made.run()
    return made


def undecided(shop: ConsumerHarness, *, every: bool = False, **wanted: Any) -> list[int | None]:
    cluster = Cluster(bootstrap=shop.bootstrap)
    found = listing.find_dead_letters(cluster, all_topics(), Filter(**wanted), every=every)
    return sorted((letter.order_id for letter in found), key=lambda number: number or 0)


def test_a_redriven_record_is_the_dead_letter_as_it_was_for_the_failed_group_alone(
    shop: ConsumerHarness,
) -> None:
    put_aside(shop, 3)
    made = run(shop)
    assert (made.progress.selected, made.progress.done, made.progress.groups) == (3, 3, {"warehouse": 3})
    letters = {f"{each.topic}:{each.partition}:{each.offset}": each for each in shop.read(DLQ)}
    for again in shop.read(RETRY):
        letter = letters.pop((again.header("redrive-of") or b"").decode())
        assert (again.key, again.value, again.partition) == (letter.key, letter.value, letter.partition)
        assert again.headers[: len(letter.headers)] == letter.headers
        assert again.header("kafka_dlt-original-topic") == ORDERS.encode()
        assert again.header("redrive-id") == made.id.encode()
    assert letters == {}
    others = [topic.name for topic in all_topics() if topic.kind is Kind.RETRY and topic.name != RETRY]
    assert all(low == high for low, high in shop.edges(*others).values())


def test_a_second_redrive_of_the_same_letters_is_refused_and_said(shop: ConsumerHarness) -> None:
    put_aside(shop, 2)
    first = decide(shop, "redrive", "--group", "warehouse")
    assert (first["selected"], first["done"], first["skipped"], first["dry_run"]) == (2, 2, 0, False)
    again = decide(shop, "redrive", "--group", "warehouse")
    assert (again["selected"], again["done"], again["skipped"], again["decided_before"]) == (2, 0, 2, 2)
    assert sorted(redrives(shop)) == sorted(positions(shop))
    code, out, err = ended(shop.cev("dlq", "redrive", positions(shop)[0]))
    assert (code, out) == (0, [])
    assert "warehouse has no live member" not in err


def test_a_rehearsal_changes_nothing_and_fences_nobody(shop: ConsumerHarness) -> None:
    put_aside(shop, 2)
    with Writer(shop.cluster, TOPIC) as writer:
        writer.claim()
        found = decide(shop, "redrive", "--dry-run")
        assert (found["selected"], found["done"], found["skipped"], found["dry_run"]) == (2, 0, 0, True)
        assert found["groups"] == {"warehouse": 2}
        writer.write([])
    assert redrives(shop) == []


def test_a_run_that_another_takes_over_ends_with_4_and_nothing_is_written_twice(
    shop: ConsumerHarness,
) -> None:
    put_aside(shop, 60)
    slow = shop.cev("dlq", "redrive", "--rate", "2", "--json")
    until(lambda: redrives(shop), "the slow run has begun")
    fast = decide(shop, "redrive")
    code, out, err = ended(slow)
    assert (code, out) == (4, [])
    assert "another run took over the dead letters of warehouse.orders.dlq" in err
    assert (fast["selected"], fast["done"] + fast["decided_before"]) == (60, 60)
    assert fast["decided_before"] > 0
    assert sorted(redrives(shop)) == sorted(positions(shop))


def test_a_writer_that_was_fenced_writes_nothing_of_its_batch(shop: ConsumerHarness) -> None:
    put_aside(shop, 1)
    [letter] = listing.find_dead_letters(shop.cluster, all_topics(), Filter())
    made = Redrive(shop.cluster, all_topics(), Filter(), REDRIVE)
    with Writer(shop.cluster, TOPIC) as old:
        old.claim()
        with Writer(shop.cluster, TOPIC) as new:
            new.claim()
        with pytest.raises(Fenced, match="goes on from there"):
            old.write([made._record(letter, old)])
    assert redrives(shop) == []


def test_what_comes_after_the_start_is_not_taken(shop: ConsumerHarness) -> None:
    put_aside(shop, 30)
    slow = shop.cev("dlq", "redrive", "--rate", "4", "--json")
    until(lambda: redrives(shop), "the run has begun")
    # They fail again while the run goes on, and a new one comes.
    shop.fact(1_000, mode_epoch=0)
    member = shop.member("warehouse")
    code, [document], err = ended(slow)
    assert code == 0, err
    assert (document["selected"], document["done"]) == (30, 30)
    until(lambda: len(shop.read(DLQ)) == 61, "thirty failed again, and one is new")
    member.stop()
    assert len(redrives(shop)) == 30
    assert len(undecided(shop)) == 31


def test_a_record_that_fails_again_is_a_new_letter_with_its_first_origin(shop: ConsumerHarness) -> None:
    put_aside(shop, 1)
    [origin] = shop.read(ORDERS)
    run(shop)
    assert undecided(shop) == []
    shop.handled("warehouse")
    _, again = shop.read(DLQ)
    where = [again.header(f"kafka_dlt-original-{name}") for name in ("topic", "partition", "offset")]
    assert where == [
        ORDERS.encode(),
        origin.partition.to_bytes(4, "big"),
        origin.offset.to_bytes(8, "big"),
    ]
    assert undecided(shop) == [1]
    assert undecided(shop, every=True) == [1, 1]
    assert run(shop).progress.done == 1
    assert sorted(redrives(shop)) == sorted(positions(shop))


def test_a_redriven_order_is_dispatched_unless_it_has_its_outcome(shop: ConsumerHarness) -> None:
    put_aside(shop, 2)
    shop.command(2)
    shop.handled("warehouse")
    run(shop)
    status = shop.handled("warehouse", act_on_foreign=True)
    assert (status.effects, status.duplicates, status.dead) == (1, 1, 0)
    assert sorted(shop.results()) == [(1, "ProductDispatched"), (2, "ProductDispatched")]


def test_a_command_redriven_in_mode_event_is_dispatched(shop: ConsumerHarness) -> None:
    shop.fact(8)
    shop.handled("warehouse")
    value = Codec().encode(DISPATCH_PRODUCTS, DispatchProduct(7, "from before the switch", 1))
    shop.raw(f"warehouse.{DISPATCH_PRODUCTS}.dlq", encode_key(7), value)
    shop.flush()
    assert run(shop, topic=DISPATCH_PRODUCTS).progress.done == 1
    shop.handled("warehouse")
    assert shop.outcomes("warehouse") == {7: "dispatched", 8: "dispatched"}


@pytest.mark.parametrize(
    ("words", "orders"),
    [
        (("--order-id", "2"), [2]),
        (("--error", "foreignFACT"), [1, 2, 3]),
        (("--error", "NullValue"), []),
        (("--topic", ORDERS), [1, 2, 3]),
        (("--topic", DISPATCH_PRODUCTS), []),
        (("--group", "sales"), []),
        (("--since", "1h", "--until", "0s"), [1, 2, 3]),
        (("--until", "1h"), []),
    ],
)
def test_only_what_the_options_mean_is_taken(
    shop: ConsumerHarness, words: tuple[str, ...], orders: list[int]
) -> None:
    put_aside(shop, 3)
    assert decide(shop, "redrive", *words)["done"] == len(orders)
    assert {seen.key for seen in shop.read(RETRY)} == {encode_key(each) for each in orders}


def test_letters_can_be_named_one_by_one(shop: ConsumerHarness) -> None:
    put_aside(shop, 4)
    asked = positions(shop)[1:3]
    assert decide(shop, "redrive", *asked)["selected"] == 2
    assert sorted(redrives(shop)) == sorted(asked)
    for position, expected in ((f"{DLQ}:0:999", 1), (positions(shop, ORDERS)[0], 2)):
        code, _, err = ended(shop.cev("dlq", "discard", position, "--why", "x"))
        assert (code, err.count("\n")) == (expected, 1), err


def test_a_discard_is_recorded_with_who_and_why_and_is_a_decision(shop: ConsumerHarness) -> None:
    put_aside(shop, 2)
    found = decide(shop, "discard", "--order-id", "1", "--why", "a test sent it")
    assert (found["selected"], found["done"]) == (1, 1)
    [marker] = shop.read(RETRY)
    assert (marker.key, marker.value) == (encode_key(1), None)
    assert marker.header("discard-why") == b"a test sent it"
    assert b"@" in (marker.header("discard-by") or b"")
    assert marker.header("kafka_dlt-original-topic") == ORDERS.encode()
    assert undecided(shop) == [2]
    assert decide(shop, "redrive")["skipped"] == 1
    _, lines, _ = ended(shop.cev("dlq", "list", "--all", "--json"))
    said = {line["order_id"]: line["decision"] for line in lines}
    assert (said["1"]["how"], said["1"]["why"]) == ("discarded", "a test sent it")
    assert (said["2"]["how"], said["2"]["why"]) == ("redriven", None)
    _, [shown], _ = ended(shop.cev("dlq", "show", str(found_at(shop, 1)), "--json"))
    assert shown["decision"]["how"] == "discarded"


def found_at(shop: ConsumerHarness, order_id: int) -> str:
    [letter] = listing.find_dead_letters(shop.cluster, all_topics(), Filter(order_id=order_id), every=True)
    return str(letter.record.position)


def test_a_discard_without_a_reason_is_a_mistake(shop: ConsumerHarness) -> None:
    code, _, err = ended(shop.cev("dlq", "discard", "--why", " "))
    assert (code, err.startswith("cev: a discard needs a reason")) == (2, True)


def test_a_letter_of_which_only_the_position_is_known_can_only_be_discarded(shop: ConsumerHarness) -> None:
    shop.raw(DLQ, None, None, [("kafka_dlt-exception-fqcn", b"schemas.errors.Undeliverable")], partition=4)
    shop.raw(DLQ, None, b"no key", [("kafka_dlt-exception-fqcn", b"schemas.errors.NullKey")], partition=4)
    shop.flush()
    tally = run(shop).progress
    assert (tally.selected, tally.done, tally.skipped.total()) == (2, 1, 1)
    assert "only the position" in next(iter(tally.skipped))
    assert [(seen.partition, seen.value) for seen in shop.read(RETRY)] == [(4, b"no key")]
    assert run(shop, RedriveRequest("discarded", "ada@here", "gone")).progress.done == 1
    assert shop.handled("warehouse").dead == 1
    assert len(undecided(shop)) == 1


def test_a_letter_as_large_as_a_dead_letter_may_be_is_redriven_and_a_larger_one_skipped(
    shop: ConsumerHarness,
) -> None:
    for size in (7 * 1024 * 1024, 8 * 1024 * 1024 - 500):
        shop.raw(DLQ, encode_key(size), b"x" * size, partition=0)
    shop.flush()
    tally = run(shop).progress
    assert (tally.done, tally.skipped.total()) == (1, 1)
    assert "too large" in next(iter(tally.skipped))


def test_a_rate_is_kept(shop: ConsumerHarness) -> None:
    for order_id in range(40):
        shop.raw(DLQ, encode_key(order_id), b"x")
    shop.flush()
    began = time.monotonic()
    assert run(shop, REDRIVE._replace(rate=40)).progress.done == 40
    # The last quarter is due after three quarters of a second.
    assert time.monotonic() - began >= 0.75


def test_a_redrive_that_is_stopped_counts_what_it_did_and_the_next_one_does_the_rest(
    shop: ConsumerHarness,
) -> None:
    put_aside(shop, 40)
    slow = shop.cev("dlq", "redrive", "--rate", "4", "--json")
    until(lambda: redrives(shop), "the run has begun")
    slow.send_signal(signal.SIGTERM)
    code, [document], err = ended(slow)
    assert (code, document["stopped"]) == (143, True)
    assert err.endswith("stopped before the end; the same command again goes on from there\n")
    assert document["done"] == len(redrives(shop)) < 40
    assert run(shop).progress.done == 40 - document["done"]
    assert sorted(redrives(shop)) == sorted(positions(shop))


def test_headers_of_a_sender_make_no_marker_of_a_redriven_record(shop: ConsumerHarness) -> None:
    hostile = {"discard-why": "mine", "discard-by": "me", "redrive-of": f"{DLQ}:0:0", "redrive-id": "0"}
    shop.write(ORDERS, OrderPlaced(1, HOME, 1), [*hostile.items()])
    assert shop.handled("warehouse").dead == 1
    assert run(shop).progress.done == 1
    assert shop.handled("warehouse", act_on_foreign=True).effects == 1
    assert shop.results() == [(1, "ProductDispatched")]


def test_the_order_of_one_key_is_kept(shop: ConsumerHarness) -> None:
    for number in range(900):
        shop.raw(DLQ, encode_key(number % 3), str(number).encode())
    shop.flush()
    assert run(shop).progress.done == 900
    for order_id in range(3):
        mine = [int(seen.value or b"") for seen in shop.read(RETRY) if seen.key == encode_key(order_id)]
        assert mine == list(range(order_id, 900, 3))


def alarms(shop: ConsumerHarness) -> list[str]:
    _, [document], _ = ended(shop.cev("status", "--json"))
    return [each["text"] for each in document["alarms"] if each["name"] == "dead-letters"]


def test_only_what_is_undecided_is_an_alarm(shop: ConsumerHarness) -> None:
    put_aside(shop, 3)
    run(shop, order_id=1)
    assert [text.split(" ")[0] for text in alarms(shop)] == ["2"]
    run(shop, RedriveRequest("discarded", "ada@here", "x"))
    assert alarms(shop) == []


def test_redriven_for_nobody_is_said(shop: ConsumerHarness) -> None:
    put_aside(shop, 1)
    _, _, err = ended(shop.cev("dlq", "redrive", "--dry-run"))
    assert "warehouse has no live member that takes them" in err
    member = shop.member("warehouse")
    until(lambda: member.status.at_end, "the member has its partitions")
    _, _, err = ended(shop.cev("dlq", "redrive"))
    member.stop()
    assert "no live member" not in err


def test_an_open_transaction_of_somebody_else_hides_nothing_that_was_decided(shop: ConsumerHarness) -> None:
    put_aside(shop, 1)
    with open_transaction(shop, RETRY):
        code, _, err = ended(shop.cev("dlq", "redrive", "--order-id", "1"))
    assert (code, "open transaction" in err) == (1, True)
    assert redrives(shop) == []
