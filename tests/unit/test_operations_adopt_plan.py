"""Where a group would go on with its store, per partition."""

import pytest

from clients.admin import Watermarks
from consumers.runtime.records import Committed, Progress
from operations.stores.plan import PartitionState, Unknown, is_anew, step

HERE = ("orders", 3)
LOG = Watermarks(10, 200, 200)


def taken(
    progress: Progress | None,
    committed: Committed | None,
    *,
    anew: bool = False,
    log: Watermarks = LOG,
    unknown: Unknown | None = None,
) -> tuple[int, Progress, int, int, int]:
    """Start, progress afterwards, skips, repeats, unknown."""
    made = step(PartitionState(HERE, progress, committed, log, anew), store_id="mine", unknown=unknown)
    assert made is not None
    assert (made.partition, made.anew) == (HERE, anew or log is not LOG)
    return made.start, made.progress, made.skips, made.repeats, made.unknown


def mine(offset: int) -> Committed:
    return Committed(offset, "mine")


def known(position: int, upto: int) -> Progress:
    return Progress(position, upto, started=True)


def test_offsets_that_are_gone_go_on_where_results_are_known_to_be_in_kafka() -> None:
    assert taken(known(100, 80), None) == (80, known(100, 80), 0, 20, 0)


def test_an_offset_that_was_set_back_goes_on_there_too() -> None:
    assert taken(known(100, 80), mine(30)) == (80, known(100, 80), 0, 20, 0)


def test_an_offset_that_a_member_may_begin_at_stays() -> None:
    assert taken(known(100, 80), mine(90)) == (90, known(100, 90), 0, 10, 0)


def test_an_offset_of_another_program_below_the_stores_progress_counts_for_nothing() -> None:
    assert taken(known(100, 80), Committed(90, "")) == (80, known(100, 80), 0, 20, 0)


def test_records_that_were_removed_are_skipped_and_counted() -> None:
    assert taken(known(5, 4), mine(5)) == (10, known(10, 10), 5, 0, 0)
    assert taken(known(5, 4), None) == (10, known(10, 10), 5, 0, 0)
    assert taken(known(15, 4), None) == (10, known(15, 10), 0, 5, 0)


def test_a_topic_made_anew_begins_at_its_beginning_and_nothing_of_the_old_one_is_known() -> None:
    assert taken(known(100, 80), None, anew=True) == (10, known(10, 10), 0, 0, 0)
    assert taken(known(100, 80), mine(100), anew=True) == (10, known(10, 10), 0, 0, 0)


def test_a_store_that_is_beyond_the_end_of_the_log_is_of_another_log() -> None:
    assert taken(known(100, 80), mine(100), log=Watermarks(0, 7, 7)) == (0, known(0, 0), 0, 0, 0)


@pytest.mark.parametrize("store_id", ["mine", "theirs"])
def test_what_the_store_does_not_know_is_skipped_or_repeated_as_somebody_says(store_id: str) -> None:
    beyond = Committed(150, store_id)
    assert taken(known(100, 80), beyond) == (80, known(100, 80), 0, 20, 50)
    assert taken(known(100, 80), beyond, unknown="repeat") == (80, known(100, 80), 0, 20, 50)
    assert taken(known(100, 80), beyond, unknown="skip") == (150, known(150, 150), 50, 0, 50)


def test_an_empty_store_knows_nothing_of_what_was_committed() -> None:
    assert taken(None, Committed(150, "theirs"), unknown="skip") == (150, known(150, 150), 140, 0, 140)
    assert taken(None, Committed(150, "theirs"), unknown="repeat") == (10, known(10, 10), 0, 0, 140)
    assert taken(Progress(7, 7, started=False), Committed(5, "theirs")) == (10, known(10, 10), 0, 0, 0)


@pytest.mark.parametrize("progress", [None, Progress(7, 7, started=False)])
def test_a_partition_that_nobody_began_is_left_to_its_first_start(progress: Progress | None) -> None:
    assert step(PartitionState(HERE, progress, None, LOG, anew=True), store_id="mine", unknown=None) is None


def test_a_topic_is_another_one_by_its_id_and_without_a_known_id_by_its_lost_offsets() -> None:
    assert not is_anew("a", "a", None)
    assert is_anew("a", "b", mine(7))
    assert is_anew("a", None, mine(7))
    assert is_anew(None, "b", None)
    assert not is_anew(None, "b", mine(7))


def test_a_second_adoption_changes_nothing() -> None:
    first = step(PartitionState(HERE, known(100, 80), None, LOG, anew=True), store_id="mine", unknown=None)
    assert first is not None
    again = PartitionState(HERE, first.progress, mine(first.start), LOG, anew=False)
    second = step(again, store_id="mine", unknown=None)
    assert second is not None
    assert (second.start, second.progress, second.skips, second.repeats) == (
        first.start,
        first.progress,
        0,
        0,
    )
