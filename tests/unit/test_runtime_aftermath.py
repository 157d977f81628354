"""What becomes of records whose deliveries did not all succeed."""

from consumers.runtime.delivery.outcomes import DeliveryOutcome, delivery_outcome
from consumers.runtime.delivery.pool import DeliveryResults
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.reaction import Delivery
from consumers.runtime.records import Attempts
from consumers.runtime.retry_policy import RetryPolicy
from schemas.errors import DeliveryDeferred, DeliveryRejected, Position, RecordError
from schemas.topics import ORDERS
from tests.support.consumers.records import NOW, record

HERE = Position(ORDERS, 0, 5)


def errand(effect: str = "email") -> DeliveryTask:
    return DeliveryTask(7, effect, record(HERE), Delivery(effect, "a@b.example", "s", "t"))


def put_off(effect: str = "email") -> tuple[DeliveryTask, RecordError]:
    return errand(effect), DeliveryDeferred("later", HERE)


def refused(effect: str = "email") -> tuple[DeliveryTask, RecordError]:
    return errand(effect), DeliveryRejected("never", HERE)


def after(report: DeliveryResults, *, before: int = 0) -> DeliveryOutcome:
    attempts = {HERE: Attempts(before, NOW)} if before else {}
    return delivery_outcome(report, attempts=attempts, retry_policy=RetryPolicy(jitter=lambda: 1.0), now=NOW)


def test_what_was_put_off_waits_and_is_counted_once() -> None:
    found = after(DeliveryResults(failed=[put_off(), put_off("text")]), before=1)
    [setback] = found.plan.failed_attempts
    assert (setback.position, setback.attempts) == (HERE, Attempts(2, NOW + 2_000))
    assert (found.unsettled, found.plan.blocked) == ({HERE}, {7: NOW + 2_000})
    assert (found.withdrawn, found.plan.dead) == ([], [])


def test_what_waits_for_a_receiver_that_is_down_is_not_counted() -> None:
    found = after(DeliveryResults(remaining=[errand()], retry_at=NOW + 9))
    assert (found.plan.failed_attempts, found.unsettled, found.plan.blocked) == ([], {HERE}, {7: NOW + 9})


def test_a_refusal_is_a_dead_letter_and_takes_back_what_else_is_not_done() -> None:
    found = after(
        DeliveryResults(
            failed=[put_off("text"), refused()], delivered=[(7, "other")], remaining=[errand("third")]
        )
    )
    [dead] = found.plan.dead
    assert (dead.record.position, type(dead.error), dead.attempts) == (HERE, DeliveryRejected, 1)
    assert sorted(found.withdrawn) == [(7, "email"), (7, "text"), (7, "third")]
    assert found.unsettled == set()


def test_the_last_attempt_is_a_dead_letter() -> None:
    found = after(DeliveryResults(failed=[put_off()]), before=4)
    assert [dead.attempts for dead in found.plan.dead] == [5]
    assert found.withdrawn == [(7, "email")]
