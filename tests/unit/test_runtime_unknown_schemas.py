"""Ten records in a row of one unknown schema are a rollout: the partition is paused at them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.failures.unknown_schemas import IN_A_ROW, PausePoint, UnknownSchemaDetector
from consumers.runtime.records import FailedRecord, Item
from consumers.runtime.retry_policy import NO_FRAME
from schemas.errors import (
    Position,
    RecordError,
    TruncatedBody,
    UnknownFingerprint,
    UnknownFraming,
    UnknownSchemaId,
    UnknownType,
)
from schemas.topics import ORDERS
from tests.support.consumers.records import command, fact, record

P0, P1 = (ORDERS, 0), (ORDERS, 1)


def unknown(offset: int, schema: int = 7, number: int = 0) -> Item:
    position = Position(ORDERS, number, offset)
    return FailedRecord(record(position), 1, UnknownSchemaId(f"no schema {schema}", position))


def unknown_fingerprint(offset: int) -> Item:
    position = Position(ORDERS, 0, offset)
    return FailedRecord(record(position), 1, UnknownFingerprint("no fingerprint ab", position))


def broken(offset: int) -> Item:
    position = Position(ORDERS, 0, offset)
    error: RecordError = TruncatedBody("it ends", position)
    return FailedRecord(record(position), 1, error)


def good(offset: int) -> Item:
    return fact(1, at=offset)


def test_nine_are_strays_and_the_tenth_pauses_at_the_first() -> None:
    detector = UnknownSchemaDetector()
    assert detector.inspect([unknown(n) for n in range(IN_A_ROW - 1)]) == ({}, set())
    detector = UnknownSchemaDetector()
    pauses, resumed = detector.inspect([good(0), *[unknown(n) for n in range(1, 30)], good(30)])
    assert (pauses, resumed) == ({P0: PausePoint(1, "no schema 7")}, set())
    assert detector.paused == {P0}


def test_a_run_goes_on_over_batches_and_pauses_at_its_first_record_of_the_last_one() -> None:
    detector = UnknownSchemaDetector()
    assert detector.inspect([unknown_fingerprint(n) for n in range(6)]) == ({}, set())
    pauses, _ = detector.inspect([unknown_fingerprint(n) for n in range(6, 12)])
    assert pauses[P0].offset == 6


def test_in_slow_traffic_a_pause_begins_at_the_first_of_the_run_that_still_waits() -> None:
    detector = UnknownSchemaDetector()
    stray, run = unknown(2), [unknown(n) for n in range(5, 15)]
    detector.inspect([stray, good(4)])
    for one in run[:-1]:
        assert detector.inspect([one]) == ({}, set())
    pauses, _ = detector.inspect([run[-1]], [stray, *reversed(run[2:-1]), good(4)])
    assert pauses == {P0: PausePoint(7, "no schema 7")}, "5 and 6 have died, and 2 was a stray"


def test_what_waits_on_other_partitions_of_a_topic_of_one_kind_is_paused_with_it() -> None:
    detector = UnknownSchemaDetector()
    waiting = [unknown(n, number=n % 3) for n in range(9)]
    for one in waiting:
        assert detector.inspect([one]) == ({}, set())
    pauses, _ = detector.inspect([unknown(9, number=4)], waiting)
    assert {number: pause.offset for (_, number), pause in pauses.items()} == {0: 0, 1: 1, 2: 2, 4: 9}


def test_any_other_record_ends_a_run() -> None:
    others: list[Callable[[int], Item]] = [good, broken, lambda n: unknown(n, schema=8)]
    for other in others:
        detector = UnknownSchemaDetector()
        batch = [unknown(n) for n in range(9)] + [other(9)] + [unknown(n) for n in range(10, 19)]
        assert detector.inspect(batch) == ({}, set())


def test_partitions_are_counted_apart() -> None:
    detector = UnknownSchemaDetector()
    detector.inspect([fact(1)._replace(record=record(Position(ORDERS, 2, 0)))])
    mixed = [unknown(n, number=number) for n in range(9) for number in (0, 1)]
    assert detector.inspect(mixed) == ({}, set())
    assert detector.inspect([unknown(9, number=1), good(9)])[0] == {P1: PausePoint(9, "no schema 7")}


def test_what_is_read_once_more_is_not_counted_twice() -> None:
    detector = UnknownSchemaDetector()
    for _ in range(5):
        assert detector.inspect([unknown(n) for n in range(5)]) == ({}, set())


def test_a_paused_partition_is_paused_again_at_once_and_goes_on_when_it_can_be_read() -> None:
    detector = UnknownSchemaDetector()
    detector.inspect([unknown(n) for n in range(12)])
    for _ in range(3):
        assert detector.inspect([unknown(n) for n in range(12)]) == (
            {P0: PausePoint(0, "no schema 7")},
            set(),
        )
    assert detector.inspect([good(0), unknown(1)]) == ({}, {P0})
    assert detector.paused == set()


def test_after_a_restart_the_alarm_alone_is_enough() -> None:
    detector = UnknownSchemaDetector()
    detector.remember_paused([P0])
    assert detector.inspect([unknown(40)]) == ({P0: PausePoint(40, "no schema 7")}, set())
    detector.forget([P0])
    assert not detector.active


@given(st.lists(st.tuples(st.sampled_from(["good", "seven", "eight"]), st.booleans()), max_size=80))
def test_a_pause_is_always_the_first_of_ten_or_more_of_one_kind(records: list[tuple[str, bool]]) -> None:
    """However records fall into batches: a run of ten never passes, a shorter one stops nobody."""
    detector = UnknownSchemaDetector()
    make: dict[str, Callable[[int], Item]] = {
        "good": good,
        "seven": unknown,
        "eight": lambda n: unknown(n, schema=8),
    }
    batch: list[Item] = []
    kinds = [kind for kind, _ in records]
    for offset, (kind, ends_batch) in enumerate(records):
        batch.append(make[kind](offset))
        if not ends_batch and offset < len(records) - 1:
            continue
        pauses, _ = detector.inspect(batch)
        first, batch = batch[0].record.position.offset, []
        seen = kinds[: offset + 1]
        runs = [n for n in range(len(seen) - 9) if seen[n] != "good" and len(set(seen[n : n + 10])) == 1]
        assert bool(pauses) == bool(runs)
        if pauses:
            assert pauses[P0].offset == max(runs[0], first)
            return


# -- a topic that is all of one kind -----------------------------------------------------------------------


def bare(offset: int, number: int = 0, *, topic: str = ORDERS, source: str = ORDERS) -> Item:
    """A value in no frame that is known, of other bytes each time."""
    position = Position(topic, number, offset)
    error = UnknownFraming(f"{offset} bytes that begin with {offset:02x}", position)
    return FailedRecord(record(position, source=source), 1, error)


def foreign(offset: int, name: str = "Order", number: int = 0) -> Item:
    position = Position(ORDERS, number, offset)
    return FailedRecord(record(position), 1, UnknownType(f"a record of type {name}", position))


def elsewhere(offset: int) -> Item:
    """A good record on another topic."""
    return command(1, at=offset)


@pytest.mark.parametrize("kind", [bare, foreign, unknown])
def test_a_topic_whose_records_are_all_of_one_kind_is_paused_wherever_they_lie(
    kind: Callable[..., Item],
) -> None:
    detector = UnknownSchemaDetector()
    spread = [elsewhere(0), *[kind(5 + n // 6, number=n % 6) for n in range(14)]]
    pauses, resumed = detector.inspect(spread)
    assert {partition: pause.offset for partition, pause in pauses.items()} == {
        (ORDERS, n): 5 for n in range(6)
    }
    assert len({pause.reason for pause in pauses.values()}) == 1
    assert resumed == set()


def test_bodies_without_a_frame_are_all_unknown_though_one_looks_like_a_schema_id() -> None:
    """A fact of order 0 begins with a zero, as a registry's frame does."""
    detector = UnknownSchemaDetector()
    pauses, _ = detector.inspect([unknown(0, schema=573_644_883), *[bare(n) for n in range(1, 14)]])
    assert {partition: pause.offset for partition, pause in pauses.items()} == {P0: 0}


def test_nine_of_a_kind_may_be_strays() -> None:
    detector = UnknownSchemaDetector()
    assert detector.inspect([bare(n, number=n % 6) for n in range(9)]) == ({}, set())
    assert detector.inspect([bare(9, number=3)])[0].keys() == {(ORDERS, 3)}
    assert detector.inspect([bare(9, number=5)])[0].keys() == {(ORDERS, 5)}


def test_what_is_read_once_more_is_no_second_record_of_its_kind() -> None:
    detector = UnknownSchemaDetector()
    for _ in range(5):
        assert detector.inspect([bare(n) for n in range(5)]) == ({}, set())


@pytest.mark.parametrize(
    "other", [good, broken], ids=["readable", "broken"]
)  # fmt: skip
def test_beside_anything_else_they_are_poison_whatever_the_order(other: Callable[[int], Item]) -> None:
    for batches in (
        [[other(0)], [bare(n) for n in range(1, 40)]],
        [[bare(n) for n in range(1, 40)] + [other(40)]],
        [[other(0), *[bare(n, number=1) for n in range(40)]]],
    ):
        detector = UnknownSchemaDetector()
        assert [detector.inspect(batch) for batch in batches] == [({}, set())] * len(batches)


def test_batches_without_a_failure_count_as_something_else() -> None:
    detector = UnknownSchemaDetector()
    detector.inspect([good(0), good(1)])
    assert detector.inspect([bare(n) for n in range(2, 40)]) == ({}, set())


def test_a_paused_topic_goes_on_once_something_else_is_seen_on_it() -> None:
    detector = UnknownSchemaDetector()
    assert detector.inspect([bare(n) for n in range(20)])[0] == {P0: PausePoint(0, NO_FRAME)}
    assert detector.inspect([bare(n) for n in range(20)])[0] == {P0: PausePoint(0, NO_FRAME)}
    assert detector.inspect([fact(1, at=3)._replace(record=record(Position(ORDERS, 1, 3)))]) == ({}, {P0})
    assert detector.inspect([bare(n) for n in range(20)]) == ({}, set())
    assert detector.paused == set()


def test_a_paused_partition_is_paused_again_at_once_after_a_restart() -> None:
    detector = UnknownSchemaDetector()
    detector.remember_paused([P0])
    assert detector.inspect([bare(40)])[0] == {P0: PausePoint(40, NO_FRAME)}


def test_what_an_operator_sent_again_dies_again() -> None:
    retry = "sales.orders.retry"
    detector = UnknownSchemaDetector()
    assert detector.inspect([bare(n, topic=retry) for n in range(40)]) == ({}, set())
