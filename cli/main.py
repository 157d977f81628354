"""`cev`: every command by name. Nothing is decided here."""

from importlib import metadata
from typing import Annotated

import typer

from cli import config, consume
from cli.output import console

app = typer.Typer(
    name="cev",
    help="The Command Event pattern and its refactoring on a real Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config.app, name="config")
consume.register(app)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag's value
    if wanted:
        console.print(f"cev {metadata.version('command-event')}")
        raise typer.Exit


@app.callback()
def cev(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The Command Event pattern and its refactoring on a real Kafka."""
    del version


def main() -> None:
    """Run the command line; the process ends with an exit code of design §9."""
    app(prog_name="cev")
