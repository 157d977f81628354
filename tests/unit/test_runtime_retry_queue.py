"""Records that wait: by order, in their order, and let go of in time."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.records import FailedRecord, Item
from consumers.runtime.retry_queue import UNTIL_DELIVERED, Key, RetryQueue
from schemas.errors import Position, TruncatedBody
from schemas.topics import ORDERS
from tests.support.consumers.records import fact, record


def item(order_id: int, offset: int, partition: int = 0) -> Item:
    made = fact(order_id)
    return made._replace(record=made.record._replace(position=Position(ORDERS, partition, offset)))


def keyless(offset: int) -> Item:
    position = Position(ORDERS, 0, offset)
    return FailedRecord(record(position), None, TruncatedBody("no key", position))


def offsets(items: list[Item]) -> list[int]:
    return [waiting.record.position.offset for waiting in items]


def queue(*items: Item, **until: int) -> RetryQueue:
    waiting = RetryQueue(longest_wait_ms=10_000)
    waiting.put(items)
    waiting.wait({int(name.removeprefix("order_")): at for name, at in until.items()})
    return waiting


def test_an_order_is_due_as_a_whole_and_in_its_order() -> None:
    waiting = queue(item(7, 1), item(8, 2), item(7, 3), order_7=100, order_8=200)
    assert (waiting.due(99), waiting.next_due, len(waiting)) == ([], 100, 3)
    assert offsets(waiting.due(100)) == [1, 3]
    assert offsets(waiting.due(200)) == [1, 3, 2]
    assert len(waiting) == 3, "what is due stays until it is settled"


def test_what_waits_for_its_delivery_is_not_due_whatever_the_time() -> None:
    waiting = queue(item(7, 1), order_7=UNTIL_DELIVERED)
    assert (waiting.due(10**15), waiting.next_due) == ([], UNTIL_DELIVERED)


def test_a_clock_that_is_set_back_lets_nothing_wait_longer() -> None:
    waiting = queue(item(7, 1), item(8, 2), order_7=50_000, order_8=UNTIL_DELIVERED)
    assert waiting.due(40_000) == []
    assert offsets(waiting.due(39_999)) == [1]


def test_what_waited_behind_a_settled_record_is_due_at_once() -> None:
    waiting = queue(item(7, 1), item(7, 3), order_7=UNTIL_DELIVERED)
    waiting.settle([Position(ORDERS, 0, 1)])
    assert (offsets(waiting.due(1)), waiting.next_due, len(waiting)) == ([3], 0, 1)


def test_a_record_that_waits_again_keeps_its_place() -> None:
    waiting = queue(item(7, 1), item(7, 3), order_7=0)
    waiting.put([item(7, 1)])
    assert offsets(waiting.due(0)) == [1, 3]


def test_new_records_wait_behind_their_order_until_it_is_due() -> None:
    waiting = queue(item(7, 1), order_7=100)
    new = [item(8, 2), item(7, 3), item(7, 4)]
    ready, held = waiting.split(new, [], ())
    assert (offsets(ready), offsets(held)) == ([2], [3, 4])
    ready, held = waiting.split(new, waiting.due(100), ())
    assert (offsets(ready), offsets(held)) == ([1, 2, 3, 4], [])


def test_a_record_that_is_read_again_while_it_is_delivered_waits_and_so_do_those_behind_it() -> None:
    ready, held = RetryQueue(longest_wait_ms=10_000).split(
        [item(7, 1), item(7, 2), item(8, 3)], [], {Position(ORDERS, 0, 1)}
    )
    assert (offsets(ready), offsets(held)) == ([3], [1, 2])


def test_those_that_are_due_for_longest_have_their_turn_first() -> None:
    waiting = queue(item(7, 1), item(8, 2), item(7, 3), item(9, 4), order_7=30, order_8=10, order_9=20)
    assert offsets(waiting.due(30, 2)) == [2, 4]
    assert offsets(waiting.due(30)) == [2, 4, 1, 3]


def test_records_without_an_order_wait_by_themselves() -> None:
    waiting = RetryQueue(longest_wait_ms=10_000)
    waiting.put([keyless(1), keyless(2)])
    waiting.wait({Position(ORDERS, 0, 1): 100, Position(ORDERS, 0, 2): 200})
    assert (offsets(waiting.due(100)), offsets(waiting.due(200))) == ([1], [1, 2])
    ready, held = waiting.split([keyless(3)], [], ())
    assert (offsets(ready), held) == ([3], [])


def test_what_waited_behind_a_record_of_a_lost_partition_is_due_at_once() -> None:
    waiting = queue(item(7, 1, partition=1), item(7, 2), order_7=UNTIL_DELIVERED)
    waiting.forget({(ORDERS, 1): 0})
    assert (offsets(waiting.due(1)), len(waiting)) == ([2], 1)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30), st.randoms(use_true_random=False))
def test_each_order_leaves_in_the_order_in_which_it_came_whatever_fails(
    history: list[tuple[int, bool]], chance: object
) -> None:
    waiting, now = RetryQueue(longest_wait_ms=10_000), 0
    left: dict[int, list[int]] = {}
    unread = [item(order_id, offset) for offset, (order_id, _) in enumerate(history)]
    while unread or len(waiting):
        now += 1
        taken = chance.randint(0, 3)  # type: ignore[attr-defined]  # hypothesis hands over a random.Random
        ready, held = waiting.split(unread[:taken], waiting.due(now), ())
        del unread[:taken]
        failing: dict[Key, int] = {}
        settled, again = [], []
        for due in ready:
            order_id, offset = due.order_id, due.record.position.offset
            assert order_id is not None
            if order_id in failing or (history[offset][1] and chance.random() < 0.5):  # type: ignore[attr-defined]
                failing.setdefault(order_id, now + chance.randint(1, 3))  # type: ignore[attr-defined]
                again.append(due)
            else:
                left.setdefault(order_id, []).append(offset)
                settled.append(due.record.position)
        waiting.settle(settled)
        waiting.put(again + held)
        waiting.wait(failing)
    assert left == {
        order_id: [offset for offset, (other, _) in enumerate(history) if other == order_id]
        for order_id, _ in history
    }
