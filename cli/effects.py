"""`cev effects`: what a reaction has done."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table

from cli import output, tables
from cli.common import command, settings, store_of
from cli.completion import reaction_names
from consumers.registry import REACTIONS, named
from operations import effects
from operations.effects import RecordedEffect
from schemas.times import rfc3339

_PAGE = 1_000


commands = typer.Typer(rich_markup_mode=None)


@command(commands, "effects", example="cev effects warehouse --json", cluster=False)
def show(
    ctx: typer.Context,
    reaction: Annotated[
        str,
        typer.Argument(
            metavar="REACTION",
            help=f"One of {', '.join(r.name for r in REACTIONS)}.",
            autocompletion=reaction_names,
        ),
    ],
    *,
    order_id: Annotated[
        int | None, typer.Option(metavar="N", help="Show the effects of this order only.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="For the warehouse: include rejected and expired orders.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Show what a reaction has done.

    Reads the store of its group; works without a broker.
    """
    name = named(reaction).name
    store = store_of(name, settings(ctx))
    if not effects.exists(store):
        where = "data directory" if store.path is not None else "database"
        output.log.print(
            f"{name} never ran with this {where}: {tables.cell(store)} is not there", style="dim"
        )
        return
    found = effects.read_effects(
        store, order_id=order_id, outcome="dispatched" if name == "warehouse" and not every else None
    )
    if as_json:
        for document in effects.documents(name, found):
            output.emit(document)
        return
    _print(name, found)


def _print(name: str, found: Iterator[RecordedEffect]) -> None:
    if name == "sales":
        tables.print_table(_sales(found))
    elif name == "loyalty":
        tables.print_table(_points(found))
    else:
        _stream(name, found)


def _sales(found: Iterator[RecordedEffect]) -> Table:
    sheet = tables.new_table(
        "day", "product", "orders", "units", "revenue", "", right=("orders", "units", "revenue")
    )
    for each in effects.sales(found):
        sheet.add_row(
            each.day,
            tables.cell(each.product),
            f"{each.orders:,}",
            f"{each.units:,}",
            money(each.amount_cents),
            tables.cell(each.currency),
        )
    return sheet


def _points(found: Iterator[RecordedEffect]) -> Table:
    sheet = tables.new_table("customer", "points", "orders", right=("points", "orders"))
    for each in effects.points(found):
        sheet.add_row(tables.cell(each.customer), f"{each.points:,}", f"{each.orders:,}")
    return sheet


def _stream(name: str, found: Iterator[RecordedEffect]) -> None:
    """Rows in pages, so that a store of any size is shown in constant memory."""
    count = 0
    sheet = _page(name)
    for each in found:
        if name == "warehouse":
            note = f"{each.input or '-'}  ({each.detail})" if each.detail else each.input or "-"
            cells = (str(each.order_id), each.outcome, each.via, rfc3339(each.at), note)
        else:
            cells = (str(each.order_id), each.effect, each.outcome, rfc3339(each.at), each.input or "-")
        sheet.add_row(*(tables.cell(cell) for cell in cells))
        count += 1
        if count % _PAGE == 0:
            tables.print_table(sheet)
            sheet = _page(name)
    if sheet.row_count or not count:
        tables.print_table(sheet)
    output.log.print(f"{count:,} {'effect' if count == 1 else 'effects'}", style="dim")


def _page(name: str) -> Table:
    if name == "warehouse":
        return tables.new_table("order", "outcome", "via", "at", "address", right=("order",))
    last = "recipient" if name == "notification" else "input"
    return tables.new_table("order", "effect", "outcome", "at", last, right=("order",))


def money(cents: int) -> str:
    """Cents as an amount, e.g. -1,234.05."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"
