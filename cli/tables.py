"""Tables: folded to fit a terminal, at their full width into a file or a pipe."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import output

# Programs that read lines need whole lines; rich would fold at 80 columns off a terminal.
_wide = Console(width=1000, highlight=False, emoji=False)


def new_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A calm table: no box, dim headings, the columns named in `right` aligned to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_table(table: Table) -> None:
    """Print a table on stdout."""
    (output.console if output.console.is_terminal else _wide).print(table)


def cell(text: object) -> str:
    """Foreign text for a table or a line: control characters escaped, and no markup of rich's own."""
    return escape(output.safe(text))


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: `1 order`, `2 orders`; a plural that does not end in s is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
