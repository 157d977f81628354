"""What an operator says about a payment of unknown outcome, and what the gateway says later. Pure.

    no request is under way         the operator's word is the outcome, and the gateway is asked for its own
    a request is under way          its answer is waited for; where there is none, the operator's word counts
    it is settled meanwhile         the word came too late: it is in the state's history, and changes nothing
    the gateway says otherwise      the outcome stays, for everybody has heard of it; a person must
    ... and the operator insists    the contradiction is over

A word that came too late makes no dead letter: there is nothing left to decide.
"""

import json
from dataclasses import replace

from consumers.flows import payment_steps
from consumers.flows.payment import Asked, Payment, Resolution
from consumers.flows.payment_steps import CAPTURE, inquiry_ms
from consumers.runtime.reaction import Context, DeliveryAnswer, Effect
from schemas.decisions import PaymentResolved
from schemas.errors import ConflictingOrder
from schemas.facts import Fact
from schemas.timers import TimerDue

CHECK = "check"
"""The effect, and the timer, that ask the gateway for its word."""


def resolved(message: PaymentResolved, context: Context) -> list[Fact]:
    """Take an operator's word.

    Raises:
        ConflictingOrder: no payment of the order was asked for.
    """
    payment: Payment | None = context.state
    capture = None if payment is None else payment.capture
    if payment is None or capture is None:
        raise ConflictingOrder("no payment of this order was asked for", context.position)
    resolution = Resolution(reference=message.reference, why=message.why, by=message.by)
    if capture.settled:
        insists = payment.resolution is not None and payment.resolution.outcome == resolution.outcome
        context.save(replace(payment, contradiction=None) if insists else payment)
        return []
    payment = replace(payment, resolution=resolution)
    if capture.sent:
        context.save(payment)
        # Where the request was refused for good, the timer takes it up again.
        context.set_timer(CAPTURE, context.now)
        return []
    return _settle(message.order_id, payment, capture, resolution, context)


def answered(message: DeliveryAnswer, context: Context) -> list[Fact]:
    """Take the gateway's answer; where there is none, an operator's word if there is one."""
    payment: Payment = context.state
    capture, resolution = payment.capture, payment.resolution
    if message.effect == CHECK and capture:
        return _checked(message, payment, capture, context)
    if message.effect == CAPTURE and message.answer is None and capture and resolution:
        return _settle(message.order_id, payment, capture, resolution, context)
    return payment_steps.answered(message, context)


def timer_due(message: TimerDue, context: Context) -> list[Fact]:
    """Ask the gateway for its word, or what `payment_steps` does."""
    payment: Payment | None = context.state
    if message.name != CHECK:
        return payment_steps.timer_due(message, context)
    if payment is None or payment.capture is None or not payment.capture.by:
        return []
    context.save(payment)
    asked = payment.capture
    context.record(Effect(CHECK, "intended", asked.input, delivery=asked.delivery(CHECK)))
    return []


def _settle(
    order_id: int, payment: Payment, capture: Asked, resolution: Resolution, context: Context
) -> list[Fact]:
    reason = None if resolution.reference is not None else resolution.why
    asked = replace(capture, reference=resolution.reference, reason=reason, by=resolution.by)
    facts = payment_steps.settled(order_id, CAPTURE, payment, asked, context)
    context.set_timer(CHECK, context.now + inquiry_ms(1, overdue=False))
    return facts


def _checked(message: DeliveryAnswer, payment: Payment, capture: Asked, context: Context) -> list[Fact]:
    if message.answer is None:
        checks = payment.checks + 1
        context.record(Effect(CHECK, "unresolved", capture.input))
        context.save(replace(payment, checks=checks))
        context.set_timer(CHECK, context.now + inquiry_ms(checks, overdue=True))
        return []
    contradiction = _contradiction(capture, message.answer)
    outcome = "agreed" if contradiction is None else "contradicted"
    context.record(Effect(CHECK, outcome, capture.input, detail=contradiction))
    context.save(replace(payment, contradiction=contradiction))
    return []


def _contradiction(capture: Asked, text: str) -> str | None:
    answer = json.loads(text)
    ours, theirs = capture.reference, answer.get("reference")
    if ours == theirs:
        return None
    ours_text = f"{capture.by} said {'failed' if ours is None else f'captured {ours}'}"
    return f"{ours_text}; the gateway says {answer['outcome']} {theirs or answer.get('reason', '')}".rstrip()
