"""`cev verify`: the reconciliation of the log with what was done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cli import output, tables
from cli.common import app_context, command
from operations.verify import reading
from operations.verify.evidence import READS
from operations.verify.reconcile import reconcile
from operations.verify.reconciliation import Reconciliation

_LISTED = 10
_FAULTS = {
    "lost": "the group has passed it, and nothing happened",
    "duplicated": "more than one result",
    "phantom": "an effect without a record",
    "different": "content, or a shadow decision",
}


commands = typer.Typer(rich_markup_mode=None)


@command(commands, "verify", example="cev verify --wait 30")
def verify(
    ctx: typer.Context,
    *,
    wait: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="First wait for the groups to reach the end, at most so many seconds.",
        ),
    ] = 0,
    as_json: output.JsonFlag = False,
) -> None:
    """Check that every accepted order was handled exactly once.

    Compares the records of all topics with what the groups have stored. Exits with 1 if an order is lost,
    duplicated or changed.
    """
    app = app_context(ctx)
    with _progress() as report:
        if wait and not reading.wait(app.cluster, wait, report):
            report("")
            output.log.print(f"not every group came to the end within {wait:g} s", style="dim")
        stores = {group: app.store(group) for group in READS}
        verdict = reconcile(reading.gather(app.cluster, app.codec, stores, report))
    if as_json:
        output.emit(verdict._asdict())
    else:
        _print(verdict)
    if verdict.unreadable and app.registry is None:
        output.log.print(
            f"{verdict.unreadable} records cannot be read; if a schema registry wrote them, name it with "
            "--schema-registry-url",
            style="dim",
        )
    if not verdict.ok:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    if not output.log.is_terminal:
        yield lambda _text: None
        return
    with output.log.status("looking") as status:
        yield status.update


def _print(verdict: Reconciliation) -> None:
    sheet = tables.new_table("what", "orders", "note", right=("orders",))
    sheet.show_header = False
    for label, count, note in _lines(verdict):
        sheet.add_row(label, f"{count:,}", f"[dim]{note}[/dim]")
    tables.print_table(sheet)
    for name, meaning in _FAULTS.items():
        _print_list(name, getattr(verdict, name), meaning, "red")
    _print_list("unseen", verdict.unseen, "the group is not there yet; not an error", "yellow")
    if verdict.ok:
        waiting = f"; {len(verdict.unseen):,} still on their way" if verdict.unseen else ""
        output.console.print(f"\n[bold green]ok[/bold green]  no order lost, doubled or changed{waiting}")
    else:
        output.console.print("\n[bold red]not ok[/bold red]")


def _lines(verdict: Reconciliation) -> Iterator[tuple[str, int, str]]:
    yield "accepted", verdict.accepted, f"{verdict.commands:,} as commands, {verdict.facts:,} as facts"
    yield "dispatched", verdict.dispatched, "by the warehouse, each once"
    for name, note in (
        ("rejected", "refused by rule, and said so"),
        ("expired", "came too late, and said so"),
        ("dead", "in a dead letter, for an operator to decide: `cev dlq list`"),
        ("discarded", "an operator decided that nothing more is done about them: `cev dlq list --all`"),
        ("aged", "only the store knows them any more: their records were cleaned"),
    ):
        if getattr(verdict, name):
            yield name, getattr(verdict, name), note
    silent = f"; {verdict.no_contact:,} owe none" if verdict.no_contact else ""
    yield "notified", verdict.notified, f"of {verdict.facts:,} facts{silent}"
    yield "counted", verdict.counted, f"of {verdict.facts:,} facts, in sales"
    for group in ("notification", "sales"):
        if verdict.dead_by_group[group]:
            yield f"dead in {group}", verdict.dead_by_group[group], "in a dead letter of that group"
        if verdict.discarded_by_group[group]:
            yield f"discarded in {group}", verdict.discarded_by_group[group], "by an operator"
    if verdict.unreadable:
        yield "unreadable", verdict.unreadable, "records that are no orders"


def _print_list(name: str, ids: tuple[str, ...], meaning: str, color: str) -> None:
    if not ids:
        return
    shown = ", ".join(ids[:_LISTED]) + (f" and {len(ids) - _LISTED:,} more" if len(ids) > _LISTED else "")
    output.console.print(
        f"[{color}]{name}[/{color}]  {len(ids):,}  [dim]{meaning}[/dim]  {shown}", soft_wrap=True
    )
