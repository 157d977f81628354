"""`cev config show`: every setting, its value and where it comes from."""

import typer

from cli import output, tables
from cli.common import command, loaded

app = typer.Typer(help="The settings in force.", no_args_is_help=True)


@command(app, "show", example="cev config show --json")
def show(ctx: typer.Context, *, as_json: output.JsonFlag = False) -> None:
    """Show every setting, its value and where the value comes from; secrets are masked."""
    rows = loaded(ctx).shown()
    if as_json:
        for row in rows:
            output.emit({"name": row.name, "value": row.value, "source": row.source, "meaning": row.meaning})
        return
    sheet = output.table("setting", "value", "from", "meaning")
    for row in rows:
        sheet.add_row(
            row.name,
            tables.cell(row.value or "-"),
            tables.cell(row.source),
            f"[dim]{tables.cell(row.meaning)}[/dim]",
        )
    tables.show(sheet)
