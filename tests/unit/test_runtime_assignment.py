"""Where a partition begins, and when it must not (design §7, points 5 and 12)."""

import pytest

from consumers.runtime.records import Committed, Progress
from consumers.runtime.starting_offset import StartingPoint, starting_offset
from schemas.errors import ForeignStore, LostOffset

HERE = ("orders", 3)


def start(committed: Committed | None, known: Progress | None, first: int = 17) -> StartingPoint:
    return starting_offset(HERE, committed, known, group="sales", store_id="mine", first=first)


def test_the_very_first_start_begins_where_the_registry_says() -> None:
    assert start(None, None) == StartingPoint(17, 17, first=True)


def test_a_first_start_that_died_before_its_commit_is_still_the_first() -> None:
    assert start(None, Progress(4, 4, started=False)) == StartingPoint(17, 17, first=True)


def test_a_first_start_that_died_right_behind_its_commit_goes_on_there() -> None:
    assert start(Committed(4, "mine"), Progress(4, 4, started=False)) == StartingPoint(4, 4, first=False)


def test_a_later_start_goes_on_at_the_committed_offset() -> None:
    assert start(Committed(90, "mine"), Progress(100, 80, started=True)) == StartingPoint(
        90, 100, first=False
    )


def test_an_offset_below_what_the_group_had_committed_was_set_back_and_is_refused() -> None:
    assert start(Committed(80, "mine"), Progress(100, 80, started=True)).offset == 80
    with pytest.raises(
        LostOffset, match=r"offset is 79, and it had committed 80: .* `cev store adopt sales`"
    ):
        start(Committed(79, "mine"), Progress(100, 80, started=True))


def test_a_store_that_is_ahead_of_kafka_is_fine_because_it_writes_first() -> None:
    assert start(Committed(0, "mine"), Progress(1_000, 0, started=True)).offset == 0


def test_a_committed_offset_that_is_gone_is_lost_and_not_a_first_start() -> None:
    with pytest.raises(LostOffset, match=r"orders:3: the store is at offset 5,.* gone"):
        start(None, Progress(5, 5, started=True))


@pytest.mark.parametrize(("other", "shown"), [("theirs", "store theirs"), ("", "of another program")])
def test_an_offset_of_another_store_is_refused(other: str, shown: str) -> None:
    with pytest.raises(ForeignStore, match=shown):
        start(Committed(5, other), Progress(5, 5, started=True))


def test_an_offset_of_another_store_is_refused_by_an_empty_store_too() -> None:
    with pytest.raises(ForeignStore, match="one group has one store"):
        start(Committed(0, "theirs"), None)


def test_a_restored_backup_is_refused() -> None:
    with pytest.raises(ForeignStore, match=r"committed offset 101, the store knows offset 100.*backup"):
        start(Committed(101, "mine"), Progress(100, 100, started=True))


def test_a_store_that_never_saw_the_partition_its_id_committed_is_refused() -> None:
    with pytest.raises(ForeignStore, match="the store knows nothing"):
        start(Committed(1, "mine"), None)


@pytest.mark.parametrize("error", [LostOffset, ForeignStore])
def test_both_refusals_end_the_process_with_4(error: type[LostOffset | ForeignStore]) -> None:
    assert error.exit_code == 4
