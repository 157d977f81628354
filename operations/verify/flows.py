"""What an order owes whose steps somebody coordinates (design §10). Pure.

    owed                 collaboration, for              process, for
    captured or failed   the fact                        CapturePayment; that for the fact
    a dispatch outcome   the fact and captured, both     DispatchProduct; that for captured
    refunded or not      rejected or expired             RefundPayment; that for rejected or expired
    each mail            the fact and its step, both     SendNotification; that for its step

The commands are owed by fulfilment. What nobody owes is a phantom: a dispatch without a captured payment, a
payment that nobody asked for, a refund of what was not refused, a command of a process that there is not. Two
records of one step are duplicated. A payment whose end the group payments itself does not know is unresolved,
and not lost. A handled command may have been cleaned: its effect is proof enough where its log is cut.
"""

from collections import Counter
from collections.abc import Iterator

from operations.verify.evidence import Offsets, OrderEvidence, OrderRecord, StoredEffect
from operations.verify.reconciliation import LOST, SETTLED, UNSEEN, OrderFindings
from operations.verify.record_states import has_passed, settles, state_of, state_of_all
from schemas.control import Flow
from schemas.topics import CAPTURE_PAYMENTS, ORDERS, SEND_NOTIFICATIONS

_TELLING = {"failed": "payment-failed", "dispatched": "dispatched", "refunded": "refunded"}
"""Steps that a customer is told, and as what."""
_STEP_OF = {"failed": "captured", "not refunded": "refunded"}
"""Two outcomes of one step."""


def check_flow(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    """Find what is wrong with the steps of an order; a direct order has none."""
    findings.in_flow = order.is_in_flow
    findings.steps.update(step.name for step in order.steps)
    _check_causes(order, offsets, findings)
    _check_commanded_mails(order, offsets, findings)
    if order.facts and order.is_in_flow:
        _check_repeated(order, findings)
        _check_payment(order, offsets, findings)
        _check_refund(order, offsets, findings)


def dispatch_state(order: OrderEvidence, offsets: Offsets) -> int:
    """What became of the dispatch of an order in a flow that has no effect at the warehouse."""
    captured = order.named("captured")
    if order.flow == Flow.PROCESS and order.commands:
        return state_of_all(offsets, "warehouse", order.commands)
    if not captured or not order.facts:
        return SETTLED
    group = "warehouse" if order.flow == Flow.COLLABORATION else "fulfilment"
    return state_of_all(offsets, group, (*order.facts, *captured))


def mail_states(order: OrderEvidence, offsets: Offsets) -> list[int]:
    """What became of each mail and text that is owed for the fact and the steps of an order in a flow."""
    states = []
    for name, causes in _owed_mails(order):
        if is_finished(order.effect("notification", name)):
            states.append(SETTLED)
        elif order.flow == Flow.COLLABORATION:
            states.append(state_of_all(offsets, "notification", causes))
        elif commands := order.named(name):
            states.append(state_of_all(offsets, "notification", commands))
        else:
            states.append(state_of_all(offsets, "fulfilment", causes))
    return states


def is_finished(mail: StoredEffect | None) -> bool:
    """Whether a mail or text was sent, or skipped."""
    return mail is not None and mail.outcome in ("done", "skipped")


def _owed_mails(order: OrderEvidence) -> Iterator[tuple[str, tuple[OrderRecord, ...]]]:
    """Names of effects, and the records that owe each of them together."""
    owing = {"": order.facts}
    owing |= {
        f":{purpose}": (*order.facts, *steps)
        for step, purpose in _TELLING.items()
        if (steps := order.named(step))
    }
    for suffix, causes in owing.items():
        if any(fact.email for fact in order.facts):
            yield f"email{suffix}", causes
        if any(fact.phone for fact in order.facts):
            yield f"text{suffix}", causes


def _check_commanded_mails(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    """Whoever commanded it: the process manager, or [BUY] itself."""
    for command in order.steps:
        if command.position.topic == SEND_NOTIFICATIONS:
            mail = order.effect("notification", command.name)
            settled = is_finished(mail) and settles(mail, command, command.address)
            findings.note("notification", state_of(offsets, "notification", command, settled=settled))


def _check_repeated(order: OrderEvidence, findings: OrderFindings) -> None:
    """One record of each step; captured and failed are two records of one step."""
    steps = Counter((step.position.topic, _STEP_OF.get(step.name, step.name)) for step in order.steps)
    commands = len(order.commands) if order.flow == Flow.PROCESS else 0
    if max(steps.values(), default=0) > 1 or commands > 1:
        findings.faults.add("duplicated")


def _check_causes(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    """Whether somebody asked for what was done."""
    for step in order.steps:
        if not _is_caused(order, step, offsets):
            findings.faults.add("phantom")
    dispatched = order.effect("warehouse", "dispatch") is not None
    commanded = order.flow == Flow.PROCESS and bool(order.commands)
    if (dispatched or commanded) and order.is_in_flow and not order.named("captured"):
        findings.faults.add("phantom")


def _is_caused(order: OrderEvidence, step: OrderRecord, offsets: Offsets) -> bool:
    in_process = bool(order.facts) and order.flow == Flow.PROCESS
    placed = bool(order.facts) or _is_cut(order, offsets, ORDERS)
    if step.name in ("capture", "refund"):
        return in_process or (placed and not order.facts)
    if step.name in ("captured", "failed"):
        in_collaboration = order.flow == Flow.COLLABORATION
        asked = bool(order.named("capture")) or _is_cut(order, offsets, CAPTURE_PAYMENTS)
        return placed and (in_collaboration or asked)
    if step.name == "refunded" and has_passed(offsets, "warehouse", step.position):
        refused = any(result.outcome in ("rejected", "expired") for result in order.results)
        return bool(order.named("captured")) and refused
    return True


def _is_cut(order: OrderEvidence, offsets: Offsets, topic: str) -> bool:
    """Whether records of the order may be gone: they have one partition number on all topics (design §5)."""
    places = (record.position for record in (*order.facts, *order.commands, *order.steps))
    return any(offsets.starts.get((topic, place.partition), 0) > 0 for place in places)


def _check_payment(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    asked = order.named("capture") or (() if order.flow == Flow.PROCESS else order.facts)
    if not order.named("captured", "failed"):
        owing = ("payments", asked) if asked else ("fulfilment", order.facts)
        _note_payment(order, offsets, findings, "capture", owing)
    if len({record.amount for record in (*order.facts, *order.steps) if record.amount}) > 1:
        findings.faults.add("different")


def _check_refund(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    captured, refused = order.named("captured"), order.named("rejected", "expired")
    asked = order.named("refund") or (() if order.flow == Flow.PROCESS else refused)
    if captured and refused and not order.named("refunded", "not refunded"):
        owing = ("payments", asked) if asked else ("fulfilment", (*order.facts, *captured, *refused))
        _note_payment(order, offsets, findings, "refund", owing)


def _note_payment(
    order: OrderEvidence,
    offsets: Offsets,
    findings: OrderFindings,
    name: str,
    owing: tuple[str, tuple[OrderRecord, ...]],
) -> None:
    """A capture or refund without an outcome, owed by a group for records of the order together."""
    group, records = owing
    state, effect = state_of_all(offsets, group, records), order.effect("payments", name)
    if state == LOST and effect is not None:
        if effect.outcome in ("intended", "unresolved"):
            findings.faults.add("unresolved")
            return
        if not has_passed(offsets, "payments", effect.position):
            state = UNSEEN  # a timer took it up again: its result is written with the offset of the timer
    findings.note(group, state)
    if state == LOST and name == "capture":
        findings.faults.add("unpaid")
