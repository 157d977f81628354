"""Records that fail for a while, on a real broker: bounded attempts, order per key, nobody else held up."""

import signal
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from consumers.registry import named
from consumers.runtime.reaction import AnyReaction, BrokenReaction, Context, Effect
from consumers.runtime.retry_policy import RetryPolicy
from schemas.facts import Fact
from schemas.framing import encode_key
from schemas.topics import ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash import reactions
from tests.support.crash.code import code_of
from tests.support.kafka.log import PATIENCE_S, until
from tests.support.stores.postgres import STORE_KINDS

QUICK = RetryPolicy(initial_backoff_ms=20, max_backoff_ms=100)
SLOW = RetryPolicy(initial_backoff_ms=600_000, max_backoff_ms=600_000, jitter=lambda: 1.0)


class Calls:
    """Sales, failing at some orders as often as it is told; counts every call."""

    def __init__(self, **fails: int) -> None:
        self.fails = {int(name.removeprefix("order_")): times for name, times in fails.items()}
        self.seen: list[tuple[int, int]] = []

    def reaction(self, **more: Any) -> AnyReaction:
        return replace(named("sales"), react=self._react, **more)

    def _react(self, message: Any, given: Context) -> list[Fact]:
        order_id = message.order_id
        self.seen.append((order_id, message.placed_at))
        if self.fails.get(order_id, 0) > 0:
            self.fails[order_id] -= 1
            raise TimeoutError("not now")
        given.record(Effect(f"sale {message.placed_at}", "counted", input=None))
        return []

    def of(self, order_id: int) -> list[int]:
        return [at for each, at in self.seen if each == order_id]


def committed_ends(shop: ConsumerHarness) -> set[tuple[str, int]]:
    """Partitions that sales has committed to their ends."""
    committed = shop.committed("sales", [ORDERS])
    return {partition for partition, (_, end) in shop.edges(ORDERS).items() if committed[partition] == end}


def letters(shop: ConsumerHarness, group: str = "sales") -> list[dict[str, Any]]:
    return [dict(seen.headers) for seen in shop.read(f"{group}.orders.dlq")]


def test_a_reaction_that_fails_for_a_while_recovers_and_keeps_the_order_of_its_orders(
    shop: ConsumerHarness,
) -> None:
    calls = Calls(order_7=2)
    for at in (1, 2, 3):
        shop.fact(7, placed_at=at)
        shop.fact(8, placed_at=at)
    status = shop.handled(calls.reaction(), retry_policy=QUICK)
    assert calls.of(7) == [1, 1, 1, 2, 3]
    assert calls.of(8) == [1, 2, 3], "what was settled is not asked again"
    assert (status.effects, status.dead) == (6, 0)
    assert letters(shop) == []


@pytest.mark.parametrize("store_kind", STORE_KINDS)
def test_out_of_attempts_is_a_dead_letter_that_says_how_many_and_the_order_goes_on(
    shop: ConsumerHarness,
) -> None:
    calls = Calls(order_7=5)
    for at in (1, 2, 3):
        shop.fact(7, placed_at=at)
    assert shop.handled(calls.reaction(), retry_policy=QUICK).dead == 1
    assert calls.of(7) == [1, 1, 1, 1, 1, 2, 3]
    [letter] = letters(shop)
    assert letter["attempts"] == b"5"
    assert letter["kafka_dlt-exception-fqcn"] == b"schemas.errors.ReactionFailed"
    assert b"TimeoutError: not now" in letter["kafka_dlt-exception-message"]
    assert sorted(shop.rows("sales", "SELECT effect FROM effects")) == [("sale 2",), ("sale 3",)]
    shop.fact(9)
    shop.handled(calls.reaction(), retry_policy=QUICK)
    shop.handled(calls.reaction(), retry_policy=QUICK)
    assert shop.rows("sales", "SELECT * FROM attempts") == [], "what is passed is forgotten"


def test_a_record_that_waits_holds_up_nobody_but_its_order_and_nothing_is_committed_past_it(
    shop: ConsumerHarness,
) -> None:
    calls = Calls(order_7=1)
    shop.fact(7, placed_at=1)
    running = shop.member(calls.reaction(), retry_policy=SLOW)
    until(lambda: calls.of(7), "it is tried")
    for order_id in range(20):
        shop.fact(order_id, placed_at=2)
    shop.flush()
    until(lambda: len(shop.outcomes("sales")) == 19, "everybody else, though they came later")
    assert shop.rows("sales", 'SELECT "count" FROM attempts') == [(1,)]
    assert calls.of(7) == [1], "its own order waits behind it"
    [position] = shop.rows("sales", 'SELECT topic, partition, "offset" FROM attempts')
    until(
        lambda: committed_ends(shop) == shop.edges(ORDERS).keys() - {position[:2]},
        "the other partitions are committed to their ends",
    )
    assert shop.committed("sales", [ORDERS])[position[:2]] == position[2]
    assert shop.members("sales") == 1
    before = time.monotonic()
    running.stop()
    assert time.monotonic() - before < 0.75 * PATIENCE_S, "a drain does not wait for what waits"
    assert shop.committed("sales", [ORDERS])[position[:2]] == position[2]
    status = shop.handled(calls.reaction(), retry_policy=QUICK)
    assert calls.of(7) == [1, 1, 2], "and waits no longer than its next member lets it"
    assert status.effects == 2, "what was done is not done again"


def test_a_partition_is_read_so_far_past_a_record_that_waits_and_the_others_to_their_ends(
    shop: ConsumerHarness,
) -> None:
    calls = Calls(order_7=1)
    shop.fact(7, partition=1)
    running = shop.member(calls.reaction(), retry_policy=SLOW, max_batch=2)
    until(lambda: calls.of(7), "it is tried")
    for order_id in range(100, 200):
        shop.fact(order_id, partition=1)
        shop.fact(order_id + 100, partition=2)
    shop.flush()
    until(lambda: {*range(200, 300)} <= shop.outcomes("sales").keys(), "the other partition is at its end")
    until(lambda: {*range(100, 119)} <= shop.outcomes("sales").keys(), "this one is read on")
    for order_id in range(300, 310):
        shop.fact(order_id, partition=2)
        shop.flush()
        until(lambda: order_id in shop.outcomes("sales"), "the member reads on")  # noqa: B023 - called at once
    beyond = shop.outcomes("sales").keys() & {*range(100, 200)}
    assert 10 * 2 - 1 <= len(beyond) <= 11 * 2 + 2
    running.stop()


def test_records_that_keep_failing_do_not_keep_a_batch_from_its_commit(shop: ConsumerHarness) -> None:
    fails: dict[str, int] = {f"order_{n}": 4 for n in range(10_000)}
    calls = Calls(**fails)
    patience = RetryPolicy(initial_backoff_ms=300, max_backoff_ms=300, jitter=lambda: 1.0)
    running = shop.member(calls.reaction(), retry_policy=patience)
    first = shop.edges(ORDERS)
    written = iter(range(10_000))

    def committed() -> bool:
        shop.fact(next(written))
        shop.flush()
        done = shop.committed("sales", [ORDERS])
        return any(done.get(each, low) > low for each, (low, _) in first.items())

    until(committed, "something is committed while they keep coming")
    running.stop()
    assert letters(shop) == [], "the last attempt is a good one"


def test_attempts_are_counted_across_a_kill_and_another_member(shop: ConsumerHarness) -> None:
    tally = shop.data_dir / "tally"
    shop.fact(7)
    for order_id in range(10, 20):
        shop.fact(order_id)
    slow, quick = code_of(reactions.fail_and_count, 3_000), code_of(reactions.fail_and_count, 20)
    child = shop.cev("consume", "sales", code=slow, TALLY=str(tally))
    until(lambda: tally.exists() and len(tally.read_text()) >= 2, "it tried twice")
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    tried = shop.rows("sales", 'SELECT "count" FROM attempts')[0][0]
    seen = len(tally.read_text())
    assert tried in (seen - 1, seen)
    code, told = shop.ran("consume", "sales", "--until-idle", "0.3", code=quick, TALLY=str(tally))
    assert code == 0, told
    [letter] = letters(shop)
    assert letter["attempts"] == b"5"
    assert len(tally.read_text()) <= 6, "only the attempt that was under way at the kill is not counted"
    assert len(shop.outcomes("sales")) == 10


def test_two_members_do_not_multiply_attempts(shop: ConsumerHarness) -> None:
    calls = Calls(order_7=100)
    for order_id in range(30):
        shop.fact(order_id, placed_at=1)
    patience = RetryPolicy(initial_backoff_ms=500, max_backoff_ms=500)
    first = shop.member(calls.reaction(), retry_policy=patience)
    until(lambda: calls.of(7), "the first one tried")
    second = shop.member(calls.reaction(), retry_policy=patience)
    until(lambda: letters(shop), "it is given up")
    until(lambda: shop.lag("sales", [ORDERS]) == 0, "everything is passed")
    first.stop()
    second.stop()
    assert len(calls.of(7)) == 5
    assert [letter["attempts"] for letter in letters(shop)] == [b"5"]
    assert Counter(shop.outcomes("sales").values()) == {"counted": 29}


def test_a_redriven_record_counts_on_keeps_its_first_origin_and_can_still_come_through(
    shop: ConsumerHarness,
) -> None:
    calls = Calls(order_7=10)
    shop.fact(7, placed_at=1)
    shop.handled(calls.reaction(), retry_policy=QUICK)
    for total in (b"5", b"10"):
        letter = max(shop.read("sales.orders.dlq"), key=lambda seen: int(seen.header("attempts") or 0))
        assert letter.header("attempts") == total
        assert letter.header("kafka_dlt-original-topic") == ORDERS.encode()
        shop.raw("sales.orders.retry", letter.key, letter.value, [*letter.headers, ("redrive-id", b"r")])
        shop.handled(calls.reaction(), retry_policy=QUICK)
    assert len(shop.read("sales.orders.dlq")) == 2
    assert shop.rows("sales", "SELECT effect, source_topic FROM effects") == [
        ("sale 1", "sales.orders.retry")
    ]


def redrive(shop: ConsumerHarness, group: str, topic: str) -> None:
    """Put every dead letter of a topic on the retry topic, as the operator's command does."""
    for letter in shop.read(f"{group}.{topic}.dlq"):
        headers = [*letter.headers, ("redrive-id", b"r"), ("redrive-of", f"{letter.topic}:0:0".encode())]
        shop.raw(f"{group}.{topic}.retry", letter.key, letter.value, headers)


def test_a_redriven_command_dispatches_once_whatever_the_mode(shop: ConsumerHarness) -> None:
    warehouse = named("warehouse")
    down = [True]

    def react(message: Any, given: Context) -> Any:
        if down and message.order_id in (7, 8):
            raise TimeoutError("not now")
        return warehouse.react(message, given)

    shop.command(7)
    shop.command(8)
    by = replace(warehouse, react=react)
    assert shop.handled(by, retry_policy=replace(QUICK, attempts=1)).dead == 2
    down.clear()
    shop.fact(8)
    redrive(shop, "warehouse", "dispatch_products")
    assert shop.handled(by).dead == 0
    redrive(shop, "warehouse", "dispatch_products")
    shop.handled(by)
    assert sorted(shop.results()) == [(7, "ProductDispatched"), (8, "ProductDispatched")]


def test_a_reaction_that_breaks_its_contract_stops_its_group_at_once_and_passes_nothing(
    shop: ConsumerHarness,
) -> None:
    def react(_message: Any, _given: Context) -> list[Fact]:
        raise BrokenReaction("it returns commands")

    shop.fact(7)
    failure = shop.member(replace(named("sales"), react=react)).failed()
    assert isinstance(failure, BrokenReaction)
    assert (letters(shop), shop.lag("sales", [ORDERS])) == ([], 1)
    assert shop.rows("sales", "SELECT * FROM attempts") == []


def marker(shop: ConsumerHarness, order_id: int) -> None:
    ruling = [("redrive-id", b"r"), ("redrive-of", b"sales.orders.dlq:0:0"), ("discard-by", b"ann@host")]
    shop.raw("sales.orders.retry", encode_key(order_id), None, [*ruling, ("discard-why", b"a joke")])


def test_a_marker_is_passed_over(shop: ConsumerHarness) -> None:
    marker(shop, 7)
    status = shop.handled("sales")
    assert (status.discarded, status.dead, status.effects) == (1, 0, 0)
    assert shop.read("sales.orders.dlq") == []
