"""Every command of `cev`, as the command line has it.

I/O: none.
"""

from collections.abc import Iterator
from typing import Any

import typer

from cli.main import DeferredCommand, app


def every_command() -> dict[tuple[str, ...], Any]:
    """Every command and group by its words; the program itself has none."""
    return dict(_walk(typer.main.get_command(app), ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    command = command.load() if isinstance(command, DeferredCommand) else command
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(below, (*words, name))
