"""What becomes of records whose deliveries did not all succeed."""

from dataclasses import replace
from typing import Any

from consumers.registry import named
from consumers.runtime.delivery.outcomes import DeliveryOutcome, delivery_outcome
from consumers.runtime.delivery.pool import DeliveryResults
from consumers.runtime.failures.ordering import OrderState
from consumers.runtime.reaction import Delivery
from consumers.runtime.records import Attempts, ConsumerRecord, DeliveryTask
from consumers.runtime.retry_policy import RetryPolicy
from schemas.errors import DeliveryDeferred, DeliveryRejected, Position, RecordError
from schemas.topics import ORDERS
from tests.support.consumers.records import NOW, record

HERE = Position(ORDERS, 0, 5)
RETRY = Position("notification.orders.retry", 0, 9)
PARKS = replace(named("notification"), parks=True)


def errand(effect: str = "email", *, behind: ConsumerRecord | None = None) -> DeliveryTask:
    return DeliveryTask(7, effect, record(HERE), Delivery(effect, "a@b.example", "s", "t"), behind)


def put_off(effect: str = "email", **more: Any) -> tuple[DeliveryTask, RecordError]:
    return errand(effect, **more), DeliveryDeferred("later", HERE)


def refused(effect: str = "email", **more: Any) -> tuple[DeliveryTask, RecordError]:
    return errand(effect, **more), DeliveryRejected("never", HERE)


def after(
    report: DeliveryResults, *, before: int = 0, held: Any = (), where: Position = HERE
) -> DeliveryOutcome:
    tries = {where: Attempts(before, NOW)} if before else {}
    return delivery_outcome(
        report,
        standing=OrderState(tries=tries),
        held=held,
        reaction=PARKS,
        patience=RetryPolicy(chance=lambda: 1.0),
        now=NOW,
    )


def test_what_was_put_off_waits_and_is_counted_once() -> None:
    found = after(DeliveryResults(failed=[put_off(), put_off("text")]), before=1)
    [setback] = found.plan.setbacks
    assert (setback.position, setback.tried) == (HERE, Attempts(2, NOW + 2_000))
    assert (found.unsettled, found.plan.blocked) == ({HERE}, {7: NOW + 2_000})
    assert (found.withdrawn, found.plan.dead) == ([], [])


def test_what_waits_for_a_receiver_that_is_down_is_not_counted() -> None:
    found = after(DeliveryResults(left=[errand()], again_at=NOW + 9))
    assert (found.plan.setbacks, found.unsettled, found.plan.blocked) == ([], {HERE}, {7: NOW + 9})


def test_a_refusal_is_a_dead_letter_and_takes_back_what_else_is_not_done() -> None:
    found = after(
        DeliveryResults(failed=[put_off("text"), refused()], done=[(7, "other")], left=[errand("third")])
    )
    [dead] = found.plan.dead
    assert (dead.record.position, type(dead.error), dead.attempts) == (HERE, DeliveryRejected, 1)
    assert sorted(found.withdrawn) == [(7, "email"), (7, "text"), (7, "third")]
    assert (found.plan.held, found.settled, found.unsettled) == ({7: HERE}, {HERE}, set())


def test_the_last_attempt_is_a_dead_letter() -> None:
    found = after(DeliveryResults(failed=[put_off()]), before=4)
    assert [dead.attempts for dead in found.plan.dead] == [5]
    assert found.withdrawn == [(7, "email")]


def test_an_order_that_is_held_already_stays_where_it_is() -> None:
    assert after(DeliveryResults(failed=[refused()]), held={7}).plan.held == {}


def test_a_parked_record_that_is_refused_is_buried_in_its_releasers_name_and_holds_the_rest() -> None:
    releaser = record(RETRY, source=ORDERS)
    found = after(DeliveryResults(failed=[refused(behind=releaser)]), held={7})
    [(where, letter)] = found.plan.results
    assert (where, letter.topic) == (RETRY, "notification.orders.dlq")
    assert (found.plan.held, found.plan.unparked) == ({7: HERE}, [HERE])
    assert (found.settled, found.plan.dead) == ({RETRY}, [])


def test_a_parked_record_that_is_put_off_lets_its_releaser_wait() -> None:
    found = after(
        DeliveryResults(failed=[put_off(behind=record(RETRY, source=ORDERS))]), before=1, where=RETRY
    )
    assert [(each.position, each.tried.times) for each in found.plan.setbacks] == [(RETRY, 2)]
    assert found.unsettled == {RETRY}
