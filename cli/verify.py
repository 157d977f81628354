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
    "removed": "offsets that were deleted from the log before the group had read them",
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
        result = reconcile(reading.gather(app.cluster, app.codec, stores, report))
    if as_json:
        output.emit(result._asdict())
    else:
        _print(result)
    if result.unreadable and app.registry is None:
        output.log.print(
            f"{result.unreadable} records cannot be read; if a schema registry wrote them, name it with "
            "--schema-registry-url",
            style="dim",
        )
    if not result.ok:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    if not output.log.is_terminal:
        yield lambda _text: None
        return
    with output.log.status("looking") as status:
        yield status.update


def _print(result: Reconciliation) -> None:
    table = tables.new_table("what", "orders", "note", right=("orders",))
    table.show_header = False
    for label, count, note in _lines(result):
        table.add_row(label, f"{count:,}", f"[dim]{note}[/dim]")
    tables.print_table(table)
    for name, meaning in _FAULTS.items():
        _print_list(name, getattr(result, name), meaning, "red")
    _print_list("unseen", result.unseen, "the group is not there yet; not an error", "yellow")
    if result.ok:
        waiting = f"; {len(result.unseen):,} still on their way" if result.unseen else ""
        output.console.print(f"\n[bold green]ok[/bold green]  no order lost, doubled or changed{waiting}")
    else:
        output.console.print("\n[bold red]not ok[/bold red]")


def _lines(result: Reconciliation) -> Iterator[tuple[str, int, str]]:
    yield "accepted", result.accepted, f"{result.commands:,} as commands, {result.facts:,} as facts"
    yield "dispatched", result.dispatched, "by the warehouse, each once"
    for name, note in (
        ("rejected", "refused by rule, and said so"),
        ("expired", "came too late, and said so"),
        ("dead", "in a dead letter, for an operator to decide: `cev dlq list`"),
        ("discarded", "an operator decided that nothing more is done about them: `cev dlq list --all`"),
        ("aged", "only the store knows them any more: their records were cleaned"),
    ):
        if getattr(result, name):
            yield name, getattr(result, name), note
    silent = f"; {result.no_contact:,} owe none" if result.no_contact else ""
    yield "notified", result.notified, f"of {result.facts:,} facts{silent}"
    yield "counted", result.counted, f"of {result.facts:,} facts, in sales"
    for group in ("notification", "sales"):
        if result.dead_by_group[group]:
            yield f"dead in {group}", result.dead_by_group[group], "in a dead letter of that group"
        if result.discarded_by_group[group]:
            yield f"discarded in {group}", result.discarded_by_group[group], "by an operator"
    if result.unreadable:
        yield "unreadable", result.unreadable, "records that are no orders"


def _print_list(name: str, ids: tuple[str, ...], meaning: str, color: str) -> None:
    if not ids:
        return
    shown = ", ".join(ids[:_LISTED]) + (f" and {len(ids) - _LISTED:,} more" if len(ids) > _LISTED else "")
    output.console.print(
        f"[{color}]{name}[/{color}]  {len(ids):,}  [dim]{meaning}[/dim]  {shown}", soft_wrap=True
    )
