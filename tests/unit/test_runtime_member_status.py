"""What a member says about itself, and what the health endpoints make of it."""

import time

import pytest

from consumers.runtime.health import health_response
from consumers.runtime.status import STUCK_S, MemberStatus


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def joined(clock: Clock) -> MemberStatus:
    status = MemberStatus("warehouse", progress_at=clock(), record_at=clock())
    status.polled(joined=True, owned=6, records=0, at_end=True)
    return status


def test_a_member_is_not_ready_before_it_has_joined(clock: Clock) -> None:
    status = MemberStatus("warehouse", progress_at=clock(), record_at=clock())
    assert not status.ready
    status.polled(joined=True, owned=6, records=0, at_end=True)
    assert status.ready


def test_an_outage_is_not_ready_until_it_is_over(clock: Clock) -> None:
    status = joined(clock)
    status.outage = "the mail server does not answer"
    assert not status.ready
    status.outage = None
    assert status.ready


def test_a_failure_is_never_ready_again(clock: Clock) -> None:
    status = joined(clock)
    status.failure = RuntimeError("broken")
    status.polled(joined=True, owned=6, records=1, at_end=True)
    assert not status.ready


def test_lag_without_progress_turns_unready_after_a_while(clock: Clock) -> None:
    status = joined(clock)
    clock.now += STUCK_S + 1
    status.polled(joined=True, owned=6, records=0, at_end=False)
    assert not status.ready
    status.polled(joined=True, owned=6, records=1, at_end=False)
    assert status.ready


def test_a_group_that_only_waits_for_a_retry_is_not_stuck(clock: Clock) -> None:
    status = joined(clock)
    clock.now += STUCK_S + 1
    status.polled(joined=True, owned=6, records=0, at_end=False, retries=True)
    assert status.ready
    assert not status.idle(for_s=0)


def test_no_news_is_good_news_at_the_end_of_every_partition(clock: Clock) -> None:
    status = joined(clock)
    clock.now += 10 * STUCK_S
    status.polled(joined=True, owned=6, records=0, at_end=True)
    assert status.ready


def test_idle_time_counts_from_the_last_record_and_only_at_the_end(clock: Clock) -> None:
    status = joined(clock)
    status.polled(joined=True, owned=6, records=3, at_end=True)
    clock.now += 5
    assert not status.idle(for_s=1)
    status.polled(joined=True, owned=6, records=0, at_end=True)
    assert status.idle(for_s=5)
    assert not status.idle(for_s=6)


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_member_that_has_not_read_to_the_end_is_not_idle_at_all(clock: Clock, seconds: float) -> None:
    fresh = MemberStatus("warehouse", progress_at=clock(), record_at=clock())
    clock.now += 100
    assert not fresh.idle(for_s=seconds)
    fresh.polled(joined=True, owned=6, records=0, at_end=False)
    assert not fresh.idle(for_s=seconds)


def test_counts_add_up_over_batches(clock: Clock) -> None:
    status = joined(clock)
    status.batch_done(effects=2, dead=1, duplicates=0)
    status.batch_done(effects=3, dead=0, duplicates=4)
    assert (status.effects, status.dead, status.duplicates) == (5, 1, 4)


def test_live_says_only_that_the_process_answers() -> None:
    assert health_response("/health/live", [MemberStatus("warehouse", failure=RuntimeError("x"))]) == (
        200,
        {"live": True},
    )


def test_ready_needs_every_group_and_says_which_one_is_not(clock: Clock) -> None:
    good, bad = joined(clock), joined(clock)
    assert health_response("/health/ready", [good])[0] == 200
    bad.group = "notification"
    bad.outage = "the mail server does not answer"
    code, body = health_response("/health/ready", [good, bad])
    assert code == 503
    assert body["ready"] is False
    assert body["groups"][1] == {
        "group": "notification",
        "ready": False,
        "joined": True,
        "partitions": 6,
        "outage": "the mail server does not answer",
        "unknown_schema": [],
        "unread_expiries": 0,
        "failure": None,
    }


def test_a_failure_is_told_in_its_own_words(clock: Clock) -> None:
    status = joined(clock)
    status.failure = RuntimeError("the store is foreign")
    assert health_response("/health/ready", [status])[1]["groups"][0]["failure"] == "the store is foreign"


@pytest.mark.parametrize("path", ["/", "/health", "/health/ready/", "/metrics", ""])
def test_other_paths_are_not_there(path: str) -> None:
    assert health_response(path, [])[0] == 404


def test_a_batch_in_hand_says_that_we_have_joined_and_are_not_at_the_end(clock: Clock) -> None:
    status = MemberStatus("notification", progress_at=clock(), record_at=clock())
    status.batch_started(owned=12)
    status.outage = "the mail server does not answer"
    body = health_response("/health/ready", [status])[1]["groups"][0]
    assert (body["joined"], body["partitions"], body["ready"]) == (True, 12, False)
    assert not status.idle(for_s=0)
