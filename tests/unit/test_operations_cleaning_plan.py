"""How far a partition may be cleaned: never past a record that must stay, and no less far than that."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.log_reader import LogRecord
from operations.cleaning import plan
from operations.cleaning.plan import Prefix, bound
from schemas import decisions
from schemas.decisions import Run
from schemas.envelope import Headers
from schemas.errors import Position

DLQ = "warehouse.orders.dlq"
RETRY = "warehouse.orders.retry"
RUN = Run("f00", "ada@here", "x")
ORIGIN: Headers = [
    ("kafka_dlt-original-topic", b"orders"),
    ("kafka_dlt-original-partition", (2).to_bytes(4, "big")),
    ("kafka_dlt-original-offset", (30).to_bytes(8, "big")),
]


class Drawn(NamedTuple):
    """One record: how many markers lie before it, and whether it must stay."""

    gap: int
    stays: bool


def entry(topic: str, offset: int, headers: Headers = ()) -> LogRecord:
    return LogRecord(Position(topic, 0, offset), 0, None, None, headers)


@given(st.integers(0, 50), st.lists(st.builds(Drawn, st.integers(0, 3), st.booleans()), max_size=20))
def test_everything_goes_up_to_the_first_record_that_must_stay(low: int, records: list[Drawn]) -> None:
    offsets, at = [], low
    for each in records:
        at += each.gap
        offsets.append((at, each.stays))
        at += 1
    prefix = Prefix(low, at, None)
    for offset, stays in offsets:
        prefix.take(offset, "it stays" if stays else None)
    first = next((offset for offset, stays in offsets if stays), None)
    assert prefix.upto == (at if first is None else first)
    assert prefix.why == (None if first is None else "it stays")
    assert prefix.records == sum(offset < prefix.upto for offset, _ in offsets)


offsets = st.integers(0, 30)


@given(offsets, offsets, st.none() | offsets, st.none() | offsets, st.booleans())
def test_no_bound_lies_beyond_the_end_the_owner_or_the_first_young_record(
    low: int,
    more: int,
    handled: int | None,
    young: int | None,
    owned: bool,  # noqa: FBT001 - hypothesis gives it by position
) -> None:
    found = bound(low, low + more, handled, young, owned=owned)
    assert low <= found.offset <= low + more
    if owned:
        assert found.offset <= max(low, handled or 0)
    assert young is None or found.offset <= max(low, young)
    assert (found.why is None) == (found.offset == low + more)


def test_an_owner_without_an_offset_blocks_and_is_named() -> None:
    assert bound(3, 9, None, None, owned=True) == (3, plan.UNKNOWN_OWNER)
    assert bound(3, 9, None, None, owned=False) == (9, None)
    assert bound(3, 3, None, None, owned=True).why is None


@given(st.sets(offsets), st.sets(offsets), st.sets(offsets, min_size=1))
def test_a_dead_letter_goes_only_when_its_decision_is_old(
    decided: set[int], old: set[int], letters: set[int]
) -> None:
    prefix = Prefix(0, 31, None)
    for offset in sorted(letters):
        prefix.take(offset, plan.letter_stays(decided=offset in decided | old, old=offset in old))
    assert all(offset in old for offset in letters if offset < prefix.upto)
    assert prefix.upto == min((letters - old), default=31)
    assert prefix.why in {None, plan.UNDECIDED, plan.FRESH}


@pytest.mark.parametrize(("low", "reason"), [(41, plan.NEEDED), (40, plan.NEEDED), (42, None), (100, None)])
def test_a_decision_goes_only_after_its_dead_letter(low: int, reason: str | None) -> None:
    headers = decisions.redrive_headers(ORIGIN, Position(DLQ, 3, 41), RUN)
    lows = {(DLQ, 3): low, (DLQ, 4): 1_000, ("orders", 2): 0}
    assert plan.retry_stays(entry(RETRY, 0, headers), DLQ, lows) == reason


@pytest.mark.parametrize(("low", "reason"), [(30, plan.REMEMBERED), (31, None)])
def test_a_discard_is_remembered_as_long_as_its_record_is_there(low: int, reason: str | None) -> None:
    headers = decisions.discard_headers(ORIGIN, Position(DLQ, 3, 41), RUN)
    lows = {(DLQ, 3): 42, ("orders", 2): low}
    assert plan.retry_stays(entry(RETRY, 0, headers), DLQ, lows) == reason


@pytest.mark.parametrize(
    "headers",
    [[], [("redrive-of", b"sales.orders.dlq:3:41")], [("redrive-of", b"warehouse.orders.dlq:77:41")]],
)
def test_a_record_that_decides_nothing_here_goes_when_it_is_handled(headers: Headers) -> None:
    lows = {(DLQ, 3): 0, ("sales.orders.dlq", 3): 0}
    assert plan.retry_stays(entry(RETRY, 0, headers), DLQ, lows) is None
