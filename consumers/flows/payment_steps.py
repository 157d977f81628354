"""What each message changes in a payment. Pure.

    a capture is asked for        a total of 0, no method, too late: settled; else the gateway is asked
    the gateway answers           settled; what was waiting for it goes on
    nobody knows its answer       the gateway is asked again, after 1 s, 2 s, 4 s ... (P19)
    a refund is asked for         of a capture that is settled: at once; else once it is
    the dispatch is refused       the same, where no command says it (flow collaboration)

Each of the two is asked for under one effect key, for ever. A second message about it is a duplicate, or a
conflict where its content differs: the runtime sees that by the effect that is recorded again here.
"""

import json
from dataclasses import replace

from consumers.flows.payment import FREE, Asked, Payment
from consumers.runtime.reaction import Context, DeliveryAnswer, Effect
from schemas.commands import RefundPayment
from schemas.control import Flow
from schemas.errors import ConflictingOrder
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Fact,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    RefundFailed,
)
from schemas.timers import TimerDue

CAPTURE, REFUND = "capture", "refund"
"""Names of effects, and of the timers that take them up again."""

_FIRST_INQUIRY_MS = 1_000
_SLOWEST_INQUIRY_MS = 300_000
_SLOWEST_OVERDUE_MS = 3_600_000


def capture(order_id: int, asked: Asked, flow: Flow, deadline: int | None, context: Context) -> list[Fact]:
    """Take the money, unless a rule says no.

    Args:
        order_id: whose.
        asked: how much, and how it is paid.
        flow: who coordinates the order.
        deadline: the latest time to begin, ms since the epoch; None means no limit.
        context: of the message.
    """
    payment = context.state or Payment(flow=flow.value)
    if payment.capture is not None:
        return _again(CAPTURE, payment, asked, context)
    payment = replace(payment, flow=flow.value, capture=asked)
    if reason := _refusal(payment, asked, deadline, context):
        return settled(order_id, CAPTURE, payment, replace(asked, reason=reason), context)
    return _begin(order_id, CAPTURE, payment, asked, context)


def refund(message: RefundPayment, context: Context) -> list[Fact]:
    """Give the money back, now or when it is known to be taken; what was not taken is not given back.

    Raises:
        ConflictingOrder: another refund waits for the same capture already.
    """
    payment = context.state or Payment(flow=Flow.PROCESS.value)
    asked = Asked.at(context.now, message.amount_cents, message.currency, message.reference)
    before = payment.refund
    if before is not None and (before.sent or before.settled or before.unanswered):
        return _again(REFUND, payment, asked, context)
    if before is not None and before.input != asked.input:
        raise ConflictingOrder("another refund of the order waits for its capture", context.position)
    if payment.capture is not None and not payment.capture.settled:
        context.save(replace(payment, refund=before or asked))
        return []
    return _refund_settled_capture(message.order_id, replace(payment, refund=asked), context)


def dispatch_refused(message: DispatchRejected | DispatchExpired, context: Context) -> list[Fact]:
    """Give the money back, or do not take it: nobody dispatches the order."""
    payment: Payment = context.state or Payment(flow=message.flow)
    if payment.dispatch_refused is not None:
        return []
    if message.flow != Flow.COLLABORATION:
        return []
    why = message.reason if isinstance(message, DispatchRejected) else "too late to be dispatched"
    payment = replace(payment, dispatch_refused=why)
    context.save(payment)
    if payment.refund is None and payment.capture is not None and payment.capture.reference is not None:
        return _refund_settled_capture(message.order_id, _with_whole_refund(payment, context), context)
    return []


def answered(message: DeliveryAnswer, context: Context) -> list[Fact]:
    """Take the gateway's answer, or ask again later where there is none."""
    payment: Payment = context.state
    asked = _of(payment, message.effect)
    if message.answer is None:
        unanswered = asked.unanswered + 1
        overdue = context.now - asked.since >= context.payment_unresolved_ms
        asked = replace(asked, sent=False, unanswered=unanswered, overdue=overdue)
        context.record(Effect(message.effect, "unresolved", asked.input))
        context.save(_with(payment, message.effect, asked))
        context.set_timer(message.effect, context.now + inquiry_ms(asked.unanswered, overdue=asked.overdue))
        return []
    answer = json.loads(message.answer)
    if answer["outcome"] == "declined":
        asked = replace(asked, reason=answer["reason"])
    else:
        asked = replace(asked, reference=answer["reference"])
    return settled(message.order_id, message.effect, payment, asked, context)


def timer_due(message: TimerDue, context: Context) -> list[Fact]:
    """Ask the gateway once more, by the same key; or begin the refund that waited for its capture."""
    payment: Payment | None = context.state
    if payment is None:
        return []
    if message.name == CAPTURE and payment.capture is not None and not payment.capture.settled:
        return _begin(message.order_id, CAPTURE, payment, payment.capture, context)
    wanted = payment.refund is not None or payment.dispatch_refused is not None
    if message.name == REFUND and wanted and payment.capture is not None and payment.capture.reference:
        payment = _with_whole_refund(payment, context)
        if not _of(payment, REFUND).settled:
            return _refund_settled_capture(message.order_id, payment, context)
    return []


def settled(order_id: int, effect: str, payment: Payment, asked: Asked, context: Context) -> list[Fact]:
    """Record what became of a capture or a refund, and say so to everybody.

    Args:
        order_id: whose.
        effect: which of the two.
        payment: as it was.
        asked: what was asked for, with its reference or the reason why it failed.
        context: of the message.
    """
    if asked.unanswered:
        context.cancel_timer(effect)
    asked = replace(asked, sent=False)
    payment = _with(payment, effect, asked)
    outcome, fact = _outcome(order_id, effect, asked, payment.flow, context.now)
    context.record(Effect(effect, outcome, asked.input, detail=asked.reference or asked.reason))
    facts: list[Fact] = [fact]
    if effect == CAPTURE and (payment.refund is not None or payment.dispatch_refused is not None):
        payment, more = _refund_next(order_id, payment, context)
        facts += more
    context.save(payment)
    return facts


def inquiry_ms(unanswered: int, *, overdue: bool) -> int:
    """How long to wait before the gateway is asked again, ms: doubled each time, to 5 minutes, or an hour.

    Args:
        unanswered: how often nobody knew by now.
        overdue: whether a person has heard of it.
    """
    slowest = _SLOWEST_OVERDUE_MS if overdue else _SLOWEST_INQUIRY_MS
    return min(slowest, _FIRST_INQUIRY_MS << min(unanswered - 1, 20))


def _again(effect: str, payment: Payment, asked: Asked, context: Context) -> list[Fact]:
    """It was asked for before: if it is not settled, the gateway is asked what became of it."""
    before = _of(payment, effect)
    if before.settled:
        context.record(Effect(effect, "intended", asked.input))
        return []
    # Other content takes the place of what the gateway has refused as malformed, and is a conflict otherwise.
    asked = replace(before if before.input == asked.input else asked, sent=True)
    context.save(_with(payment, effect, asked))
    context.record(Effect(effect, "intended", asked.input, delivery=asked.delivery(effect)))
    return []


def _refusal(payment: Payment, asked: Asked, deadline: int | None, context: Context) -> str:
    if payment.dispatch_refused is not None:
        return f"the order is not dispatched: {payment.dispatch_refused}"
    if asked.amount_cents < 0:
        return "the amount is negative"
    if asked.amount_cents > 0 and not (asked.source or "").strip():
        return "no payment method"
    if context.past(deadline):
        return "too late to be dispatched or carried out"
    return ""


def _begin(order_id: int, effect: str, payment: Payment, asked: Asked, context: Context) -> list[Fact]:
    if asked.amount_cents == 0:
        return settled(order_id, effect, payment, replace(asked, reference=FREE), context)
    asked = replace(asked, sent=True)
    context.save(_with(payment, effect, asked))
    context.record(Effect(effect, "intended", asked.input, delivery=asked.delivery(effect)))
    return []


def _refund_settled_capture(order_id: int, payment: Payment, context: Context) -> list[Fact]:
    asked = _of(payment, REFUND)
    if reason := _no_refund(payment.capture, asked):
        return settled(order_id, REFUND, payment, replace(asked, reason=reason), context)
    return _begin(order_id, REFUND, payment, asked, context)


def _no_refund(captured: Asked | None, asked: Asked) -> str:
    """Why money cannot be given back; the gateway itself would refund any capture that it knows."""
    if captured is None or captured.reference is None:
        return f"nothing was captured: {'nobody asked for it' if captured is None else captured.reason}"
    if asked.source != captured.reference:
        return f"the order's capture is {captured.reference}, not {asked.source}"
    if asked.currency != captured.currency or not 0 <= asked.amount_cents <= captured.amount_cents:
        taken = f"{captured.amount_cents} {captured.currency}"
        return f"{taken} (smallest units) were captured, not {asked.amount_cents} {asked.currency}"
    return ""


def _refund_next(order_id: int, payment: Payment, context: Context) -> tuple[Payment, list[Fact]]:
    """What becomes of a refund that waited for its capture, which is settled now."""
    if _of(payment, CAPTURE).reference is not None:
        # The answer to one delivery begins no other.
        context.set_timer(REFUND, context.now)
        return payment, []
    refund_asked = payment.refund
    if refund_asked is None or refund_asked.settled:
        return payment, []
    refund_asked = replace(refund_asked, reason=_no_refund(payment.capture, refund_asked))
    outcome, fact = _outcome(order_id, REFUND, refund_asked, payment.flow, context.now)
    context.record(Effect(REFUND, outcome, refund_asked.input, detail=refund_asked.reason))
    return replace(payment, refund=refund_asked), [fact]


def _outcome(order_id: int, effect: str, asked: Asked, flow: str, now: int) -> tuple[str, Fact]:
    amount, currency, reference = asked.amount_cents, asked.currency, asked.reference
    reason = asked.reason or ""
    if effect == CAPTURE and reference is not None:
        return "captured", PaymentCaptured(order_id, amount, currency, reference, now, flow)
    if effect == CAPTURE:
        return "failed", PaymentFailed(order_id, reason, now, flow)
    if reference is not None:
        return "refunded", PaymentRefunded(order_id, amount, currency, reference, now, flow)
    return "failed", RefundFailed(order_id, reason, now, flow)


def _with_whole_refund(payment: Payment, context: Context) -> Payment:
    """With the refund that nobody but a refused dispatch asks for: of all that was captured."""
    captured = _of(payment, CAPTURE)
    if payment.refund is not None:
        return payment
    everything = Asked.at(context.now, captured.amount_cents, captured.currency, captured.reference)
    return replace(payment, refund=everything)


def _of(payment: Payment, effect: str) -> Asked:
    asked = payment.capture if effect == CAPTURE else payment.refund
    if asked is None:
        raise LookupError(f"no {effect} was asked for")
    return asked


def _with(payment: Payment, effect: str, asked: Asked) -> Payment:
    return replace(payment, capture=asked) if effect == CAPTURE else replace(payment, refund=asked)
