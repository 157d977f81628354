"""One report of an outage or a pause reaches everybody who asks for it."""

from typing import Any

import pytest

from consumers.runtime.events import MemberEvents
from consumers.runtime.failures.alarms import Alarms
from consumers.runtime.plan import DeadRecord, FailedAttempt
from consumers.runtime.records import Alarm, Attempts, ConsumerRecord
from consumers.runtime.status import MemberStatus
from schemas.errors import (
    BrokerUnreachable,
    DependencyUnavailable,
    ForeignFact,
    LostOffset,
    Position,
    RegistryUnreachable,
    Unreachable,
)


class Tables:
    """The group's alarms, kept in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}

    def raise_alarm(self, alarm: Alarm, *, unchecked: bool = False) -> None:  # noqa: ARG002 - it is a double
        self.rows[alarm.name, alarm.subject] = alarm.text

    def clear_alarm(self, name: str, subject: str) -> None:
        del self.rows[name, subject]


class Lines:
    """A log that keeps its events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.ends: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.ends.append((event, fields))


class Bench:
    """The events of one member, and what they reach."""

    def __init__(self) -> None:
        self.tables, self.log, self.status = Tables(), Lines(), MemberStatus("sales")
        alarms = Alarms(self.tables)  # type: ignore[arg-type]  # memory stands in for the store
        self.events = MemberEvents(self.status, alarms, self.log)  # type: ignore[arg-type]  # a list for the log

    def down(self) -> str | None:
        """The outage that the status shows."""
        return self.status.outage


@pytest.mark.parametrize(
    ("error", "service"),
    [
        (BrokerUnreachable("no answer"), "broker"),
        (RegistryUnreachable("no answer"), "registry"),
        (DependencyUnavailable("no answer"), "store"),
    ],
)
def test_a_service_that_is_down_is_in_the_status_the_alarms_and_the_log(
    error: Unreachable, service: str
) -> None:
    bench = Bench()
    bench.events.service_down(error, "waiting", ms=250)
    assert bench.down() == "no answer"
    assert bench.tables.rows == {("outage", service): "no answer"}
    assert bench.log.events == [("waiting", {"why": "no answer", "ms": 250})]
    bench.events.recovered()
    bench.events.services_up()
    assert (bench.down(), bench.tables.rows) == (None, {})


def test_a_channel_that_is_down_raises_its_alarm_until_it_answers() -> None:
    bench = Bench()
    error = DependencyUnavailable("the mail server does not answer")
    bench.events.channels({"email": error}, {"text"})
    bench.events.waiting(error, 500)
    assert bench.tables.rows == {("outage", "email"): str(error)}
    assert bench.down() == str(error)
    assert bench.log.events == [("waiting", {"why": str(error), "ms": 500})]
    bench.events.channels({}, {"email"})
    bench.events.waiting(None, 20)
    assert (bench.tables.rows, bench.down(), len(bench.log.events)) == ({}, None, 1)


def test_a_paused_partition_has_an_alarm_until_it_goes_on() -> None:
    bench = Bench()
    bench.events.paused(("orders", 3), 17, "schema id 9 is unknown")
    assert bench.tables.rows == {("unknown-schema", "orders:3"): "schema id 9 is unknown"}
    [(event, fields)] = bench.log.events
    assert (event, fields) == (
        "unknown schema",
        {"topic": "orders", "partition": 3, "offset": 17, "why": "schema id 9 is unknown"},
    )
    bench.events.resumed(("orders", 3))
    assert bench.tables.rows == {}


def test_expiries_that_cannot_be_read_are_counted_and_one_line_of_the_log_shows_the_first() -> None:
    bench = Bench()
    bench.events.unread_expiries([])
    assert bench.log.events == []
    first, second = Position("dispatch_products", 0, 7), Position("dispatch_products", 1, 9)
    bench.events.unread_expiries([(first, "soon"), (second, "tomorrow")])
    bench.events.unread_expiries([(second, "later")])
    assert bench.status.unread_expiries == 3
    assert [event for event, _ in bench.log.events] == ["unread expiry"] * 2
    assert bench.log.events[0][1] == {**first._asdict(), "expiry": "soon", "commands": 2}


def test_a_dead_letter_and_a_failed_attempt_name_the_record_its_order_and_the_error_as_fields() -> None:
    bench = Bench()
    position = Position("orders", 3, 17)
    record = ConsumerRecord(position, "orders", 0, b"", b"", [])
    bench.events.dead_letter(DeadRecord(record, ForeignFact("outside any mode", position), 5, 12004))
    attempt = FailedAttempt(position, Attempts(2, 0), "greylisted", "DeliveryDeferred", 12004)
    bench.events.failed(attempt)
    place = {"topic": "orders", "partition": 3, "offset": 17, "order_id": "12004"}
    assert bench.log.events == [
        ("dead letter", {**place, "error": "ForeignFact", "why": "outside any mode", "attempts": 5}),
        ("failed attempt", {**place, "error": "DeliveryDeferred", "why": "greylisted", "attempts": 2}),
    ]


def test_an_outage_of_an_idle_member_is_reported_once_and_its_end_as_well() -> None:
    bench = Bench()
    error = BrokerUnreachable("no broker answers at localhost:9092")
    for _ in range(3):
        bench.events.idle(error)
    assert bench.log.events == [("waiting", {"why": str(error)})]
    assert (bench.down(), bench.tables.rows) == (str(error), {("outage", "broker"): str(error)})
    for _ in range(3):
        bench.events.idle(None)
    assert bench.log.ends == [("going on", {"after": str(error)})]
    assert (bench.down(), bench.tables.rows) == (None, {})


def test_a_group_that_had_to_stop_says_why_until_it_works_again() -> None:
    bench = Bench()
    bench.events.stopped(LostOffset("the committed offset is gone"))
    assert bench.tables.rows == {("stopped", "sales"): "the committed offset is gone"}
    bench.events.idle(None)
    assert bench.tables.rows == {}


def test_the_alarm_of_a_clock_is_its_slots_and_goes_with_the_member_or_with_the_next_one_there() -> None:
    bench = Bench()
    bench.status.opened("store", 3)
    bench.events.clock("an hour ahead")
    assert bench.tables.rows == {("clock", "slot 3"): "an hour ahead"}
    bench.events.clock(None)
    assert bench.tables.rows == {}
