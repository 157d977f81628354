"""`--version`, which every command has."""

from importlib import metadata
from typing import Annotated

import typer

from cli.output import console


def _print(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag's value
    if wanted:
        console.print(f"cev {metadata.version('command-event')}")
        raise typer.Exit


VersionFlag = Annotated[
    bool, typer.Option("--version", callback=_print, is_eager=True, help="Print the version.")
]
