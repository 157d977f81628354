"""Decisions as they are written down and read back."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import decisions
from schemas.decisions import Decision, PaymentResolved, Run
from schemas.errors import Position

DLQ = "warehouse.orders.dlq"
WHERE = Position(DLQ, 3, 41)
RUN = Run("f00", "ada@here", "the schema is there now")

headers = st.lists(
    st.tuples(
        st.sampled_from([*decisions.RESERVED, "ce_id", "kafka_dlt-original-topic"]) | st.text(max_size=5),
        st.binary(max_size=8) | st.none(),
    ),
    max_size=8,
)


@given(headers)
def test_a_redriven_record_keeps_its_headers_and_says_what_it_is(
    before: list[tuple[str, bytes | None]],
) -> None:
    after = decisions.redrive_headers(before, WHERE, RUN)
    kept = [each for each in before if each[0] not in decisions.RESERVED]
    assert after[: len(kept)] == kept
    assert decisions.decided_letter(after, DLQ) == (3, 41)
    assert decisions.parse(after, 7) == Decision("redriven", "ada@here", RUN.why, 7, "f00")


@given(headers)
def test_no_header_of_a_sender_makes_a_redriven_record_a_marker(
    before: list[tuple[str, bytes | None]],
) -> None:
    assert not decisions.is_discard(decisions.redrive_headers(before, WHERE, RUN))


@given(headers)
def test_no_header_of_a_sender_makes_a_redriven_record_resolve_a_payment(
    before: list[tuple[str, bytes | None]],
) -> None:
    assert decisions.resolved_payment(decisions.redrive_headers(before, WHERE, RUN), 7) is None


@given(st.none() | st.text(min_size=1), st.text(), st.text())
def test_what_an_operator_says_about_a_payment_is_read_back_from_the_bytes_on_the_wire(
    reference: str | None, by: str, why: str
) -> None:
    outcome: Literal["captured", "failed"] = "failed" if reference is None else "captured"
    resolved = PaymentResolved(7, outcome, reference, by, why)
    try:
        wire = [(name, str(value).encode()) for name, value in decisions.resolve_headers(resolved, "f00")]
    except UnicodeEncodeError:
        return  # what the client does not send either
    assert decisions.resolved_payment(wire, 7) == resolved
    assert (
        decisions.resolved_payment([(name, value) for name, value in wire if "outcome" not in name], 7)
        is None
    )


@given(headers)
def test_a_marker_says_who_and_why_and_where_the_record_first_came_from(
    before: list[tuple[str, bytes | None]],
) -> None:
    after = decisions.discard_headers(before, WHERE, RUN)
    assert decisions.is_discard(after)
    assert decisions.decided_letter(after, DLQ) == (3, 41)
    assert decisions.parse(after, 7) == Decision("discarded", "ada@here", RUN.why, 7, "f00")
    origin = [each for each in before if each[0].startswith("kafka_dlt-original-")]
    assert [each for each in after if each[0].startswith("kafka_dlt-")] == origin


@given(
    headers,
    st.builds(Position, st.just(DLQ), st.integers(0, 10**9 - 1), st.integers(0, 10**18 - 1)),
    st.builds(Run, st.text(), st.text(), st.text(min_size=1)),
    st.integers(),
)
def test_whatever_decision_is_written_is_read_back_from_the_bytes_on_the_wire(
    before: list[tuple[str, bytes | None]], letter: Position, run: Run, at: int
) -> None:
    for kind, write in (("redriven", decisions.redrive_headers), ("discarded", decisions.discard_headers)):
        text = write(before, letter, run)
        packed = [(name, value.encode() if isinstance(value, str) else value) for name, value in text]
        for after in (text, packed):
            assert decisions.decided_letter(after, DLQ) == (letter.partition, letter.offset)
            assert decisions.parse(after, at) == (kind, run.by, run.why, at, run.id)


def test_a_redrive_without_a_reason_has_none() -> None:
    assert decisions.parse(decisions.redrive_headers([], WHERE, RUN._replace(why="")), 7).why is None


@pytest.mark.parametrize(
    "text",
    [
        b"sales.orders.dlq:3:41",
        b"warehouse.orders.dlq:3",
        b"warehouse.orders.dlq:-1:4",
        b"warehouse.orders.dlq:3:41 ",
        b"warehouse.orders.dlq:3:" + b"9" * 30,
        b"\xff:1:2",
        b"x",
        b"",
        None,
    ],
)
def test_what_is_not_a_position_of_this_topic_decides_nothing(text: bytes | None) -> None:
    assert decisions.decided_letter([("redrive-of", text)], DLQ) is None


@given(headers)
def test_reading_what_anybody_wrote_never_fails(before: list[tuple[str, bytes | None]]) -> None:
    decisions.decided_letter(before, DLQ)
    decisions.parse(before, 0)
