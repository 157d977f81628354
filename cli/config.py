"""`cev config`: every setting, its value and where it comes from; and a file to begin with."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import output, tables
from cli.common import command, loaded, new_group
from schemas.errors import UsageError

commands = new_group("Show the settings in force, or write a settings file.")

_OWNER_ONLY = 0o600


@command(
    commands,
    "show",
    examples=(
        "cev config show",
        "cev config show --json",
    ),
    cluster=False,
)
def show(ctx: typer.Context, *, as_json: output.JsonFlag = False) -> None:
    """Show every setting, its value and the source of the value; secrets are masked."""
    rows = loaded(ctx).shown()
    if as_json:
        for row in rows:
            output.emit({"name": row.name, "value": row.value, "source": row.source, "meaning": row.meaning})
        return
    table = tables.new_table("setting", "from", "value", "meaning", drop=("meaning",), prose=("meaning",))
    for row in rows:
        table.add_row(
            row.name,
            tables.cell(row.source),
            tables.cell(row.value or "-"),
            f"[dim]{tables.cell(row.meaning)}[/dim]",
        )
    tables.print_table(table)


@command(
    commands,
    "init",
    examples=(
        "cev config init",
        "cev config init -",
        "cev config init /etc/cev.toml",
    ),
    cluster=False,
)
def init(
    ctx: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to write; - writes to standard output.")
    ] = "cev.toml",
) -> None:
    """Write a settings file with every setting, what it means and its default.

    Only its owner can read the file, for passwords go there. A file that exists is left as it is. CEV_CONFIG
    names the file to all commands.
    """
    del ctx
    from cli.settings_file import settings_file  # noqa: PLC0415 - pydantic: help needs no settings

    if path == "-":
        sys.stdout.write(settings_file())
        return
    _write_new(Path(path), settings_file())
    output.log.print(f"wrote {output.safe(path)}; CEV_CONFIG names it", markup=False, soft_wrap=True)


def _write_new(path: Path, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8", opener=_owners_alone) as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists, and is left as it is: name another file, or - to see it") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _owners_alone(path: str, flags: int) -> int:
    return os.open(path, flags, _OWNER_ONLY)
