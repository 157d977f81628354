"""How far partitions are settled: never past what waits, and as far as anything else lets it."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.offset_tracker import OffsetTracker
from consumers.runtime.records import Partition
from schemas.errors import Position

P0, P1 = ("orders", 0), ("orders", 1)
OFFSETS = range(20)


def at(partition: Partition, *offsets: int) -> list[Position]:
    return [Position(*partition, offset) for offset in offsets]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([P0, P1]), st.sets(st.sampled_from(OFFSETS)), st.sets(st.sampled_from(OFFSETS))
        ),
        max_size=12,
    )
)
def test_what_may_be_committed_is_the_lowest_offset_that_waits_or_the_end_of_what_was_read(
    steps: list[tuple[Partition, set[int], set[int]]],
) -> None:
    tracker = OffsetTracker().begin({P0: 0, P1: 0})
    waiting: dict[Partition, set[int]] = {P0: set(), P1: set()}
    for partition, settled, waits in steps:
        tracker = tracker.after(
            {partition: len(OFFSETS)}, settled=at(partition, *settled), unsettled=at(partition, *waits)
        )
        waiting[partition] = waiting[partition] - settled | waits
    ends = {
        partition: len(OFFSETS) if any(step[0] == partition for step in steps) else 0 for partition in waiting
    }
    lowest = {partition: min(waiting[partition], default=ends[partition]) for partition in waiting}
    assert tracker.lowest_unsettled() == lowest
    assert tracker.to_commit() == {partition: offset for partition, offset in lowest.items() if offset > 0}


def test_a_record_that_waits_holds_back_its_own_partition_alone() -> None:
    tracker = OffsetTracker().begin({P0: 3, P1: 5}).after({P0: 9, P1: 9}, unsettled=at(P0, 4))
    assert tracker.to_commit() == {P0: 4, P1: 9}
    tracker = tracker.after_commit({P0: 4, P1: 9})
    assert tracker.to_commit() == {}
    assert tracker.after({}, settled=at(P0, 4)).to_commit() == {P0: 9}


def test_what_is_in_both_waits() -> None:
    tracker = OffsetTracker().begin({P0: 0}).after({P0: 9}, settled=at(P0, 3), unsettled=at(P0, 3))
    assert tracker.to_commit() == {P0: 3}


def test_a_step_leaves_the_tracker_that_it_began_with() -> None:
    before = OffsetTracker().begin({P0: 0}).after({P0: 9}, unsettled=at(P0, 3))
    before.after({P0: 20}, settled=at(P0, 3))
    assert before.lowest_unsettled() == {P0: 3}


def test_nothing_goes_back() -> None:
    tracker = OffsetTracker().begin({P0: 0}).after({P0: 9}).after_commit({P0: 9})
    assert tracker.after({P0: 4}).after_commit({P0: 4}).committed() == {P0: 9}
    assert tracker.after({P0: 4}).lowest_unsettled() == {P0: 9}


def test_partitions_of_others_are_passed_over() -> None:
    tracker = OffsetTracker().begin({P0: 0, P1: 7}).after({P1: 9}, unsettled=at(P1, 8)).forget({P1})
    tracker = tracker.after({P1: 12}, settled=at(P1, 8), unsettled=at(P1, 10)).after_commit({P1: 12})
    assert (tracker.partitions, tracker.to_commit(), tracker.is_behind({P1: 99})) == ({P0}, {}, False)


def test_a_partition_that_begins_again_remembers_nothing() -> None:
    tracker = OffsetTracker().begin({P0: 0}).after({P0: 9}, unsettled=at(P0, 3)).begin({P0: 2})
    assert (tracker.committed(), tracker.lowest_unsettled()) == ({P0: 2}, {P0: 2})


def test_a_partition_is_too_far_ahead_of_what_waits_and_never_of_what_is_settled() -> None:
    tracker = OffsetTracker().begin({P0: 0, P1: 0}).after({P0: 30, P1: 1_000}, unsettled=at(P0, 10))
    assert tracker.ahead_of(20) == set()
    assert tracker.after({P0: 31}).ahead_of(20) == {P0}


def test_it_is_behind_only_what_was_read_beyond_it() -> None:
    tracker = OffsetTracker().begin({P0: 0}).after({P0: 9})
    assert not tracker.is_behind({P0: 9})
    assert tracker.is_behind({P0: 10})
