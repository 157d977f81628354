"""`cev effects`: what a reaction has done."""

from collections.abc import Iterator
from typing import Annotated

import typer

from cli import output, tables
from cli.common import command, settings, store_of
from cli.completion import reaction_names
from cli.tables import Table
from consumers.registry import REACTIONS, named
from operations import effects
from operations.effects import RecordedEffect
from schemas.counting import counted
from schemas.money import amount
from schemas.times import rfc3339

_PAGE = 1_000


commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "effects",
    examples=(
        "cev effects warehouse",
        "cev effects warehouse --order-id 12004 --all",
        "cev effects sales --json",
    ),
    cluster=False,
)
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
        place = "data directory" if store.path is not None else "database"
        output.log.print(
            f"{name} never ran with this {place}: {tables.cell(store)} is not there",
            style="dim",
            soft_wrap=True,
        )
        return
    rows = effects.read_effects(
        store, order_id=order_id, outcome="dispatched" if name == "warehouse" and not every else None
    )
    if as_json:
        for document in effects.documents(name, rows):
            output.emit(document)
        return
    _print(name, rows)


def _print(name: str, rows: Iterator[RecordedEffect]) -> None:
    if name == "sales":
        tables.print_table(sales_table(rows))
    elif name == "loyalty":
        tables.print_table(_points(rows))
    else:
        _stream(name, rows)


def sales_table(rows: Iterator[RecordedEffect]) -> Table:
    """What was sold, per product, day and currency."""
    table = tables.new_table(
        "day", "product", "orders", "units", "revenue", "", right=("orders", "units", "revenue")
    )
    for total in effects.sales(rows):
        table.add_row(
            total.day,
            tables.cell(total.product),
            f"{total.orders:,}",
            f"{total.units:,}",
            amount(total.amount_cents, total.currency),
            tables.cell(total.currency),
        )
    return table


def _points(rows: Iterator[RecordedEffect]) -> Table:
    table = tables.new_table("points", "orders", "customer", right=("points", "orders"))
    for account in effects.points(rows):
        table.add_row(f"{account.points:,}", f"{account.orders:,}", tables.cell(account.customer))
    return table


def _stream(name: str, rows: Iterator[RecordedEffect]) -> None:
    """Rows in pages, so that a store of any size is shown in constant memory."""
    count = 0
    table = _page(name)
    for row in rows:
        if name == "warehouse":
            note = f"{row.input or '-'}  ({row.detail})" if row.detail else row.input or "-"
            cells = (str(row.order_id), row.outcome, row.via, rfc3339(row.at), note)
        else:
            cells = (str(row.order_id), row.effect, row.outcome, rfc3339(row.at), row.input or "-")
        table.add_row(*(tables.cell(cell) for cell in cells))
        count += 1
        if count % _PAGE == 0:
            tables.print_table(table)
            table = _page(name)
    if table.row_count or not count:
        tables.print_table(table)
    output.log.print(counted(count, "effect"), style="dim")


def _page(name: str) -> Table:
    if name == "warehouse":
        columns = ("order", "outcome", "via", "at", "address")
        return tables.new_table(*columns, right=("order",), drop=("via", "at"), prose=("address",))
    last = "recipient" if name == "notification" else "input"
    return tables.new_table("order", "effect", "outcome", "at", last, right=("order",), drop=("at",))
