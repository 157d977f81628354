"""One row of a file, and the lines that rows are read from. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TextIO

MAX_LINE = 4 * 1024 * 1024
"""Characters of a line, at most: the largest valid order has 2.5 million when all of it is JSON escapes."""

TOO_LONG = f"the line is longer than {MAX_LINE} characters"


class Row(NamedTuple):
    """One row.

    Attributes:
        number: of the row, from 1.
        line: where it ends; the same as the number in JSON lines.
        fields: its values by name; None if it cannot be read.
        fault: why it cannot be read; empty if it can.
    """

    number: int
    line: int
    fields: Mapping[str, Any] | None
    fault: str = ""

    @property
    def label(self) -> str:
        """Its number, and its line where that differs."""
        return f"row {self.number}" if self.line == self.number else f"row {self.number} (line {self.line})"


def text_lines(text: TextIO, begins: str = "") -> Iterator[str | None]:
    """Lines without a byte order mark; None for one that is too long.

    Args:
        text: the stream.
        begins: what was read of it already.
    """
    begins = begins.removeprefix("\ufeff")
    first = not begins
    while True:
        line, newline, begins = begins.partition("\n")
        line += newline or text.readline(MAX_LINE + 1)
        if first:
            line, first = line.removeprefix("\ufeff"), False
        if not line:
            return
        if len(line) <= MAX_LINE:
            yield line
            continue
        while line and not line.endswith("\n"):
            line = text.readline(MAX_LINE)
        yield None


def damaged_at(text: str) -> int | None:
    """Where bytes stood that are no text, or None."""
    if text.isascii():
        return None
    return next((at for at, char in enumerate(text) if "\udc80" <= char <= "\udcff"), None)
