"""`cev mode`: which way [BUY] is written, and since when (design §6)."""

from typing import Annotated, Any

import typer

from cli.common import app_context, command, new_group
from cli.output import JsonFlag, console, emit
from cli.tables import cell, new_table, print_table, warn
from cli.user import user_at_host
from producers.mode.audience import missing_consumer_warnings
from producers.mode.change import ModeChangeResult, set_mode
from producers.mode.log import read_log
from producers.mode.sequence import ModeState
from schemas.control import Flow, Mode, ModeChanged
from schemas.times import rfc3339

_SHOWN = 5

commands = new_group(
    "Show or set how orders are written: as command, as event, or in shadow.\n\n"
    "In shadow both are written and the command decides. Every change has a number, its epoch.\n\n"
    "In mode event a flow says who coordinates payment, dispatch and mail."
)


@command(
    commands,
    "show",
    examples=(
        "cev mode show",
        "cev mode show --json",
    ),
)
def show(ctx: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Show the mode in force."""
    app = app_context(ctx)
    _, state = read_log(app.cluster, app.codec)
    change = state.in_force
    _warn_of_suspects(state)
    if as_json:
        emit(_document(change))
    else:
        console.print(_line(change), soft_wrap=True)


@command(
    commands,
    "set",
    examples=(
        'cev mode set event --why "the warehouse reads orders now"',
        "cev mode set event --flow process",
        "cev mode set shadow --if-epoch 3",
        "cev mode set command",
    ),
)
def set_(
    ctx: typer.Context,
    mode: Annotated[
        Mode,
        typer.Argument(
            metavar="MODE",
            help="How orders are written from now on: command, event, or shadow (both, the command decides).",
            show_default=False,
        ),
    ],
    *,
    flow: Annotated[
        Flow,
        typer.Option(
            help="Who coordinates what follows an order: nobody, the facts, or a process manager. "
            "Other than direct, it needs mode event.",
        ),
    ] = Flow.DIRECT,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason, recorded in the history.")] = "",
    if_epoch: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Change the mode only if its last change has number N; otherwise exit 4."
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Pass over records on order_mode that cannot be read or are suspect."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Set the mode for every order producer, while they run.

    Setting the mode and flow that are in force changes nothing. If two do it at the same time, one of them
    wins and the other exits 4.
    """
    app = app_context(ctx)
    result = set_mode(
        app.cluster,
        app.codec,
        mode,
        flow,
        changed_by=user_at_host(),
        why=why,
        if_epoch=if_epoch,
        repair=repair,
    )
    _print_result(result, as_json=as_json)
    for warning in missing_consumer_warnings(app.cluster, mode, flow):
        warn(warning)


@command(
    commands,
    "history",
    examples=(
        "cev mode history",
        "cev mode history --json",
    ),
)
def history(ctx: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Show every change of the mode, oldest first."""
    app = app_context(ctx)
    changes, state = read_log(app.cluster, app.codec)
    _warn_of_suspects(state)
    if as_json:
        for change in changes:
            emit(_document(change))
    elif not changes:
        console.print("The mode was never set: orders are written as commands.")
    else:
        table = new_table(
            *("epoch", "mode", "flow", "changed at", "by", "why"),
            right=("epoch",),
            drop=("by",),
            prose=("why",),
        )
        for change in changes:
            texts = (change.mode, change.flow, rfc3339(change.changed_at), change.changed_by, change.why)
            table.add_row(str(change.epoch), *map(cell, texts))
        print_table(table)


def _print_result(result: ModeChangeResult, *, as_json: bool) -> None:
    before, passed_over = result.before, result.before.suspects if result.changed else ()
    if result.lost_epoch:
        warn(
            f"order_mode was made anew: orders were placed in epoch {result.lost_epoch}, and it said "
            f"{before.change.mode}, epoch {before.change.epoch}"
        )
    if result.changed:
        for suspect in passed_over:
            warn(f"passed over {suspect.position}: {suspect.reason}")
        if before.suspects_left_out:
            warn(f"passed over {before.suspects_left_out:,} more")
    else:
        _warn_of_suspects(before)
    if as_json:
        records = [{**suspect.position._asdict(), "reason": suspect.reason} for suspect in passed_over]
        emit({**_document(result.change), "changed": result.changed, "passed_over": records})
    else:
        note = "" if result.changed else "  [dim]nothing to change[/dim]"
        console.print(_line(result.change) + note, soft_wrap=True)


def _warn_of_suspects(state: ModeState) -> None:
    for suspect in state.suspects[:_SHOWN]:
        warn(f"{suspect.position}: {suspect.reason}")
    if state.suspects:
        more = len(state.suspects) + state.suspects_left_out - _SHOWN
        warn(
            f"{f'{more:,} more records' if more > 0 else 'records'} on order_mode that no `mode set` wrote; "
            "`cev mode set MODE --repair` passes over them"
        )


def _document(change: ModeChanged) -> dict[str, Any]:
    ever = change.epoch > 0
    return {
        "mode": change.mode,
        "flow": change.flow,
        "epoch": change.epoch,
        "changed_at": rfc3339(change.changed_at) if ever else None,
        "changed_by": change.changed_by if ever else None,
        "why": change.why,
    }


def _line(change: ModeChanged) -> str:
    line = f"[bold]{cell(change.mode)}[/bold]  epoch {change.epoch}"
    if change.mode == Mode.EVENT:
        line += f"  flow {cell(change.flow)}"
    if change.epoch == 0:
        return f"{line}  [dim]never set[/dim]"
    line += f"  [dim]since {rfc3339(change.changed_at)} by {cell(change.changed_by)}[/dim]"
    return f"{line}  {cell(change.why)}" if change.why else line
