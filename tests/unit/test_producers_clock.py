"""A placer whose clock is wrong says so in its log, and only then."""

from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME

from producers.placing.clock_check import ClockCheck
from schemas.times import now_ms

HOUR = 3_600_000


class Stored:
    """A record with its timestamp, as a report has it."""

    def __init__(self, kind: int, at: int) -> None:
        self._timestamp = kind, at

    def timestamp(self) -> tuple[int, int]:
        return self._timestamp


def told(kind: int, offset: int, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What is logged about two reports by a broker whose clock differs by so much."""
    check, now = ClockCheck(), now_ms()
    record: Any = Stored(kind, now + offset)
    for _ in range(2):
        check.reported(record, now)
    return [entry.getMessage() for entry in caplog.records]


@pytest.mark.parametrize(
    ("offset", "words"),
    [(3 * 24 * HOUR, "s behind the broker's"), (-HOUR, "s ahead of the broker's")],
)
def test_a_clock_that_differs_from_the_brokers_is_said_once_a_minute(
    offset: int, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    [line] = told(TIMESTAMP_LOG_APPEND_TIME, offset, caplog)
    assert words in line


@pytest.mark.parametrize(
    ("kind", "offset"),
    [(TIMESTAMP_LOG_APPEND_TIME, 0), (TIMESTAMP_LOG_APPEND_TIME, 4_000), (TIMESTAMP_CREATE_TIME, HOUR)],
)
def test_a_little_difference_and_a_time_that_is_ours_are_not_said(
    kind: int, offset: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(kind, offset, caplog) == []
