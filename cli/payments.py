"""`cev payments`: what became of payments, and an operator's word about those of unknown outcome.

I/O: the store of the group, read-only; Kafka for `resolve`; stdout.
"""

from typing import Annotated, Any, Literal

import typer

from cli import output, state_output, tables
from cli.common import app_context, command, new_group, settings, store_of
from cli.tables import cell
from cli.user import user_at_host
from consumers.flows.payment import STATUSES, Asked, Payment
from consumers.registry import all_topics
from operations import order_states, payments
from operations.order_states import WholeState
from schemas.counting import counted
from schemas.decisions import PaymentResolved
from schemas.errors import UsageError
from schemas.money import amount
from schemas.times import rfc3339
from schemas.topics import BY_NAME, CAPTURE_PAYMENTS

GROUP = BY_NAME[CAPTURE_PAYMENTS].owner

commands = new_group("Show what became of payments, and resolve those of unknown outcome.")
OrderId = Annotated[int, typer.Argument(metavar="ORDER_ID", help="The order.")]


@command(
    commands,
    "list",
    examples=("cev payments list", "cev payments list --status unresolved", "cev payments list --json"),
    cluster=False,
)
def list_(
    ctx: typer.Context,
    *,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help=f"Only these: {', '.join(STATUSES)}.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """List payments, what changed last first.

    Reads the store of group payments; works without a broker.
    """
    listing = state_output.Listing(store_of(GROUP, settings(ctx)), STATUSES, "payment")
    state_output.show_list(listing, status, as_json=as_json)


@command(
    commands, "show", examples=("cev payments show 12004", "cev payments show 12004 --json"), cluster=False
)
def show(ctx: typer.Context, order_id: OrderId, *, as_json: output.JsonFlag = False) -> None:
    """Show the payment of an order: what was asked, what became of it, and each step with its time.

    Reads the store of group payments; works without a broker.
    """
    store = store_of(GROUP, settings(ctx))
    whole = order_states.read_state(store, Payment, order_id)
    if whole is None:
        raise state_output.none_of(order_id, "payment", store, other="in flow direct")
    if as_json:
        output.emit(_document(whole))
    else:
        state_output.print_whole(whole, _summary(whole.state, whole))


@command(
    commands,
    "resolve",
    examples=(
        'cev payments resolve 12004 captured --reference ch_17 --why "asked them"',
        'cev payments resolve 12004 failed --why "the gateway never got it"',
    ),
)
def resolve(
    ctx: typer.Context,
    order_id: OrderId,
    outcome: Annotated[
        Literal["captured", "failed"],
        typer.Argument(metavar="OUTCOME", help="What became of it: captured or failed."),
    ],
    *,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason; `cev payments show` shows it.")],
    reference: Annotated[
        str | None, typer.Option(metavar="R", help="What the gateway calls the capture.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Say what became of a payment whose outcome nobody knows.

    The payment gateway is asked on and on. This is for what it does not say: the order goes on, and the
    gateway's own word, if it comes, is compared. Refused while the outcome is known or may still come about.
    """
    if not why.strip():
        raise UsageError("--why is empty: say where you know it from")
    if (outcome == "captured") != bool((reference or "").strip()):
        raise UsageError("a payment that was captured has a --reference, one that failed has none")
    app = app_context(ctx)
    resolved = PaymentResolved(order_id, outcome, reference, user_at_host(), why)
    written = payments.resolve(app.cluster, all_topics(), app.store(GROUP), resolved)
    if as_json:
        output.emit({**resolved._asdict(), "order_id": str(order_id), **written._asdict()})
        return
    output.console.print(f"order {order_id}: {outcome}", soft_wrap=True)
    text = f"written to {written.topic}; `cev payments show {order_id}` shows when {GROUP} has taken it"
    tables.print_prose(output.log, f"[dim]{cell(text)}[/dim]")


def _document(whole: WholeState) -> dict[str, Any]:
    payment: Payment = whole.state
    resolution = payment.resolution
    return {
        **state_output.fields(whole.listed),
        "flow": payment.flow,
        "capture": _asked(payment.capture, "method"),
        "refund": _asked(payment.refund, "capture"),
        "resolution": {
            "outcome": resolution.outcome,
            "reference": resolution.reference,
            "why": resolution.why,
            "by": resolution.by,
        }
        if resolution
        else None,
        "contradiction": payment.contradiction,
        **state_output.history(whole),
    }


def _asked(asked: Asked | None, source: str) -> dict[str, Any] | None:
    if asked is None:
        return None
    return {
        "amount_cents": asked.amount_cents,
        "currency": asked.currency,
        source: asked.source,
        "since": rfc3339(asked.since),
        "under_way": asked.sent,
        "unanswered": asked.unanswered,
        "reference": asked.reference,
        "reason": asked.reason,
    }


def _summary(payment: Payment, whole: WholeState) -> tables.Table:
    summary = tables.new_table("", "", headings=False, prose=("",))
    for name, asked in (("capture", payment.capture), ("refund", payment.refund)):
        if asked is not None:
            summary.add_row(name, cell(_asked_text(asked)))
    if payment.dispatch_refused is not None:
        summary.add_row("dispatch", cell(f"refused: {payment.dispatch_refused}"))
    if resolution := payment.resolution:
        reference = f" {resolution.reference}" if resolution.reference else ""
        text = f"{resolution.outcome}{reference}, by {resolution.by}: {resolution.why}"
        summary.add_row("resolved", cell(text))
    if payment.contradiction:
        summary.add_row("contradiction", cell(payment.contradiction))
    for timer in whole.timers:
        summary.add_row("asked again", f"{cell(timer.name)} at {rfc3339(timer.due_at)}")
    return summary


def _asked_text(asked: Asked) -> str:
    text = f"{amount(asked.amount_cents, asked.currency)} {asked.currency}, {asked.source or 'no method'}"
    if asked.settled:
        return f"{text}: {asked.reference or asked.reason}"
    return f"{text}: {counted(asked.unanswered, 'request')} without an answer"
