"""What stands in an order's way, so that its records are handled one behind the other (design §7, point 7).

    a record that failed and is tried again     later records of its order wait with it
    a record whose deliveries are under way     the same, until this pass is over
    a dead letter, where the reaction parks     later records of its order are parked, and their offsets pass

What a redriven record, or a discard marker, releases is handled in its name and with it: effects and results
carry its position, so that a crash before the Kafka commit ends like any other. Where one of them fails and
may work the next time, all of it waits. A parked record that dies in turn holds the rest; its dead letter is
kept like a result, for its own offset has passed long ago.

Pure. Not here: what one message causes (`decide`), and for how long something waits (`policy`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from consumers.runtime.dead_letters import dead_letter, decides, origin_of
from consumers.runtime.reaction import Reaction
from consumers.runtime.records import Attempts, Dead, FailedAttempt, Item, Parked, Plan
from consumers.runtime.retry_policy import GiveUp, RetryPolicy
from schemas.errors import Position, RecordError


class Deciding(Protocol):
    """Decides about single items, into its plan."""

    plan: Plan

    def take(self, item: Item) -> RecordError | None:
        """Put what an item causes into the plan, or say why it causes nothing."""

    def made(self, item: Item) -> bool:
        """Whether an effect of this very record is known."""

    def trial(self) -> Self:
        """The same with a plan of its own, to be adopted or forgotten."""

    def adopt(self, trial: Self) -> None:
        """Make the trial's plan and knowledge ours."""


@dataclass(frozen=True, kw_only=True)
class OrderState:
    """What the store knows of earlier failures.

    Attributes:
        tries: attempts so far, of records that failed.
        held: orders behind a dead letter, each with that record's position.
        parked: what waits behind them, in order; only of orders that this batch may release.
    """

    tries: Mapping[Position, Attempts] = field(default_factory=dict)
    held: Mapping[int, Position] = field(default_factory=dict)
    parked: Mapping[int, Sequence[Parked]] = field(default_factory=dict)


NOTHING = OrderState()


class OrderSequencer:
    """Who may pass, in one pass of a batch.

    Args:
        deciding: decides about those who may.
        reaction: says whether it parks.
        patience: judges failures.
        now: ms since the epoch.
        standing: what was there before.
    """

    def __init__(
        self, deciding: Deciding, reaction: Reaction, patience: RetryPolicy, now: int, standing: OrderState
    ) -> None:
        self._deciding = deciding
        self._plan = deciding.plan
        self._reaction = reaction
        self._patience = patience
        self._now = now
        self._tries = standing.tries
        self._held = dict(standing.held)
        self._parked = {order_id: list(each) for order_id, each in standing.parked.items()}
        self._troubled = bool(standing.tries or standing.held)

    def take(self, item: Item) -> None:
        """Handle an item, or put it where it has to wait."""
        if self._troubled:
            if not self._may_pass(item):
                return
            if self._releases(item):
                self._release(item)
                return
        errands = len(self._plan.errands)
        error = self._deciding.take(item)
        if error is not None:
            self._failed(item, error)
        elif len(self._plan.errands) > errands:
            self._underway(item)

    def _may_pass(self, item: Item) -> bool:
        order_id, where = item.order_id, item.record.position
        if order_id is None:
            return True
        blocked = self._plan.blocked
        tried = self._tries.get(where)
        if order_id not in blocked and tried is not None and tried.at > self._now:
            blocked[order_id] = tried.at
        if order_id in blocked:
            self._plan.waiting.append(item)
            return False
        if self._reaction.parks and order_id in self._held and not self._before(item):
            self._plan.parked.append((order_id, item.record))
            self._parked.setdefault(order_id, []).append(Parked(item.record, item))
            return False
        return True

    def _before(self, item: Item) -> bool:
        """Whether an item is not behind its order's dead letter: an operator sent it, or it came before.

        A batch that comes again after a crash holds both; what was handled then is not parked now.
        """
        held, where = self._held[item.order_id or 0], item.record.position
        sooner = where[:2] == held[:2] and where.offset < held.offset
        return item.record.redriven or where == held or sooner or self._deciding.made(item)

    def _releases(self, item: Item) -> bool:
        """Whether an item decides about the dead letter that its order stands behind."""
        return item.order_id in self._held and decides(item.record, self._held[item.order_id])

    def _failed(self, item: Item, error: RecordError) -> None:
        attempts = self._given_up(item, error)
        if attempts is not None:
            self._plan.dead.append(Dead(item.record, error, attempts))
            if self._reaction.parks and item.order_id is not None:
                record = item.record
                self._hold(item.order_id, (origin_of(record) if record.redriven else None) or record.position)

    def _given_up(self, item: Item, error: RecordError) -> int | None:
        """The number of attempts if this was the last; else None, and the item waits for the next one."""
        where = item.record.position
        tried = self._tries.get(where)
        verdict = self._patience.judge(error, tried.times if tried else 0, self._now)
        if isinstance(verdict, GiveUp):
            return verdict.attempts
        self._plan.setbacks.append(FailedAttempt(where, Attempts(verdict.attempts, verdict.at), error.what))
        self._plan.waiting.append(item)
        self._block(item, verdict.at)
        return None

    def _underway(self, item: Item) -> None:
        self._block(item, 0)

    def _block(self, item: Item, until: int) -> None:
        if item.order_id is not None:
            self._plan.blocked[item.order_id] = until
            self._troubled = True

    def _hold(self, order_id: int, where: Position) -> None:
        # The first dead letter holds; what fails again from the retry topic changes nothing.
        if order_id not in self._held:
            self._held[order_id] = self._plan.held[order_id] = where
            self._troubled = True

    def _release(self, item: Item) -> None:
        """Handle what decides about a dead letter, and then, in its name, what is parked behind it."""
        trial = self._deciding.trial()
        error = trial.take(item)
        if error is not None:
            self._failed(item, error)
            return
        order_id = item.order_id or 0
        queue = self._parked.get(order_id, [])
        settled = 0
        while not trial.plan.errands and settled < len(queue):
            parked = queue[settled]
            error = trial.take(parked.item._replace(record=parked.record.as_of(item.record)))
            if error is not None:
                attempts = self._given_up(item, error)
                if attempts is None:
                    return
                self._bury(trial.plan, order_id, Dead(parked.record, error, attempts), item.record.position)
                break
            if trial.plan.errands:
                trial.plan.errands = [
                    each._replace(record=parked.record, behind=item.record) for each in trial.plan.errands
                ]
            else:
                trial.plan.unparked.append(parked.record.position)
                settled += 1
        else:
            if not trial.plan.errands:
                trial.plan.freed.append(order_id)
                del self._held[order_id]
        del queue[:settled]
        self._deciding.adopt(trial)
        if trial.plan.errands:
            # What is parked behind goes on in the next pass, once these are delivered.
            self._plan.waiting.append(item)
            self._underway(item)

    def _bury(self, plan: Plan, order_id: int, dead: Dead, behind: Position) -> None:
        bury(plan, order_id, dead, behind, self._reaction.name)
        self._held[order_id] = dead.record.position
        self._parked[order_id] = [
            each for each in self._parked[order_id] if each.record.position != dead.record.position
        ]


def bury(plan: Plan, order_id: int, dead: Dead, behind: Position, group: str) -> None:
    """Note in a plan that a parked record died, in the name of the record that released it."""
    plan.results.append((behind, dead_letter(dead, group)))
    plan.buried.append(dead)
    plan.held[order_id] = dead.record.position
    plan.unparked.append(dead.record.position)
