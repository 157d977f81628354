"""Printing a table: folded to fit a terminal, at its full width into a file or a pipe."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import output

# Programs that read lines need whole lines; rich would fold at 80 columns off a terminal.
_wide = Console(width=1000, highlight=False, emoji=False)


def show(sheet: Table) -> None:
    """Print a table on stdout."""
    (output.console if output.console.is_terminal else _wide).print(sheet)


def cell(text: object) -> str:
    """Foreign text for a table or a line: control characters escaped, and no markup of rich's own."""
    return escape(output.safe(text))
