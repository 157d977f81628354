"""What becomes of records whose deliveries did not all succeed."""

from consumers.runtime.delivery.outcomes import DeliveryOutcome, delivery_outcome
from consumers.runtime.delivery.results import DeliveryResults
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.reaction import Delivery
from consumers.runtime.records import Attempts
from consumers.runtime.retry_policy import RetryPolicy
from schemas.errors import DeliveryDeferred, DeliveryRejected, OutcomeUnknown, Position, RecordError
from schemas.topics import ORDERS
from tests.support.consumers.records import NOW, record

POSITION = Position(ORDERS, 0, 5)


def task(effect: str = "email") -> DeliveryTask:
    return DeliveryTask(7, effect, record(POSITION), Delivery(effect, "a@b.example", "s", "t"))


def deferred(effect: str = "email") -> tuple[DeliveryTask, RecordError]:
    return task(effect), DeliveryDeferred("later", POSITION)


def rejected(effect: str = "email") -> tuple[DeliveryTask, RecordError]:
    return task(effect), DeliveryRejected("never", POSITION)


def outcome_of(results: DeliveryResults, *, before: int = 0) -> DeliveryOutcome:
    attempts = {POSITION: Attempts(before, NOW)} if before else {}
    return delivery_outcome(results, attempts=attempts, retry_policy=RetryPolicy(jitter=lambda: 1.0), now=NOW)


def test_what_was_deferred_waits_and_is_counted_once() -> None:
    outcome = outcome_of(DeliveryResults(failed=[deferred(), deferred("text")]), before=1)
    [attempt] = outcome.plan.failed_attempts
    assert (attempt.position, attempt.attempts) == (POSITION, Attempts(2, NOW + 2_000))
    assert (outcome.unsettled, outcome.plan.blocked) == ({POSITION}, {7: NOW + 2_000})
    assert (outcome.withdrawn, outcome.plan.dead) == ([], [])


def test_what_waits_for_a_receiver_that_is_down_is_not_counted() -> None:
    outcome = outcome_of(DeliveryResults(remaining=[task()], retry_at=NOW + 9))
    assert (outcome.plan.failed_attempts, outcome.unsettled, outcome.plan.blocked) == (
        [],
        {POSITION},
        {7: NOW + 9},
    )


def test_a_rejection_is_a_dead_letter_and_takes_back_what_else_is_not_done() -> None:
    outcome = outcome_of(
        DeliveryResults(
            failed=[deferred("text"), rejected()],
            delivered=[task("other").intention],
            remaining=[task("third")],
        )
    )
    [dead] = outcome.plan.dead
    assert (dead.record.position, type(dead.error), dead.attempts) == (POSITION, DeliveryRejected, 1)
    assert sorted(outcome.withdrawn) == [task(name).intention for name in ("email", "text", "third")]
    assert outcome.unsettled == set()


def test_the_last_attempt_is_a_dead_letter() -> None:
    outcome = outcome_of(DeliveryResults(failed=[deferred()]), before=4)
    assert [dead.attempts for dead in outcome.plan.dead] == [5]
    assert outcome.withdrawn == [task().intention]


def unknown(effect: str = "capture") -> tuple[DeliveryTask, RecordError]:
    return task(effect), OutcomeUnknown("no answer", POSITION)


def test_an_unknown_outcome_is_asked_for_again_like_what_was_deferred() -> None:
    outcome = outcome_of(DeliveryResults(failed=[unknown()]), before=1)
    assert [attempt.error for attempt in outcome.plan.failed_attempts] == ["OutcomeUnknown"]
    assert (outcome.unknown, outcome.unsettled) == ([], {POSITION})


def test_an_outcome_that_stays_unknown_is_neither_taken_back_nor_a_dead_letter() -> None:
    outcome = outcome_of(DeliveryResults(failed=[unknown()]), before=4)
    assert [left.effect for left in outcome.unknown] == ["capture"]
    assert outcome == DeliveryOutcome(unknown=outcome.unknown)


def test_what_is_known_of_the_same_record_is_decided_as_ever() -> None:
    outcome = outcome_of(DeliveryResults(failed=[unknown(), rejected()]), before=4)
    assert [left.effect for left in outcome.unknown] == ["capture"]
    assert outcome.withdrawn == [task("email").intention]
    assert len(outcome.plan.dead) == 1
