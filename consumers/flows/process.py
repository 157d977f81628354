"""One order's process as its manager remembers it: which results came, and what follows from them. Pure.

What is remembered is the first outcome of each step, and which timer fired. The status, what is waited for,
and what is owed are functions of that, so no order of arrival, repetition or late record changes them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from consumers.runtime.reaction import StateAlarm
from schemas.errors import ConflictingOrder, Position
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from schemas.timers import TimerDue

NOT_PLACED = "not placed"
"""The status where results came before their order."""
CONTRADICTED = "contradicted"
"""The status where two results cannot both be true: the first one counts, and a person has to look."""

_LISTED = "`cev process list` shows them"
ALARMS = (
    StateAlarm(
        "payment-overdue", ("payment unresolved",), f"no result of the payment came in time; {_LISTED}"
    ),
    StateAlarm(
        "dispatch-overdue", ("dispatch overdue",), f"no result of the dispatch came in time; {_LISTED}"
    ),
    StateAlarm("refund-overdue", ("refund overdue",), f"no result of the refund came in time; {_LISTED}"),
    StateAlarm("refund-failed", ("refund failed",), f"the money has to be given back by hand; {_LISTED}"),
    StateAlarm("process-contradicted", (CONTRADICTED,), f"two results cannot both be true; {_LISTED}"),
)
"""Statuses that a person must hear of."""

Result = (
    ProductDispatched
    | DispatchRejected
    | DispatchExpired
    | PaymentCaptured
    | PaymentFailed
    | PaymentRefunded
    | RefundFailed
)
_REPORTS: Mapping[type[Result], tuple[str, str]] = {
    PaymentCaptured: ("payment", "captured"),
    PaymentFailed: ("payment", "failed"),
    ProductDispatched: ("dispatch", "dispatched"),
    DispatchRejected: ("dispatch", "rejected"),
    DispatchExpired: ("dispatch", "expired"),
    PaymentRefunded: ("refund", "refunded"),
    RefundFailed: ("refund", "not refunded"),
}
"""Step and outcome that a result reports."""


class Stage(NamedTuple):
    """Where a process is.

    Attributes:
        status: its name.
        issues: what is owed from here on.
        waits_for: the step whose result comes next; None at an end.
        overdue: the status once that result did not come in time.
    """

    status: str
    issues: tuple[str, ...] = ()
    waits_for: str | None = None
    overdue: str = ""


Stages = Mapping[tuple[str, ...], Stage]
"""The stages of a kind of process, by the outcomes of its steps so far."""


class Process(NamedTuple):
    """What is remembered of one order.

    Attributes:
        status: the stage's name, or what is wrong.
        order: None where results came first.
        payment, dispatch, refund: the first outcome of each step; empty where it has none.
        captured: what was paid, and the payment gateway's name for it.
        late: the step whose timer fired.
        contradiction: an outcome that came beside another one of the same step; empty where none did.
    """

    status: str = NOT_PLACED
    order: OrderPlaced | None = None
    payment: str = ""
    dispatch: str = ""
    refund: str = ""
    captured: PaymentCaptured | None = None
    late: str = ""
    contradiction: str = ""

    def after(self, message: OrderPlaced | Result | TimerDue, stages: Stages) -> "Process":
        """The process once a message is known; the same where it says nothing new."""
        if isinstance(message, OrderPlaced):
            known = self if self.order else self._replace(order=message)
        elif isinstance(message, TimerDue):
            # The timer of a step that is over, or was never begun, says nothing.
            known = self._replace(late=message.name) if message.name == self.waits_for(stages) else self
        else:
            known = self._with(message)
        return known._replace(status=_status_of(known, stages))

    def check_told_again(self, message: object, position: Position) -> None:
        """Refuse an order that is told again with other content, where it matters to anybody.

        Raises:
            ConflictingOrder: it is one.
        """
        if isinstance(message, OrderPlaced) and self.order and _content(message) != _content(self.order):
            raise ConflictingOrder(
                "the order's process has begun with other content; find out which one is right", position
            )

    @property
    def path(self) -> tuple[str, ...]:
        """The outcomes of the steps, up to the first step that has none."""
        path = (self.payment, self.dispatch, self.refund)
        return path[: path.index("")] if "" in path else path

    def passed(self, stages: Stages) -> list[Stage]:
        """The stages so far, the present one last; none before the order is known."""
        if self.order is None:
            return []
        path = self.path
        return [stages[path[:end]] for end in range(len(path) + 1) if path[:end] in stages]

    def waits_for(self, stages: Stages) -> str | None:
        """The step whose result comes next, or None."""
        passed = self.passed(stages)
        return passed[-1].waits_for if passed else None

    def owed(self, stages: Stages) -> list[str]:
        """All that has ever been owed; it only grows."""
        return [name for stage in self.passed(stages) for name in stage.issues]

    def _with(self, result: Result) -> "Process":
        step, outcome = _REPORTS[type(result)]
        before: str = getattr(self, step)
        if before:
            is_news = before != outcome and not self.contradiction
            return self._replace(contradiction=outcome) if is_news else self
        change: dict[str, Any] = {step: outcome}
        known = self._replace(**change)
        return known._replace(captured=result) if isinstance(result, PaymentCaptured) else known


def _status_of(process: Process, stages: Stages) -> str:
    passed = process.passed(stages)
    if not passed:
        return NOT_PLACED
    if process.contradiction or process.path not in stages:
        return CONTRADICTED
    stage = passed[-1]
    return stage.overdue if stage.waits_for == process.late else stage.status


def _content(order: OrderPlaced) -> OrderPlaced:
    """Without what differs between two tellings of one order."""
    return order._replace(placed_at=0, dispatch_before=None, mode_epoch=0, shadow_of=())
