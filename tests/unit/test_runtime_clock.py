"""What a member may conclude about its clock, and what not."""

from hypothesis import given
from hypothesis import strategies as st

from clients.broker_clock import clock_offset_ms, partition_of_group
from consumers.runtime.clock import first_start_ms

TIMES = st.integers(0, 2**44)
STEPS = st.integers(0, 10_000)
OFFSETS = st.integers(-(10**9), 10**9)


@given(TIMES, STEPS, STEPS, OFFSETS)
def test_no_offset_is_concluded_that_is_larger_than_the_true_one(
    asked_at: int, until_stamped: int, until_answered: int, offset: int
) -> None:
    stamped_at = asked_at + until_stamped + offset
    answered_at = asked_at + until_stamped + until_answered
    concluded = clock_offset_ms(stamped_at, asked_at=asked_at, answered_at=answered_at)
    assert min(offset, 0) <= concluded <= max(offset, 0)
    assert abs(concluded - offset) <= until_stamped + until_answered


@given(TIMES, st.integers(-(10**9), 10**9))
def test_a_first_start_by_a_wrong_clock_is_told_in_the_brokers_time(now: int, offset: int) -> None:
    assert first_start_ms(now - 10, now, offset, began_now=True) == now - 10 + offset


def test_a_first_start_of_earlier_is_kept_unless_it_lies_in_the_future() -> None:
    assert first_start_ms(1_000, 9_000, -60, began_now=False) == 1_000
    assert first_start_ms(99_000, 9_000, 0, began_now=False) == 9_000
    assert first_start_ms(8_000, 9_000, -5_000, began_now=False) == 4_000


def test_a_group_is_found_on_the_partition_where_kafka_keeps_it() -> None:
    hash_codes = {"a": 97, "notification": 595_233_003, "polygenelubricants": 0}
    for group, code in hash_codes.items():
        assert partition_of_group(group, 50) == code % 50
    assert partition_of_group("warehouse", 8) == 5, "seen on a broker; its code is below zero"
