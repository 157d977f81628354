"""What becomes of records whose deliveries did not all succeed. Pure.

Of one record's deliveries the worst counts. One that is given up makes a dead letter of the record and takes
back what else of it is not done. One of which nobody knows what became is not taken back. One that may work
later, or whose receiver is down, lets the record wait. What is done stays done, for its effect row says so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from consumers.runtime.delivery.results import DeliveryResults
from consumers.runtime.plan import DeadRecord, DeliveryTask, FailedAttempt, Plan
from consumers.runtime.records import Attempts, Intention
from consumers.runtime.retry_policy import GiveUp, Retry, RetryPolicy
from schemas.errors import OutcomeUnknown, Position, RecordError


@dataclass(slots=True)
class DeliveryOutcome:
    """What is to be stored once the deliveries have ended.

    Attributes:
        plan: dead letters and failed attempts.
        withdrawn: intentions that are taken back.
        unknown: tasks that were sent, and nobody knows what became of them.
        unsettled: positions of records that need another pass.
    """

    plan: Plan = field(default_factory=Plan)
    withdrawn: list[Intention] = field(default_factory=list)
    unknown: list[DeliveryTask] = field(default_factory=list)
    unsettled: set[Position] = field(default_factory=set)


def delivery_outcome(
    results: DeliveryResults,
    *,
    attempts: Mapping[Position, Attempts],
    retry_policy: RetryPolicy,
    now: int,
) -> DeliveryOutcome:
    """Decide about the records of failed and unfinished deliveries.

    Args:
        results: how the deliveries ended.
        attempts: of records that failed before, how often.
        retry_policy: says whether a record is tried again, and when.
        now: ms since the epoch.
    """
    outcome = DeliveryOutcome()
    for position, failures, unfinished in _by_record(results):
        earlier = attempts.get(position)
        before = earlier.times if earlier else 0
        retry_at = results.retry_at if unfinished else 0
        judged = [(task, error, retry_policy.next_step(error, before, now)) for task, error in failures]
        unknown = [task for task, error, step in judged if _is_unknown(error, step)]
        outcome.unknown += unknown
        judged = [judgement for judgement in judged if judgement[0] not in unknown]
        tasks = [task for task, _, _ in judged] + unfinished
        if not tasks:
            continue
        fatal = next((error for _, error, step in judged if isinstance(step, GiveUp)), None)
        if fatal is not None:
            outcome.plan.dead.append(DeadRecord(tasks[0].record, fatal, before + 1, tasks[0].order_id))
            outcome.withdrawn += [task.intention for task in tasks]
            continue
        retries = [(step.at, error) for _, error, step in judged if isinstance(step, Retry)]
        if retries:
            # One attempt of the record, however many of its deliveries failed.
            at, error = retries[0]
            retry_at = max(retry_at, at)
            made, name = Attempts(before + 1, retry_at), type(error).__name__
            outcome.plan.failed_attempts.append(
                FailedAttempt(position, made, error.what, name, tasks[0].order_id)
            )
        outcome.plan.blocked[tasks[0].order_id] = retry_at
        outcome.unsettled.add(position)
    return outcome


def _is_unknown(error: RecordError, step: Retry | GiveUp) -> bool:
    # It is not taken back: it may have been carried out. The reaction learns that nobody knows (P19).
    return isinstance(error, OutcomeUnknown) and isinstance(step, GiveUp)


def _by_record(
    results: DeliveryResults,
) -> Iterator[tuple[Position, list[tuple[DeliveryTask, RecordError]], list[DeliveryTask]]]:
    """Each record whose deliveries did not all succeed: those that failed, and those that are left."""
    failed: dict[Position, list[tuple[DeliveryTask, RecordError]]] = {}
    left: dict[Position, list[DeliveryTask]] = {}
    for task, error in results.failed:
        failed.setdefault(task.record.position, []).append((task, error))
    for task in results.remaining:
        left.setdefault(task.record.position, []).append(task)
    for position in failed.keys() | left.keys():
        yield position, failed.get(position, []), left.get(position, [])
