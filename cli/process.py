"""`cev process`: what the process manager knows of orders in flow `process`.

I/O: the store of its group, read-only; stdout.
"""

from typing import Annotated, Any

import typer

from cli import output, state_output, tables
from cli.common import command, new_group, settings, store_of
from cli.tables import cell
from consumers.flows.process import CONTRADICTED, NOT_PLACED, Process
from consumers.fulfilment import STAGES
from operations import effects, order_states
from operations.effects import RecordedEffect
from operations.order_states import WholeState
from schemas.money import amount
from schemas.times import rfc3339
from schemas.topics import BY_NAME, FULFILMENT_TIMERS

GROUP = BY_NAME[FULFILMENT_TIMERS].owner
STATUSES = sorted(
    {name for stage in STAGES.values() for name in (stage.status, stage.overdue) if name}
    | {NOT_PLACED, CONTRADICTED}
)

commands = new_group("Show how far the process manager has come with orders of flow process.")


@command(
    commands,
    "list",
    examples=("cev process list", 'cev process list --status "dispatch overdue"', "cev process list --json"),
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
    """List orders and how far each has come, what changed last first.

    Reads the store of group fulfilment; works without a broker.
    """
    listing = state_output.Listing(store_of(GROUP, settings(ctx)), STATUSES, "process", "processes")
    state_output.show_list(listing, status, as_json=as_json)


@command(
    commands, "show", examples=("cev process show 12004", "cev process show 12004 --json"), cluster=False
)
def show(
    ctx: typer.Context,
    order_id: Annotated[int, typer.Argument(metavar="ORDER_ID", help="The order.")],
    *,
    as_json: output.JsonFlag = False,
) -> None:
    """Show an order's process: where it is, how it came there, what it waits for, what it has issued.

    Reads the store of group fulfilment; works without a broker.
    """
    store = store_of(GROUP, settings(ctx))
    whole = order_states.read_state(store, Process, order_id)
    if whole is None:
        raise state_output.none_of(order_id, "process", store, other="in another flow")
    issued = sorted(effects.read_effects(store, order_id=order_id), key=lambda effect: effect.at)
    if as_json:
        output.emit(_document(whole, issued))
    else:
        _print_whole(whole, issued)


def _document(whole: WholeState, issued: list[RecordedEffect]) -> dict[str, Any]:
    process: Process = whole.state
    order = process.order
    return {
        **state_output.fields(whole.listed),
        "amount_cents": order.total_cents if order else None,
        "currency": order.currency if order else None,
        "payment": process.payment or None,
        "dispatch": process.dispatch or None,
        "refund": process.refund or None,
        "contradiction": process.contradiction or None,
        **state_output.history(whole),
        "commands": [
            {"effect": effect.effect, "command": effect.detail, "at": rfc3339(effect.at)} for effect in issued
        ],
    }


def _print_whole(whole: WholeState, issued: list[RecordedEffect]) -> None:
    state_output.print_whole(whole, _summary(whole.state, whole))
    commands_issued = tables.new_table("at", "issued", "guarded by", drop=("at",))
    for effect in issued:
        commands_issued.add_row(rfc3339(effect.at), cell(effect.detail), cell(effect.effect))
    output.console.print()
    tables.print_table(commands_issued)


def _summary(process: Process, whole: WholeState) -> tables.Table:
    summary = tables.new_table("", "", headings=False)
    if process.order is not None:
        total = f"{amount(process.order.total_cents, process.order.currency)} {process.order.currency}"
        summary.add_row("total", cell(total))
    for step in ("payment", "dispatch", "refund"):
        if outcome := getattr(process, step):
            summary.add_row(step, outcome)
    if process.contradiction:
        summary.add_row("contradiction", f"{process.contradiction} as well")
    for timer in whole.timers:
        summary.add_row("waits for", f"{cell(timer.name)} until {rfc3339(timer.due_at)}")
    return summary
