"""What people and programs see: data on stdout, everything else on stderr, nothing that moves the cursor.

Text that came from records or users goes through `safe` before a terminal sees it.
"""

import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

console = Console(highlight=False, emoji=False)
log = Console(stderr=True, highlight=False, emoji=False)

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON: one document, or a line per record.")]

# Format characters can reorder or hide text (Unicode Cf, e.g. right-to-left override); Cc moves the cursor.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document as one line on stdout; what a terminal would obey is escaped as JSON has it."""
    line = json.dumps(document, ensure_ascii=False, separators=(", ", ": "))
    if not line.isprintable():
        line = "".join(
            char if unicodedata.category(char) not in _HIDDEN else json.dumps(char)[1:-1] for char in line
        )
    sys.stdout.write(line + "\n")


def safe(text: object) -> str:
    r"""Text with every control and format character shown as an escape, e.g. `\x1b`."""
    return "".join(
        char if unicodedata.category(char) not in _HIDDEN else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """A calm table: no box, dim headings, numbers to the right."""
    sheet = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        sheet.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return sheet
