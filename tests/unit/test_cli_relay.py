"""What a relay logs and tells probes, and which alarms an outbox raises; nothing is touched."""

import logging
import time
from collections.abc import Callable

import pytest

from cli import relay
from cli.relay import Lines, answer
from cli.settings import load
from operations.status.outbox import STALE_MS, alarms
from producers.outbox.queue import Backlog
from producers.outbox.relay import RelayStatus
from schemas.errors import UsageError


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "command_event")
    return lambda: [record.getMessage() for record in caplog.records]


def test_every_change_is_logged_once_and_the_counts_once_a_minute(
    logged: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(relay, "now_ms", lambda: 1_795_000_000_000)
    pulse = RelayStatus()
    lines = Lines(pulse, clock=lambda: now)
    for change in (
        {},
        {"role": "leading"},
        {},
        {"outage": "no broker answered"},
        {},
        {"outage": None},
        {"backlog": Backlog(3, 1_794_999_993_000, 1)},
        {},
        {"published": 1200},
    ):
        vars(pulse).update(change)
        lines()
    assert logged() == [
        "leading",
        'waiting why="no broker answered"',
        'going on after="no broker answered"',
        'rows refused for good rows=1 why="cev_outbox has their errors; later rows of their orders wait"',
    ]
    now = 60.0
    lines()
    lines()
    assert logged()[4:] == ["running published=1200 lag=3 oldest_age_s=7.0 refused=1"]


def test_probes_hear_who_leads_who_stands_by_and_what_is_down() -> None:
    pulse = RelayStatus()
    assert answer(pulse, "/health/live") == (200, {"live": True})
    assert answer(pulse, "/health/ready")[0] == 503
    for role in ("leading", "standing by"):
        pulse.role = role
        status, body = answer(pulse, "/health/ready")
        assert (status, body["ready"], body["role"]) == (200, True, role)
    pulse.outage = "no broker answered"
    status, body = answer(pulse, "/health/ready")
    assert (status, body["outage"]) == (503, "no broker answered")
    pulse.outage, pulse.last_turn_at = None, time.monotonic() - 30
    assert answer(pulse, "/health/ready")[0] == 200
    pulse.last_turn_at -= 60
    assert answer(pulse, "/health/ready")[0] == 503
    assert answer(pulse, "/elsewhere")[0] == 404


def test_without_a_setting_it_says_which() -> None:
    with pytest.raises(UsageError, match="CEV_OUTBOX_URL") as fault:
        relay.outbox_url(load(environment={}).settings)
    assert fault.value.exit_code == 2


@pytest.mark.parametrize(
    ("backlog", "names"),
    [
        (Backlog(0, None, 0), []),
        (Backlog(5, 1_000_000 - STALE_MS, 0), []),
        (Backlog(5, 1_000_000 - STALE_MS - 1, 0), ["outbox-waits"]),
        (Backlog(5, 1_000_000, 1), ["outbox-refused"]),
        (Backlog(5, 0, 2), ["outbox-refused"]),
    ],
)
def test_an_outbox_raises_an_alarm_when_orders_wait_too_long_or_were_refused(
    backlog: Backlog, names: list[str]
) -> None:
    found = alarms(backlog, 1_000_000)
    assert [each.name for each in found] == names
    assert all(each.subject == "outbox" and each.since == backlog.oldest_at for each in found)
