"""`cev verify`: the reconciliation of the log with what was done."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated

import typer

from cli import output, tables
from cli.common import AppContext, app_context, command
from consumers.registry import REACTIONS
from operations import effects
from operations.verify import reading
from operations.verify.check import check_all
from operations.verify.evidence import FLOW_READS, READS, SOURCES, Reads
from operations.verify.reconciliation import Reconciliation
from schemas.counting import counted

_LISTED = 10
_FAULTS = {
    "lost": "the group has read the record, and nothing happened",
    "unpaid": "of the lost: nobody took the money, and nobody says why",
    "duplicated": "more than one result",
    "phantom": "something was done, and no record asked for it",
    "different": "what was done is not what the record says",
    "removed": "offsets that were deleted from the log before the group had read them",
}


commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "verify",
    examples=(
        "cev verify",
        "cev verify --wait 30",
        "cev verify --json",
    ),
)
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
    reads = _groups(app)
    with _progress() as report:
        if wait and not reading.wait(app.cluster, reads, wait, report):
            report("")
            output.log.print(f"not every group came to the end within {wait:g} s", style="dim")
        stores = {group: app.store(group) for group in reads}
        result = check_all(app.cluster, app.codec, stores, report, reads)
    if as_json:
        output.emit_long(result._asdict())
    else:
        _print(result)
    for hint in _hints(result):
        tables.print_prose(output.log, f"[dim]{hint}[/dim]")
    if not result.ok:
        raise typer.Exit(1)


def _groups(app: AppContext) -> Reads:
    """The groups that every order is checked for, and further reactions that have run with a store here."""
    further = {
        reaction.name: tuple(topic for topic in reaction.reads if topic in SOURCES)
        for reaction in REACTIONS
        if reaction.name not in READS and effects.exists(app.store(reaction.name))
    }
    names = {reaction.name for reaction in REACTIONS}
    flows = {group: topics for group, topics in FLOW_READS.items() if group in names}
    return {**READS, **{group: topics for group, topics in further.items() if topics}, **flows}


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    if not output.log.is_terminal:
        yield lambda _text: None
        return
    with output.log.status("looking") as status:
        yield status.update


def _hints(result: Reconciliation) -> Iterator[str]:
    """What helps to read more records; nothing where nothing helps."""
    errors = result.unreadable_by_error
    if number := errors.get("NoRegistry", 0):
        yield (
            f"{counted(number, 'record')} of a schema registry cannot be read without it: name it with "
            "--schema-registry-url"
        )
    if number := errors.get("UnknownSchemaId", 0):
        yield (
            f"{counted(number, 'record')} cannot be read because this schema registry does not know the "
            "schema: is it the one that the writers use?"
        )
    if number := errors.get("UnknownFingerprint", 0):
        yield (
            f"{counted(number, 'record')} cannot be read because this version of the program does not know "
            "the schema: did a newer one write them?"
        )


def _print(result: Reconciliation) -> None:
    table = tables.new_table("what", "number", "note", right=("number",), prose=("note",), headings=False)
    for label, count, note in _lines(result):
        table.add_row(label, f"{count:,}", f"[dim]{note}[/dim]")
    tables.print_table(table)
    for name, meaning in _FAULTS.items():
        _print_list(name, getattr(result, name), meaning, "red")
    _print_list("unresolved", result.unresolved, "nobody knows whether money moved; no error", "yellow")
    _print_list("not read yet", result.unseen, "the group has not come to it; no error", "yellow")
    if result.ok:
        waiting = f"; {len(result.unseen):,} still on their way" if len(result.unseen) else ""
        output.console.print(f"\n[bold green]ok[/bold green]  no order lost, doubled or changed{waiting}")
    else:
        output.console.print("\n[bold red]not ok[/bold red]")


def _lines(result: Reconciliation) -> Iterator[tuple[str, int, str]]:
    yield (
        "accepted",
        result.accepted,
        f"orders: {counted(result.commands, 'command')}, {counted(result.facts, 'fact')}",
    )
    yield "dispatched", result.dispatched, "by the warehouse, each once"
    for name, note in (
        ("rejected", "refused by rule, and said so"),
        ("expired", "came too late, and said so"),
        ("dead", "orders that are not dispatched: somebody must decide about their dead letters"),
        ("discarded", "orders that somebody decided to do nothing more about: `cev dlq list --all`"),
        ("aged", "only the store knows them any more: their records were cleaned"),
    ):
        if getattr(result, name):
            yield name, getattr(result, name), note
    silent = f"; {result.no_contact:,} without mail address and phone" if result.no_contact else ""
    yield "notified", result.notified, f"of {counted(result.facts, 'fact')}{silent}"
    if result.skipped:
        yield "skipped", result.skipped, "of the notified: old news at the group's first start, never sent"
    yield "counted", result.counted, f"of {counted(result.facts, 'fact')}, in sales"
    yield from _flow_lines(result)
    for group, number in sorted(result.reactions.items()):
        yield group, number, "orders with an effect of it"
    for group in sorted({*result.dead_by_group, *result.discarded_by_group} - {"warehouse"}):
        if number := result.dead_by_group.get(group, 0):
            yield f"dead in {group}", number, "orders in a dead letter of that group"
        if number := result.discarded_by_group.get(group, 0):
            yield f"discarded in {group}", number, "orders, by an operator"
    if result.unreadable:
        errors = (f"{number:,} {error}" for error, number in result.unreadable_by_error.items())
        yield "unreadable", result.unreadable, f"records that are no orders: {', '.join(errors)}"
    if undecided := {group: number for group, number in result.dead_letters.items() if number}:
        groups = (f"{number:,} of {group}" for group, number in undecided.items())
        yield "dead letters", sum(undecided.values()), f"{', '.join(groups)}: `cev dlq list`"


def _flow_lines(result: Reconciliation) -> Iterator[tuple[str, int, str]]:
    if result.in_flows:
        yield "in flows", result.in_flows, "orders of several steps, in flow collaboration or process"
        yield "captured", result.captured, "paid, each once"
        yield "payment failed", result.payment_failed, "not paid, and said so"
        yield "refunded", result.refunded, "paid, not dispatched, and paid back"


def _print_list(name: str, ids: Collection[str], meaning: str, color: str) -> None:
    if not ids:
        return
    more = f" and {len(ids) - _LISTED:,} more" if len(ids) > _LISTED else ""
    tables.print_prose(
        output.console,
        f"[{color}]{name}[/{color}]  {len(ids):,}  [dim]{meaning}[/dim]  "
        f"{', '.join(islice(ids, _LISTED))}{more}",
        indent=2,
    )
