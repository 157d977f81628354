"""How `--help` looks: plain sections, paragraphs that fill the line, an option with the name of its value.

typer's own pages load rich and a Markdown parser (70 ms) and print a type behind every flag.
"""

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

MAX_WIDTH = 100
"""Columns of a help page on a wider terminal; longer lines are hard to read."""

_LEFT = 30

MAX_EXAMPLES = 4

CLUSTER = "Cluster options"
"""The section of the flags that find the cluster."""

FOOT = "Exit codes: cev help exit-codes. Settings: cev help settings."
"""The last line of every page."""


class CommandWithHelp(TyperCommand):
    """A command whose help is written here."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the whole page."""
        _write(self, ctx, formatter)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the command's arguments."""
        try:
            return super().make_context(*args, **kwargs)
        except typer.BadParameter as error:
            from cli.plain_errors import plain_message  # noqa: PLC0415 - only where something is wrong

            error.message = plain_message(error)
            raise

    def get_help_option(self, ctx: Any) -> Any:
        """The option `--help`."""
        return unset_flag(super().get_help_option(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in its usage line."""
        return _usage(self, ctx)


class GroupWithHelp(TyperGroup):
    """A group whose help is written here."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the whole page."""
        _write(self, ctx, formatter)

    def get_help_option(self, ctx: Any) -> Any:
        """The option `--help`."""
        return unset_flag(super().get_help_option(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the group's name in its usage line."""
        return [*_usage(self, ctx), "COMMAND [ARGS]..."]


def unset_flag(option: Any) -> Any:
    """A flag that is False where it is not given: typer loads pydantic to convert None."""
    if getattr(option, "is_flag", False) and option.default is None:
        option.default = False
    return option


def write_rows(formatter: Any, title: str, rows: list[tuple[str, str]]) -> None:
    """A section of two columns.

    Args:
        formatter: typer's.
        title: of the section.
        rows: what stands on the left and on the right.
    """
    with formatter.section(typer.style(title, bold=True)):
        formatter.write_dl(rows, col_max=_column(rows))


def _write(command: Any, ctx: Any, formatter: Any) -> None:
    command.format_usage(ctx, formatter)
    command.format_help_text(ctx, formatter)
    for title, rows in _sections(command, ctx):
        if rows:
            write_rows(formatter, title, rows)
    if command.epilog:
        with formatter.section(typer.style("Examples", bold=True)):
            for example in command.epilog.splitlines():
                # Not wrapped: a reader copies it.
                formatter.write(f"  {example}\n")
    formatter.write(f"\n{FOOT}\n")


def _column(rows: list[tuple[str, str]]) -> int:
    """Columns of the left side; a name that needs more has its text below it."""
    return max((len(name) for name, _ in rows if len(name) <= _LEFT), default=_LEFT)


def _usage(command: Any, ctx: Any) -> list[str]:
    arguments = [parameter for parameter in command.get_params(ctx) if isinstance(parameter, TyperArgument)]
    return ["[OPTIONS]", *map(_placeholder, arguments)]


def _sections(command: Any, ctx: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    shown = [parameter for parameter in command.get_params(ctx) if not parameter.hidden]
    arguments = [parameter for parameter in shown if isinstance(parameter, TyperArgument)]
    options = [parameter for parameter in shown if parameter not in arguments]
    yield (
        "Commands",
        [(name, below.get_short_help_str(MAX_WIDTH)) for name, below in _commands(command).items()],
    )
    yield "Arguments", [(_placeholder(argument), _text(argument)) for argument in arguments]
    for panel in (None, CLUSTER):
        rows = [(_flags(option, ctx), _text(option)) for option in options if _panel(option) == panel]
        yield panel or "Options", rows


def _commands(command: Any) -> dict[str, Any]:
    return getattr(command, "commands", {})


def _panel(option: Any) -> str | None:
    return getattr(option, "rich_help_panel", None)


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    repeated = f"{name}..." if argument.nargs != 1 else name
    return repeated if argument.required else f"[{repeated}]"


def _flags(option: Any, ctx: Any) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    if option.is_flag:
        return names
    value = option.metavar or option.display_type(ctx).strip("<>")
    return f"{names} {value}"


def _text(parameter: Any) -> str:
    notes = []
    if (
        parameter.show_default
        and parameter.default not in (None, False, "")
        and not callable(parameter.default)
    ):
        notes.append(f"default: {parameter.default}")
    if parameter.required and not isinstance(parameter, TyperArgument):
        notes.append("required")
    note = f"  [{'; '.join(notes)}]" if notes else ""
    return f"{parameter.help or ''}{note}"
