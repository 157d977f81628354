"""Ten records in a row of one unknown schema are a rollout: the partition is paused at them."""

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.failures.unknown_schemas import IN_A_ROW, PausePoint, UnknownSchemaDetector
from consumers.runtime.records import FailedRecord, Item
from schemas.errors import Position, RecordError, TruncatedBody, UnknownFingerprint, UnknownSchemaId
from schemas.topics import ORDERS
from tests.support.consumers.records import fact, record

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_any_other_record_ends_a_run() -> None:
    others: list[Callable[[int], Item]] = [good, broken, lambda n: unknown(n, schema=8)]
    for other in others:
        detector = UnknownSchemaDetector()
        batch = [unknown(n) for n in range(9)] + [other(9)] + [unknown(n) for n in range(10, 19)]
        assert detector.inspect(batch) == ({}, set())


def test_partitions_are_counted_apart() -> None:
    detector = UnknownSchemaDetector()
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
