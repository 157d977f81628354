"""What a process issues: commands, each guarded by an effect, and the timer of what it waits for. Pure.

capture                 CapturePayment
dispatch                DispatchProduct, good until the order's latest time
refund                  RefundPayment
notify:CHANNEL:PURPOSE  SendNotification, for each channel that the order names a recipient for
"""

import json
from collections.abc import Iterable, Iterator

from consumers.flows import messages
from consumers.flows.process import Process
from consumers.runtime.reaction import Context, Effect, IssuedCommand
from schemas.commands import CapturePayment, DispatchProduct, RefundPayment, SendNotification
from schemas.facts import OrderPlaced, PaymentCaptured

CAPTURE = "capture"
DISPATCH = "dispatch"
REFUND = "refund"
Issued = tuple[str, IssuedCommand]


def issue(process: Process, owed: Iterable[str], context: Context) -> list[IssuedCommand]:
    """Make the commands that a process owes, and record the effects that guard them.

    Args:
        process: its order is known.
        owed: `CAPTURE`, `DISPATCH`, `REFUND`, or the purpose of a notification.
        context: gets the effects.
    """
    commands = list[IssuedCommand]()
    order = process.order
    if order is None:
        return commands
    for name in owed:
        for effect, command in _commands(name, order, process.captured):
            content = json.dumps(command.command._asdict(), ensure_ascii=False)
            context.record(Effect(effect, "issued", content, detail=type(command.command).__name__))
            commands.append(command)
    return commands


def set_timers(before: str | None, after: str | None, context: Context) -> None:
    """Wait for a step's result, and no longer for another's.

    Args:
        before: the step that was waited for, or None.
        after: the step that is waited for now, or None.
        context: gets the timers.
    """
    if before == after:
        return
    if before is not None:
        context.cancel_timer(before)
    if after is not None:
        is_dispatch = after == "dispatch"
        timeout = context.dispatch_timeout_ms if is_dispatch else context.payment_timeout_ms
        context.set_timer(after, context.now + timeout)


def _commands(name: str, order: OrderPlaced, captured: PaymentCaptured | None) -> Iterator[Issued]:
    if name == CAPTURE:
        command = CapturePayment(order.order_id, order.total_cents, order.currency, order.payment_method)
        yield name, IssuedCommand(command)
    elif name == DISPATCH:
        dispatch = DispatchProduct(order.order_id, order.address, order.mode_epoch, order.flow)
        yield name, IssuedCommand(dispatch, order.dispatch_before)
    elif name != REFUND:
        yield from _notifications(name, order)
    elif captured is not None:
        refund = RefundPayment(order.order_id, captured.amount_cents, captured.currency, captured.reference)
        yield name, IssuedCommand(refund)


def _notifications(purpose: str, order: OrderPlaced) -> Iterator[Issued]:
    is_first = purpose == messages.PLACED
    notice = messages.placed(order) if is_first else messages.later(purpose, order.order_id, order.customer)
    for channel, recipient in messages.recipients(order.email, order.phone):
        command = SendNotification(order.order_id, channel, recipient, *notice)
        yield f"notify:{channel}:{purpose}", IssuedCommand(command)
