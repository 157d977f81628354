"""Moments as operators write them."""

import pytest

from operations.moments import parse_moment
from schemas.errors import UsageError

NOW = 1_800_000_000_000


@pytest.mark.parametrize(
    ("text", "ms"), [("90s", 90_000), ("15m", 900_000), ("2h", 7_200_000), ("1.5d", 129_600_000)]
)
def test_an_age_counts_back_from_now(text: str, ms: int) -> None:
    assert parse_moment(text, NOW) == NOW - ms


def test_rfc_3339_is_read_with_its_offset() -> None:
    assert parse_moment("1970-01-01T01:00:01+01:00", NOW) == 1000


@pytest.mark.parametrize("text", ["", "yesterday", "5", "-5m", "2026-11-21T08:30:00", "1e9h", "٣m"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_moment(text, NOW)
