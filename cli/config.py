"""`cev config show`: every setting, its value and where it comes from."""

import typer

from cli import output, tables
from cli.common import command, loaded, new_group

commands = new_group("Show the settings in force.")


@command(commands, "show", example="cev config show --json", cluster=False)
def show(ctx: typer.Context, *, as_json: output.JsonFlag = False) -> None:
    """Show every setting, its value and the source of the value; secrets are masked."""
    rows = loaded(ctx).shown()
    if as_json:
        for row in rows:
            output.emit({"name": row.name, "value": row.value, "source": row.source, "meaning": row.meaning})
        return
    table = tables.new_table("setting", "value", "from", "meaning")
    for row in rows:
        table.add_row(
            row.name,
            tables.cell(row.value or "-"),
            tables.cell(row.source),
            f"[dim]{tables.cell(row.meaning)}[/dim]",
        )
    tables.print_table(table)
