"""What becomes of records whose deliveries did not all succeed. Pure.

Of one record's deliveries the worst counts: one that is given up makes a dead letter of the record, and takes
back what else of it is not done; one that may work later, or waits for a receiver that is down, lets the
record wait; what is done stays done, for its effect row says so.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from consumers.runtime.delivery.pool import DeliveryResults
from consumers.runtime.failures.ordering import OrderState, bury
from consumers.runtime.reaction import Reaction
from consumers.runtime.records import Attempts, Dead, DeliveryTask, FailedAttempt, Plan
from consumers.runtime.retry_policy import GiveUp, RetryPolicy
from schemas.errors import Position, RecordError


@dataclass(slots=True)
class DeliveryOutcome:
    """What is to be noted once the lanes came back.

    Attributes:
        plan: dead letters, setbacks, held orders.
        withdrawn: order id and effect of intentions that are taken back.
        unsettled: records of the batch that need another pass.
        settled: records of the batch that need none, whatever else was said.
    """

    plan: Plan = field(default_factory=Plan)
    withdrawn: list[tuple[int, str]] = field(default_factory=list)
    unsettled: set[Position] = field(default_factory=set)
    settled: set[Position] = field(default_factory=set)


def delivery_outcome(
    report: DeliveryResults,
    *,
    standing: OrderState,
    held: Collection[int],
    reaction: Reaction,
    patience: RetryPolicy,
    now: int,
) -> DeliveryOutcome:
    """Judge what the lanes could not deliver.

    Args:
        report: how the errands ended.
        standing: attempts so far.
        held: orders that are behind a dead letter already.
        reaction: whose batch it is.
        patience: judges failures.
        now: ms since the epoch.
    """
    found = DeliveryOutcome()
    failed: dict[Position, list[tuple[DeliveryTask, RecordError]]] = {}
    left: dict[Position, list[DeliveryTask]] = {}
    for errand, error in report.failed:
        failed.setdefault(_carrier(errand), []).append((errand, error))
    for errand in report.left:
        left.setdefault(_carrier(errand), []).append(errand)
    for where in failed.keys() | left.keys():
        errors = failed.get(where, [])
        tried = standing.tries.get(where)
        before = tried.times if tried else 0
        verdicts = [(patience.judge(error, before, now), errand, error) for errand, error in errors]
        lost = next((each for each in verdicts if isinstance(each[0], GiveUp)), None)
        open_errands = [errand for errand, _ in errors] + left.get(where, [])
        if lost is not None:
            _died(found, lost[1], Dead(lost[1].record, lost[2], before + 1), held, reaction)
            found.withdrawn += [(each.order_id, each.effect) for each in open_errands]
            continue
        at = report.again_at if where in left else 0
        for verdict, _, error in verdicts[:1]:
            at = max(at, verdict.at if not isinstance(verdict, GiveUp) else 0)
            found.plan.setbacks.append(FailedAttempt(where, Attempts(before + 1, at), error.what))
        found.plan.blocked[open_errands[0].order_id] = at
        found.unsettled.add(where)
    return found


def _died(
    found: DeliveryOutcome, errand: DeliveryTask, dead: Dead, held: Collection[int], reaction: Reaction
) -> None:
    found.settled.add(_carrier(errand))
    if errand.behind is not None:
        bury(found.plan, errand.order_id, dead, errand.behind.position, reaction.name)
        return
    found.plan.dead.append(dead)
    if reaction.parks and errand.order_id not in held:
        found.plan.held[errand.order_id] = dead.record.position


def _carrier(errand: DeliveryTask) -> Position:
    """The record of the batch in whose name an errand is run."""
    return (errand.behind or errand.record).position
