"""What a group's offsets, logs and store say together about whether it can run."""

from clients.admin import Watermarks
from consumers.runtime.records import Progress
from operations.groups import CommittedOffset
from operations.status import standstill
from operations.status.standstill import GroupState
from schemas.topics import ORDERS

P0, P1 = (ORDERS, 0), (ORDERS, 1)
RUNS = GroupState(
    group="sales",
    members=1,
    watermarks={P0: Watermarks(2, 9, 9), P1: Watermarks(0, 9, 9)},
    committed={P0: CommittedOffset(5, "mine"), P1: CommittedOffset(6, "mine")},
    store="/stores/sales.sqlite3",
    store_silent=False,
    store_id="mine",
    progress={P0: Progress(5, 5, started=True), P1: Progress(7, 5, started=True)},
)


def names(state: GroupState, before: GroupState | None = None) -> list[tuple[str, str]]:
    return [(alarm.name, alarm.subject) for alarm in standstill.of_group(state, before or state)]


def test_a_group_whose_offsets_logs_and_store_fit_together_has_no_alarm() -> None:
    assert names(RUNS) == []


def test_a_group_that_never_began_has_no_alarm() -> None:
    assert names(RUNS._replace(committed={}, store_id="", progress={})) == []
    assert names(RUNS._replace(committed={}, progress={P0: Progress(0, 0, started=False)})) == []


def test_a_log_that_begins_at_the_committed_offset_lost_nothing_unread() -> None:
    assert names(RUNS._replace(watermarks={P0: Watermarks(5, 9, 9)})) == []
    assert names(RUNS._replace(watermarks={P0: Watermarks(6, 9, 9)})) == [("records-removed", "sales@orders")]


def test_refusals_of_many_partitions_are_one_alarm() -> None:
    [alarm] = standstill.of_group(RUNS._replace(committed={}), RUNS)
    assert (alarm.name, alarm.subject) == ("cannot-start", "sales")
    assert "(and 1 more)" in alarm.text


def test_an_offset_is_beyond_the_log_if_a_later_look_at_the_end_says_so() -> None:
    ahead = RUNS._replace(watermarks={P0: Watermarks(2, 4, 4)})
    assert names(ahead) == [("cannot-start", "sales@orders:0")]
    assert names(ahead, before=RUNS._replace(committed={P0: CommittedOffset(4, "mine")})) == []


def test_of_a_store_that_does_not_answer_nothing_is_said_here() -> None:
    silent = RUNS._replace(store_silent=True, store_id="", progress={})
    assert names(silent) == []
    assert names(silent._replace(watermarks={P0: Watermarks(6, 9, 9)})) == [
        ("records-removed", "sales@orders")
    ]


def test_a_group_that_runs_has_its_store_elsewhere() -> None:
    gone = RUNS._replace(store_id="", progress={})
    assert names(gone) == []
    assert names(gone._replace(members=0)) == [("store", "sales")]


def test_what_a_second_look_does_not_find_is_no_alarm() -> None:
    first = standstill.of_group(RUNS._replace(store_id="", members=0), RUNS)
    assert [alarm.name for alarm in first] == ["store"]
    assert standstill.lasting(first, standstill.of_group(RUNS, RUNS)) == []
    assert standstill.lasting(first, first) == first
