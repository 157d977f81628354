"""Payments: take the money of an order, and give it back, by asking a payment gateway.

reads   capture_payments (command, owned by this group), payments.timers, and of orders in flow collaboration,
        where nobody commands it, orders and dispatch_results (facts)
writes  payments

What a message changes: flows/payment_steps.py and payment_resolutions.py; what is remembered: payment.py.
"""

from collections.abc import Callable
from typing import Any

from consumers.flows import flow_of, payment_resolutions, payment_steps
from consumers.flows.payment import Asked
from consumers.runtime.reaction import Context, DeliveryAnswer
from schemas import topics
from schemas.commands import CapturePayment, RefundPayment
from schemas.control import Flow
from schemas.decisions import PaymentResolved
from schemas.facts import DispatchExpired, DispatchRejected, Fact, OrderPlaced
from schemas.timers import TimerDue

READS = (topics.CAPTURE_PAYMENTS, topics.ORDERS, topics.DISPATCH_RESULTS, topics.PAYMENTS_TIMERS)
WRITES = (topics.PAYMENTS,)
CHANNELS = ("gateway",)


def react(message: Any, context: Context) -> list[Fact]:
    """Ask the gateway, once for an order; say what became of it; ask again where nobody knows."""
    step = _STEPS.get(type(message))
    return [] if step is None else step(message, context)


def _on_command(message: CapturePayment, context: Context) -> list[Fact]:
    asked = Asked.at(context.now, message.amount_cents, message.currency, message.method)
    deadline = context.envelope.expires_at
    return payment_steps.capture(message.order_id, asked, Flow.PROCESS, deadline, context)


def _on_fact(message: OrderPlaced, context: Context) -> list[Fact]:
    if flow_of(message, context) is not Flow.COLLABORATION:
        return []
    asked = Asked.at(context.now, message.total_cents, message.currency, message.payment_method)
    deadline = message.dispatch_before
    return payment_steps.capture(message.order_id, asked, Flow.COLLABORATION, deadline, context)


_STEPS: dict[type, Callable[[Any, Context], list[Fact]]] = {
    CapturePayment: _on_command,
    OrderPlaced: _on_fact,
    RefundPayment: payment_steps.refund,
    DispatchRejected: payment_steps.dispatch_refused,
    DispatchExpired: payment_steps.dispatch_refused,
    DeliveryAnswer: payment_resolutions.answered,
    TimerDue: payment_resolutions.timer_due,
    PaymentResolved: payment_resolutions.resolved,
}
