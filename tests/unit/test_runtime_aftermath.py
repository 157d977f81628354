"""What becomes of records whose deliveries did not all succeed."""

from dataclasses import replace
from typing import Any

from consumers.registry import named
from consumers.runtime.aftermath import Aftermath, aftermath
from consumers.runtime.lanes import Report
from consumers.runtime.order_line import Standing
from consumers.runtime.policy import Patience
from consumers.runtime.reaction import Delivery
from consumers.runtime.work import Errand, Record, Tried
from schemas.errors import Position, PutOff, RecordError, RefusedByReceiver
from schemas.topics import ORDERS
from tests.consuming import NOW, record

HERE = Position(ORDERS, 0, 5)
RETRY = Position("notification.orders.retry", 0, 9)
PARKS = replace(named("notification"), parks=True)


def errand(effect: str = "email", *, behind: Record | None = None) -> Errand:
    return Errand(7, effect, record(HERE), Delivery(effect, "a@b.example", "s", "t"), behind)


def put_off(effect: str = "email", **more: Any) -> tuple[Errand, RecordError]:
    return errand(effect, **more), PutOff("later", HERE)


def refused(effect: str = "email", **more: Any) -> tuple[Errand, RecordError]:
    return errand(effect, **more), RefusedByReceiver("never", HERE)


def after(report: Report, *, before: int = 0, held: Any = (), where: Position = HERE) -> Aftermath:
    tries = {where: Tried(before, NOW)} if before else {}
    return aftermath(
        report,
        standing=Standing(tries=tries),
        held=held,
        reaction=PARKS,
        patience=Patience(chance=lambda: 1.0),
        now=NOW,
    )


def test_what_was_put_off_waits_and_is_counted_once() -> None:
    found = after(Report(failed=[put_off(), put_off("text")]), before=1)
    [setback] = found.plan.setbacks
    assert (setback.position, setback.tried) == (HERE, Tried(2, NOW + 2_000))
    assert (found.unsettled, found.plan.blocked) == ({HERE}, {7: NOW + 2_000})
    assert (found.withdrawn, found.plan.dead) == ([], [])


def test_what_waits_for_a_receiver_that_is_down_is_not_counted() -> None:
    found = after(Report(left=[errand()], again_at=NOW + 9))
    assert (found.plan.setbacks, found.unsettled, found.plan.blocked) == ([], {HERE}, {7: NOW + 9})


def test_a_refusal_is_a_dead_letter_and_takes_back_what_else_is_not_done() -> None:
    found = after(Report(failed=[put_off("text"), refused()], done=[(7, "other")], left=[errand("third")]))
    [dead] = found.plan.dead
    assert (dead.record.position, type(dead.error), dead.attempts) == (HERE, RefusedByReceiver, 1)
    assert sorted(found.withdrawn) == [(7, "email"), (7, "text"), (7, "third")]
    assert (found.plan.held, found.settled, found.unsettled) == ({7: HERE}, {HERE}, set())


def test_the_last_attempt_is_a_dead_letter() -> None:
    found = after(Report(failed=[put_off()]), before=4)
    assert [dead.attempts for dead in found.plan.dead] == [5]
    assert found.withdrawn == [(7, "email")]


def test_an_order_that_is_held_already_stays_where_it_is() -> None:
    assert after(Report(failed=[refused()]), held={7}).plan.held == {}


def test_a_parked_record_that_is_refused_is_buried_in_its_releasers_name_and_holds_the_rest() -> None:
    releaser = record(RETRY, source=ORDERS)
    found = after(Report(failed=[refused(behind=releaser)]), held={7})
    [(where, letter)] = found.plan.results
    assert (where, letter.topic) == (RETRY, "notification.orders.dlq")
    assert (found.plan.held, found.plan.unparked) == ({7: HERE}, [HERE])
    assert (found.settled, found.plan.dead) == ({RETRY}, [])


def test_a_parked_record_that_is_put_off_lets_its_releaser_wait() -> None:
    found = after(Report(failed=[put_off(behind=record(RETRY, source=ORDERS))]), before=1, where=RETRY)
    assert [(each.position, each.tried.times) for each in found.plan.setbacks] == [(RETRY, 2)]
    assert found.unsettled == {RETRY}
