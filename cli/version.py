"""`--version`, which every command has."""

from typing import Annotated

import typer


def _print(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag's value
    if wanted:
        from importlib import metadata  # noqa: PLC0415 - a mail parser comes with it, for this flag alone

        typer.echo(f"cev {metadata.version('command-event')}")
        raise typer.Exit


VersionFlag = Annotated[
    bool, typer.Option("--version", callback=_print, is_eager=True, help="Print the version and exit.")
]
