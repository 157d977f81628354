"""`cev help`: what belongs to every command and to none, and the pages of commands."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.common import command
from cli.help import write_rows
from schemas.errors import UsageError
from schemas.suggestions import did_you_mean

EXIT_CODES = {
    "0": "Done.",
    "1": "Failed: a wait timed out; an order was rejected or expired; bad rows in a bulk; not verified; "
    "an alarm; a topic is missing; the drain deadline passed.",
    "2": "Usage: an invalid order, an unknown or impossible setting.",
    "3": "The broker, the registry or a database cannot be reached.",
    "4": "Refused by a safety rule: not the owner, another store, another writer took over, somebody else "
    "changed the mode, a lost offset.",
    "130, 143": "Ended by Ctrl-C (SIGINT) or SIGTERM before its work was done; `consume` and `relay`, which "
    "have no end of their own, end with 0.",
}
"""What the process ends with."""

_TOPICS = ("exit-codes", "settings")

commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "help",
    examples=("cev help exit-codes", "cev help settings", "cev help order place"),
    cluster=False,
)
def show(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", help="One of exit-codes and settings, or a command."),
    ] = None,
) -> None:
    """Explain exit codes and settings, or show the help of a command."""
    formatter = ctx.make_formatter()
    match topic or []:
        case ["exit-codes"]:
            write_rows(formatter, "Exit codes", list(EXIT_CODES.items()))
        case ["settings"]:
            _write_settings(formatter)
        case names:
            page = _page_of(ctx.find_root(), names)
            page.command.format_help(page, formatter)
    typer.echo(formatter.getvalue().rstrip("\n"))


def _write_settings(formatter: Any) -> None:
    from cli.settings import Settings  # noqa: PLC0415 - pydantic, for this page alone
    from cli.settings_sources import KAFKA, PREFIX  # noqa: PLC0415 - the same

    rows = [
        (
            f"{KAFKA}…" if name == "kafka" else f"{PREFIX}{name.upper()}",
            f"{about.description}{_default_of(about.default)}",
        )
        for name, about in Settings.model_fields.items()
    ]
    config = (f"{PREFIX}CONFIG", "TOML file with settings; `cev config init` writes one")
    write_rows(formatter, "Settings, as environment variables", [*rows, config])


def _default_of(default: object) -> str:
    return f"  [default: {default}]" if isinstance(default, str | int | float) else ""


def _page_of(root: Any, names: Sequence[str]) -> Any:
    """The context of a command, from the names that lead to it."""
    page = root
    for name in names:
        below = getattr(page.command, "commands", {})
        if name not in below:
            known = {*below, *_TOPICS} if page is root else below
            meant = did_you_mean(name, known) or "; `cev --help` lists the commands"
            raise UsageError(f"there is no help on {' '.join(names)!r}{meant}")
        loaded = below[name].load() if hasattr(below[name], "load") else below[name]
        page = typer.Context(loaded, info_name=name, parent=page)
    return page
