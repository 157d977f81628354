"""Generated ids: unique and rising, whatever the clock and the counter do."""

import itertools
import threading

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from producers.placing import order_ids
from producers.placing.order_ids import EPOCH_S, OrderIds, new_order_id
from schemas import keys

# A counter that wraps takes ids of the next second, and the last one of 63 bits has none.
CLOCKS = st.lists(st.floats(min_value=0, max_value=EPOCH_S + 2**31 - 2), min_size=1, max_size=50)


@given(readings=CLOCKS, start=st.integers(0, 2**32 - 1))
def test_ids_rise_whatever_the_clock_does(readings: list[float], start: int) -> None:
    ticks = iter(readings)
    source = OrderIds(clock=lambda: next(ticks), start=start)
    made = [source.next() for _ in readings]
    assert all(a < b for a, b in itertools.pairwise(made))
    assert all(0 <= each < 2**63 for each in made)


@given(second=st.integers(0, 2**31 - 1), start=st.integers(0, 2**32 - 1))
@example(second=0x41414141, start=0x4141413F)
@example(second=0x20202020, start=0x2020201F)
@example(second=0x7E7E7E7E, start=0x7E7E7E7D)
def test_no_id_until_2094_is_text_as_a_key(second: int, start: int) -> None:
    source = OrderIds(clock=lambda: EPOCH_S + second, start=start)
    made = [source.next() for _ in range(3)]
    assert [keys.text_of(each) for each in made] == [None] * 3
    assert made[0] < made[1] < made[2]


@pytest.mark.parametrize("second", [0, 28_000_000, 0x1FFFFFFF])
def test_until_2043_no_second_holds_an_id_that_is_text(second: int) -> None:
    """The first byte is below 32 until then: nothing is passed over."""
    assert all(keys.text_of(second << 32 | low) is None for low in (0, 0x41414141, 2**32 - 1))


def test_an_id_carries_its_second_and_the_counter() -> None:
    source = OrderIds(clock=lambda: EPOCH_S + 5.9, start=41)
    assert [source.next(), source.next()] == [5 << 32 | 42, 5 << 32 | 43]


def test_a_counter_that_wraps_within_a_second_borrows_from_the_next() -> None:
    now = [EPOCH_S + 7.0]
    source = OrderIds(clock=lambda: now[0], start=2**32 - 2)
    made = [source.next() for _ in range(3)]
    assert made == [7 << 32 | 2**32 - 1, 8 << 32, 8 << 32 | 1]
    now[0] = EPOCH_S + 9.0
    assert source.next() == 9 << 32 | 2


def test_later_seconds_sort_after_earlier_ones() -> None:
    now = [EPOCH_S + 1.0]
    source = OrderIds(clock=lambda: now[0])
    early = source.next()
    now[0] += 1
    assert source.next() > early


def test_a_clock_before_2026_still_gives_positive_rising_ids() -> None:
    source = OrderIds(clock=lambda: 0.0)
    first = source.next()
    assert 0 <= first < source.next()


def test_threads_never_share_an_id() -> None:
    made: list[list[int]] = [[] for _ in range(4)]

    def work(mine: list[int]) -> None:
        mine.extend(new_order_id() for _ in range(5000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [number for mine in made for number in mine]
    assert len(set(every)) == len(every)
    assert all(mine == sorted(mine) for mine in made)


def test_two_processes_start_at_different_places() -> None:
    starts = {OrderIds(clock=lambda: 0.0).next() for _ in range(50)}
    assert len(starts) == 50


def test_a_forked_child_does_not_count_on_where_its_parent_does() -> None:
    before = order_ids._process.ids
    order_ids._process._renew()
    assert order_ids._process.ids is not before
