"""What becomes of records whose deliveries did not all succeed. Pure.

Of one record's deliveries the worst counts: one that is given up makes a dead letter of the record, and takes
back what else of it is not done; one that may work later, or waits for a receiver that is down, lets the
record wait; what is done stays done, for its effect row says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.runtime.delivery.pool import DeliveryResults
from consumers.runtime.records import Attempts, Dead, DeliveryTask, FailedAttempt, Plan
from consumers.runtime.retry_policy import GiveUp, RetryPolicy
from schemas.errors import Position, RecordError


@dataclass(slots=True)
class DeliveryOutcome:
    """What is to be noted once the lanes came back.

    Attributes:
        plan: dead letters and setbacks.
        withdrawn: order id and effect of intentions that are taken back.
        unsettled: records of the batch that need another pass.
    """

    plan: Plan = field(default_factory=Plan)
    withdrawn: list[tuple[int, str]] = field(default_factory=list)
    unsettled: set[Position] = field(default_factory=set)


def delivery_outcome(
    report: DeliveryResults,
    *,
    attempts: Mapping[Position, Attempts],
    patience: RetryPolicy,
    now: int,
) -> DeliveryOutcome:
    """Judge what the lanes could not deliver.

    Args:
        report: how the errands ended.
        attempts: of records that failed before, how often.
        patience: judges failures.
        now: ms since the epoch.
    """
    found = DeliveryOutcome()
    failed: dict[Position, list[tuple[DeliveryTask, RecordError]]] = {}
    left: dict[Position, list[DeliveryTask]] = {}
    for errand, error in report.failed:
        failed.setdefault(errand.record.position, []).append((errand, error))
    for errand in report.remaining:
        left.setdefault(errand.record.position, []).append(errand)
    for where in failed.keys() | left.keys():
        errors = failed.get(where, [])
        tried = attempts.get(where)
        before = tried.times if tried else 0
        verdicts = [(patience.judge(error, before, now), errand, error) for errand, error in errors]
        lost = next((each for each in verdicts if isinstance(each[0], GiveUp)), None)
        open_errands = [errand for errand, _ in errors] + left.get(where, [])
        if lost is not None:
            found.plan.dead.append(Dead(lost[1].record, lost[2], before + 1))
            found.withdrawn += [(each.order_id, each.effect) for each in open_errands]
            continue
        at = report.retry_at if where in left else 0
        for verdict, _, error in verdicts[:1]:
            at = max(at, verdict.at if not isinstance(verdict, GiveUp) else 0)
            found.plan.setbacks.append(FailedAttempt(where, Attempts(before + 1, at), error.what))
        found.plan.blocked[open_errands[0].order_id] = at
        found.unsettled.add(where)
    return found
