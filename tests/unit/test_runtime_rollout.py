"""Ten records in a row of one unknown schema are a rollout: the partition stands still at them."""

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
    where = Position(ORDERS, number, offset)
    return FailedRecord(record(where), 1, UnknownSchemaId(f"no schema {schema}", where))


def strange(offset: int) -> Item:
    where = Position(ORDERS, 0, offset)
    return FailedRecord(record(where), 1, UnknownFingerprint("no fingerprint ab", where))


def broken(offset: int) -> Item:
    where = Position(ORDERS, 0, offset)
    error: RecordError = TruncatedBody("it ends", where)
    return FailedRecord(record(where), 1, error)


def good(offset: int) -> Item:
    return fact(1, at=offset)


def test_nine_are_strays_and_the_tenth_cuts_at_the_first() -> None:
    rollouts = UnknownSchemaDetector()
    assert rollouts.inspect([unknown(n) for n in range(IN_A_ROW - 1)]) == ({}, set())
    rollouts = UnknownSchemaDetector()
    cuts, moved = rollouts.inspect([good(0), *[unknown(n) for n in range(1, 30)], good(30)])
    assert (cuts, moved) == ({P0: PausePoint(1, "no schema 7")}, set())
    assert rollouts.paused == {P0}


def test_a_run_goes_on_over_batches_and_cuts_at_its_first_record_of_the_last_one() -> None:
    rollouts = UnknownSchemaDetector()
    assert rollouts.inspect([strange(n) for n in range(6)]) == ({}, set())
    cuts, _ = rollouts.inspect([strange(n) for n in range(6, 12)])
    assert cuts[P0].offset == 6


def test_any_other_record_ends_a_run() -> None:
    others: list[Callable[[int], Item]] = [good, broken, lambda n: unknown(n, schema=8)]
    for other in others:
        rollouts = UnknownSchemaDetector()
        batch = [unknown(n) for n in range(9)] + [other(9)] + [unknown(n) for n in range(10, 19)]
        assert rollouts.inspect(batch) == ({}, set())


def test_partitions_are_counted_apart() -> None:
    rollouts = UnknownSchemaDetector()
    mixed = [unknown(n, number=number) for n in range(9) for number in (0, 1)]
    assert rollouts.inspect(mixed) == ({}, set())
    assert rollouts.inspect([unknown(9, number=1), good(9)])[0] == {P1: PausePoint(9, "no schema 7")}


def test_what_is_read_once_more_is_not_counted_twice() -> None:
    rollouts = UnknownSchemaDetector()
    for _ in range(5):
        assert rollouts.inspect([unknown(n) for n in range(5)]) == ({}, set())


def test_a_partition_that_stands_still_does_so_again_at_once_and_goes_on_when_it_can_be_read() -> None:
    rollouts = UnknownSchemaDetector()
    rollouts.inspect([unknown(n) for n in range(12)])
    for _ in range(3):
        assert rollouts.inspect([unknown(n) for n in range(12)]) == (
            {P0: PausePoint(0, "no schema 7")},
            set(),
        )
    assert rollouts.inspect([good(0), unknown(1)]) == ({}, {P0})
    assert rollouts.paused == set()


def test_after_a_restart_the_alarm_alone_is_enough() -> None:
    rollouts = UnknownSchemaDetector()
    rollouts.remember_paused([P0])
    assert rollouts.inspect([unknown(40)]) == ({P0: PausePoint(40, "no schema 7")}, set())
    rollouts.forget([P0])
    assert not rollouts.active


@given(st.lists(st.tuples(st.sampled_from(["good", "seven", "eight"]), st.booleans()), max_size=80))
def test_a_cut_is_always_the_first_of_ten_or_more_of_one_kind(records: list[tuple[str, bool]]) -> None:
    """Whatever the cut into batches, a run of ten never passes and a shorter one never stops anybody."""
    rollouts = UnknownSchemaDetector()
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
        cuts, _ = rollouts.inspect(batch)
        first, batch = batch[0].record.position.offset, []
        seen = kinds[: offset + 1]
        runs = [n for n in range(len(seen) - 9) if seen[n] != "good" and len(set(seen[n : n + 10])) == 1]
        assert bool(cuts) == bool(runs)
        if cuts:
            assert cuts[P0].offset == max(runs[0], first)
            return
