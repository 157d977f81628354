"""Milliseconds since the epoch and RFC 3339, both ways."""

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import now_ms, parse_rfc3339, parse_time, rfc3339

FIRST, LAST = "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_time_comes_back_as_it_was(at: int) -> None:
    assert parse_rfc3339(rfc3339(at)) == at
    assert len(rfc3339(at)) == 24


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_long_can_be_shown(at: int) -> None:
    """Avro longs reach beyond the calendar, and hostile ones do."""
    assert FIRST <= rfc3339(at) <= LAST


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_text_sorts_as_time_does(one: int, other: int) -> None:
    assert (rfc3339(one) <= rfc3339(other)) or one > other


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_249_800_007, "2026-11-21T08:30:00.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (2**63 - 1, LAST),
        (-(2**63), FIRST),
        (-62_135_596_800_001, FIRST),
    ],
)
def test_times_read_as_rfc_3339_in_utc(at: int, text: str) -> None:
    assert rfc3339(at) == text


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone itself
def test_any_offset_names_the_same_moment(moment: datetime) -> None:
    text = moment.isoformat()
    assert text.endswith("+00:00")
    assert parse_rfc3339(text) == parse_rfc3339(text.replace("+00:00", "Z"))
    assert parse_rfc3339(text.replace("+00:00", "-02:30")) == parse_rfc3339(text) + 9_000_000


@pytest.mark.parametrize("text", ["2026-11-21T08:30:00", "2026-11-21 08:30:00.5"])
def test_a_time_without_an_offset_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match="says no offset from UTC"):
        parse_rfc3339(text)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-21", "2026-W47-6T08:30:00Z", "2026-11-21T08:30Z", "8:30"]
)
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time such as 2026-"):
        parse_rfc3339(text)


HALF_PAST = 1_795_249_800_000
"""2026-11-21T08:30:00Z."""
SPELLINGS = {
    "2026-11-21T08:30:00Z": HALF_PAST,
    "2026-11-21T08:30Z": HALF_PAST,
    "2026-11-21T08Z": HALF_PAST - 1_800_000,
    "2026-11-21T08:30:00+0000": HALF_PAST,
    "2026-11-21T09:30:00+01": HALF_PAST,
    "2026-11-21T03:00:00\u221205:30": HALF_PAST,
    "2026-11-21T08:29:60Z": HALF_PAST,
    "2026-11-21T08:30:00,250Z": HALF_PAST + 250,
    "2026-11-21T08:30.5Z": HALF_PAST + 30_000,
    "2026-11-21T08,5Z": HALF_PAST,
    "2026-11-21T08:30:00.123456789123456789Z": HALF_PAST + 123,
    "2026-11-21T24:00:00Z": HALF_PAST + 55_800_000,
    "20261121T083000Z": HALF_PAST,
    "20261121T0830+0000": HALF_PAST,
    "2026-W47-6T08:30:00Z": HALF_PAST,
    "2026W476T083000Z": HALF_PAST,
    "2026-325T08:30:00Z": HALF_PAST,
    "2026325T083000Z": HALF_PAST,
    "2026-11-21 08:30:00Z": HALF_PAST,
    " 2026-11-21T08:30:00Z": HALF_PAST,
    "2026-11-21T08:30:00Z\n": HALF_PAST,
    '"2026-11-21T08:30:00Z"': HALF_PAST,
    "'2026-11-21T08:30:00Z'": HALF_PAST,
    "2026-11-21T09:30:00+01:00[Europe/Vienna]": HALF_PAST,
    "2026-11-21T08:30:00Z[UTC][u-ca=iso8601]": HALF_PAST,
    "1795249800000": HALF_PAST,
}


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_time_is_read_in_every_spelling_that_says_one_moment(text: str) -> None:
    assert parse_time(text) == SPELLINGS[text]


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "2026-11-21", "2026-11-21T08:30:00", "2026-11-21T08:30:00[Europe/Vienna]", "1795249800",
        "1795249800.000", "-1795249800000", "20261121083000", "2026-02-30T08:30:00Z", "2026-13-01T08:30:00Z",
        "2025-366T08:30:00Z", "2026-000T08:30:00Z", "2026-W54-1T08:30:00Z", "2026-11-21T25:00:00Z",
        "2026-11-21T24:00:01Z", "2026-11-21T08:60:00Z", "2026-11-21T08:30:61Z", "2026-11-21T08:30:00+25:00",
        "2026-11-21T08:30:00+01:60", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
        "+12026-01-01T00:00:00Z", "-2026-01-01T00:00:00Z", "2026-11-21T08:30:00ZZ", "2026-11-21T08:30:00Z[",
        "2026-11-21T0830:00Z", "21.11.2026 08:30Z", "Sat, 21 Nov 2026 08:30:00 GMT",
        "\N{FULLWIDTH DIGIT TWO}026-11-21T08:30:00Z", '"2026-11-21T08:30:00Z',
    ],
)  # fmt: skip
def test_a_text_that_says_no_moment_for_certain_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(text)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_our_own_spelling_is_one_of_them(at: int) -> None:
    assert parse_time(rfc3339(at)) == at


@given(st.text(max_size=40) | st.from_regex(r"[0-9TZW:+.,\[\]\" -]{1,30}", fullmatch=True))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_time(text), int)


def test_now_is_the_wall_clock_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= now_ms() <= before + 10_000
