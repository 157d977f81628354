"""Fulfilment: the process manager of orders in flow `process`: it hears facts and issues commands (P17).

reads   orders (fact), payments and dispatch_results (results), fulfilment.timers (owned by this group)
issues  capture_payments, dispatch_products, send_notifications

Results may come before their order, where a new store reads the topics from the beginning: they are kept for
it. A result says its flow, so those of other flows leave nothing behind.
"""

from consumers.flows import flow_of
from consumers.flows.issuing import CAPTURE, DISPATCH, REFUND, issue, set_timers
from consumers.flows.messages import DISPATCHED, PAYMENT_FAILED, PLACED, REFUNDED
from consumers.flows.process import Process, Result, Stage
from consumers.runtime.reaction import Context, IssuedCommand
from schemas import topics
from schemas.control import Flow
from schemas.facts import OrderPlaced
from schemas.timers import TimerDue

READS = (topics.ORDERS, topics.PAYMENTS, topics.DISPATCH_RESULTS, topics.FULFILMENT_TIMERS)
ISSUES = (topics.CAPTURE_PAYMENTS, topics.DISPATCH_PRODUCTS, topics.SEND_NOTIFICATIONS)
STAGES = {
    (): Stage("paying", (CAPTURE, PLACED), "payment", "payment unresolved"),
    ("failed",): Stage("failed", (PAYMENT_FAILED,)),
    ("captured",): Stage("dispatching", (DISPATCH,), "dispatch", "dispatch overdue"),
    ("captured", "dispatched"): Stage("completed", (DISPATCHED,)),
    ("captured", "rejected"): Stage("refunding", (REFUND,), "refund", "refund overdue"),
    ("captured", "expired"): Stage("refunding", (REFUND,), "refund", "refund overdue"),
    ("captured", "rejected", "refunded"): Stage("refunded", (REFUNDED,)),
    ("captured", "expired", "refunded"): Stage("refunded", (REFUNDED,)),
    ("captured", "rejected", "not refunded"): Stage("refund failed"),
    ("captured", "expired", "not refunded"): Stage("refund failed"),
}
"""What follows what: by the outcomes of payment, dispatch and refund so far."""


def react(message: OrderPlaced | Result | TimerDue, context: Context) -> list[IssuedCommand]:
    """Take the order's process on, and issue what it owes from here on."""
    if not _is_ours(message, context):
        return []
    before = context.state or Process()
    after = before.after(message, STAGES)
    if after == before:
        before.check_told_again(message, context.position)
        return []
    context.save(after)
    set_timers(before.waits_for(STAGES), after.waits_for(STAGES), context)
    return issue(after, sorted({*after.owed(STAGES)} - {*before.owed(STAGES)}), context)


def _is_ours(message: OrderPlaced | Result | TimerDue, context: Context) -> bool:
    if isinstance(message, OrderPlaced):
        return flow_of(message, context) is Flow.PROCESS
    return isinstance(message, TimerDue) or message.flow == Flow.PROCESS
