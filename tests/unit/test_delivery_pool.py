"""A delivery pool with receivers that are down: what remains, who is asked, and what a fault of ours does."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Timer

import pytest

from clients.records import ProducerRecord
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.delivery.results import DeliveryResults
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.reaction import Delivery
from schemas.errors import (
    DeliveryDeferred,
    DeliveryRejected,
    DependencyUnavailable,
    Position,
    TransientFailure,
)
from schemas.topics import ORDERS
from tests.support.consumers.records import record

PATIENCE_S = 20.0


def always(_position: Position) -> bool:
    return True


class Box:
    """A channel that does to each message what it is told, and counts."""

    describe = "box"

    def __init__(self, do: Callable[[int], object] = lambda _: None) -> None:
        self.do = do
        self.calls: list[int] = []

    def deliver(self, _delivery: Delivery, _key: str, where: Position) -> None:
        self.calls.append(where.offset)
        self.do(where.offset)

    def close(self) -> None:
        pass


def task(order_id: int, channel: str = "email") -> DeliveryTask:
    where = Position(ORDERS, 0, order_id)
    return DeliveryTask(order_id, channel, record(where), Delivery(channel, "a@b.example", "s", "t"))


@contextmanager
def pool(workers: int = 1, **channels: Box) -> Iterator[DeliveryPool]:
    made = DeliveryPool("notification", channels, workers)
    yield made
    made.close()


def raising(error: Exception) -> Callable[[int], object]:
    def do(_offset: int) -> None:
        raise error

    return do


def offsets(tasks: list[DeliveryTask]) -> list[int]:
    return [each.record.position.offset for each in tasks]


def ended(by: DeliveryPool, count: int) -> DeliveryResults:
    """How so many records ended, recorded."""
    results = by.ended(PATIENCE_S)
    while len(results.positions) < count:
        results = by.ended(0.01)
    by.recorded(results)
    return results


def run(
    by: DeliveryPool, *tasks: DeliveryTask, owned: Callable[[Position], bool] = always
) -> DeliveryResults:
    by.submit(tasks, owned)
    return ended(by, len(by.in_flight))


def test_three_failures_in_a_row_leave_the_rest_unasked_and_other_channels_go_on() -> None:
    mail, texts = Box(raising(DependencyUnavailable("down"))), Box()
    with pool(email=mail, text=texts) as by:
        report = run(by, *[task(n, channel) for n in range(10) for channel in ("email", "text")])
        assert (len(mail.calls), len(texts.calls)) == (3, 10)
        assert (offsets(report.remaining), len(report.delivered)) == ([*range(10)], 10)
        assert (set(report.outages), report.answering) == ({"email"}, {"text"})
        assert by.is_down("email")
        assert not by.is_down("text")


def test_one_dropped_connection_is_no_outage_for_the_next_message() -> None:
    failures = [DependencyUnavailable("closed for being idle")]

    def do(_offset: int) -> None:
        if failures:
            raise failures.pop()

    with pool(email=Box(do)) as by:
        report = run(by, task(1), task(2))
        assert (offsets(report.remaining), report.delivered) == ([1], [task(2).intention])
        assert not by.is_down("email")
        assert run(by, task(1)).delivered == [task(1).intention]


def test_one_message_that_is_put_off_again_and_again_is_its_own_trouble() -> None:
    with pool(email=Box(raising(DeliveryDeferred("full", Position(ORDERS, 0, 1))))) as by:
        for _ in range(30):
            [(_, error)] = run(by, task(1)).failed
            assert isinstance(error, DeliveryDeferred)


def test_ten_messages_put_off_in_a_row_are_the_receivers_trouble() -> None:
    with pool(email=Box(raising(DeliveryDeferred("busy", Position(ORDERS, 0, 1))))) as by:
        report = run(by, *[task(n) for n in range(20)])
        assert len(report.failed) == 9
        assert "takes no message: busy" in str(report.outages["email"])
        assert by.is_down("email")


def test_a_fault_of_a_channel_is_a_setback_of_its_record() -> None:
    with pool(email=Box(lambda offset: 1 // (offset - 3))) as by:
        report = run(by, *[task(n) for n in range(6)])
        [(failed, error)] = report.failed
        assert (failed.order_id, type(error)) == (3, TransientFailure)
        assert "ZeroDivisionError" in str(error)
        assert len(report.delivered) == 5


def test_a_refusal_shows_that_the_receiver_is_there() -> None:
    with pool(email=Box(raising(DeliveryRejected("no", Position(ORDERS, 0, 1))))) as by:
        report = run(by, *[task(n) for n in range(6)])
        assert (len(report.failed), report.answering, report.remaining) == (6, {"email"}, [])


def test_nothing_is_delivered_for_records_that_are_not_ours_any_more() -> None:
    mail = Box()
    with pool(email=mail) as by:
        report = run(by, *[task(n) for n in range(6)], owned=lambda position: position.offset < 2)
        assert (mail.calls, offsets(report.remaining)) == ([0, 1], [2, 3, 4, 5])


def test_a_drain_waits_for_what_was_begun_and_begins_nothing_more() -> None:
    begun, go_on = Event(), Event()

    def do(_offset: int) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)

    mail = Box(do)
    with pool(email=mail) as by:
        by.submit([task(n) for n in range(50)], always)
        assert begun.wait(PATIENCE_S)
        Timer(0.05, go_on.set).start()
        results = by.drain()
        assert (len(results.delivered), len(results.remaining), len(results.positions)) == (1, 49, 50)
        assert len(mail.calls) == 1
        by.recorded(results)
        by.resume()
        assert run(by, task(99)).delivered == [task(99).intention]
        assert len(mail.calls) == 2


def test_a_record_is_in_flight_until_its_end_is_recorded_and_is_told_of_until_then() -> None:
    with pool(email=Box()) as by:
        by.submit([task(1)], always)
        assert by.ended(PATIENCE_S).delivered == [task(1).intention]
        results = by.ended()
        assert (results.delivered, {*by.in_flight}) == ([task(1).intention], {task(1).record.position})
        by.recorded(results)
        assert (by.ended().delivered, {*by.in_flight}) == ([], set())


def test_the_deliveries_of_one_record_are_made_one_after_the_other() -> None:
    at_once, most = set[str](), list[int]()

    def slowly(name: str) -> Box:
        def do(_offset: int) -> None:
            at_once.add(name)
            most.append(len(at_once))
            time.sleep(0.01)  # long enough for another worker to begin the other one
            at_once.discard(name)

        return Box(do)

    with pool(workers=2, email=slowly("email"), text=slowly("text")) as by:
        assert len(run(by, task(1, "email"), task(1, "text")).delivered) == 2
    assert most == [1, 1]


def test_a_record_is_answered_once_all_of_its_deliveries_are_done_and_not_before() -> None:
    result = ProducerRecord("payments", b"k", b"v", [])
    answered = [task(1, channel)._replace(results=(result,)) for channel in ("email", "text")]
    texts = Box(raising(DeliveryDeferred("later", Position(ORDERS, 0, 1))))
    with pool(email=Box(), text=texts) as by:
        half_done = run(by, *answered)
        assert (len(half_done.delivered), half_done.result_records) == (1, [])
        texts.do = lambda _: None
        assert run(by, answered[1]).result_records == [(task(1).record.position, result)]


def test_what_runs_beside_gives_its_result_or_its_error_back() -> None:
    with pool() as by:
        assert by.run_beside(lambda: 7, lambda: None) == 7
        with pytest.raises(ZeroDivisionError):
            by.run_beside(lambda: 1 // 0, lambda: None)
