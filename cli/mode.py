"""`cev mode`: which way [BUY] is written, and since when (design §6)."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from cli.common import command, world
from cli.output import JsonFlag, console, emit, log, safe, table
from cli.who import me
from producers.mode.audience import missing_consumer_warning
from producers.mode.change import set_mode
from producers.mode.log import read_history, read_mode
from schemas.control import Mode, ModeChanged
from schemas.times import rfc3339

app = typer.Typer(help="How orders are written: command, shadow or event.", no_args_is_help=True)


@command(app, "show", example="cev mode show")
def show(ctx: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Show the mode in force."""
    here = world(ctx)
    change = read_mode(here.cluster, here.codec)
    if as_json:
        emit(_document(change))
    else:
        console.print(_line(change), soft_wrap=True)


@command(app, "set", example='cev mode set event --why "the warehouse reads orders now"')
def set_(
    ctx: typer.Context,
    mode: Annotated[Mode, typer.Argument(help="What orders are written as from now on.", show_default=False)],
    *,
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for the history.")] = "",
    if_epoch: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only if epoch N is in force; otherwise change nothing and exit 4."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Set the mode for every order producer, while they run.

    Setting the mode that is in force changes nothing. Two at once: one wins, the other exits 4.
    """
    here = world(ctx)
    setting = set_mode(here.cluster, here.codec, mode, changed_by=me(), why=why, if_epoch=if_epoch)
    if as_json:
        emit({**_document(setting.change), "changed": setting.changed})
    else:
        note = "" if setting.changed else "  [dim]nothing to change[/dim]"
        console.print(_line(setting.change) + note, soft_wrap=True)
    warning = missing_consumer_warning(here.cluster, mode)
    if warning:
        log.print(f"[yellow]warning:[/yellow] {escape(safe(warning))}", soft_wrap=True)


@command(app, "history", example="cev mode history --json")
def history(ctx: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Show every change of the mode, oldest first."""
    here = world(ctx)
    changes = read_history(here.cluster, here.codec)
    if as_json:
        for change in changes:
            emit(_document(change))
    elif not changes:
        console.print("The mode was never set: orders are written as commands.")
    else:
        sheet = table("epoch", "mode", "changed at", "by", "why", right=("epoch",))
        for change in changes:
            cells = (change.mode, rfc3339(change.changed_at), change.changed_by, change.why)
            sheet.add_row(str(change.epoch), *(escape(safe(cell)) for cell in cells))
        console.print(sheet)


def _document(change: ModeChanged) -> dict[str, Any]:
    ever = change.epoch > 0
    return {
        "mode": change.mode,
        "epoch": change.epoch,
        "changed_at": rfc3339(change.changed_at) if ever else None,
        "changed_by": change.changed_by if ever else None,
        "why": change.why,
    }


def _line(change: ModeChanged) -> str:
    told = f"[bold]{escape(safe(change.mode))}[/bold]  epoch {change.epoch}"
    if change.epoch == 0:
        return f"{told}  [dim]never set[/dim]"
    told += f"  [dim]since {rfc3339(change.changed_at)} by {escape(safe(change.changed_by))}[/dim]"
    return f"{told}  {escape(safe(change.why))}" if change.why else told
