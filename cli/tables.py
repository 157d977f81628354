"""Tables that keep what people copy: no name, number or command is ever broken over two lines.

A terminal that is too narrow for a table gets fewer columns, then a block for each row. Into a file or a pipe
every row is one line with all columns. Only prose is folded, between words.
"""

import re
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions
from rich.markup import escape
from rich.text import Text

from cli import output

_GAP = 2
_LEAST_PROSE = 24
# What stands between backticks is a command, and is copied as a whole.
_WORD = re.compile(r"(?:`[^`]*`|\S)+")


class Table:
    """A calm table: no box, dim headings.

    Args:
        columns: their headings.
        right: those that are aligned to the right.
        drop: those that a narrow terminal may do without, the first one first.
        prose: those that may be folded between words; only the last column that is shown is.
        headings: whether they are shown.
    """

    def __init__(
        self,
        columns: Sequence[str],
        *,
        right: Sequence[str] = (),
        drop: Sequence[str] = (),
        prose: Sequence[str] = (),
        headings: bool = True,
    ) -> None:
        self._columns = list(columns)
        self._right = right
        self._drop = drop
        self._prose = prose
        self._headings = headings
        self._rows: list[list[Text]] = []

    @property
    def row_count(self) -> int:
        """How many rows it has."""
        return len(self._rows)

    def add_row(self, *cells: str) -> None:
        """Add a row of cells with rich's markup; foreign text goes through `cell` before."""
        self._rows.append([Text.from_markup(text, emoji=False) for text in cells])

    def lines(self, width: int | None) -> Iterator[Text]:
        """The table, line by line.

        Args:
            width: of the terminal, in cells; None is any.
        """
        shown = list(range(len(self._columns)))
        for name in self._drop:
            if self._fits(shown, width):
                break
            shown.remove(self._columns.index(name))
        if self._fits(shown, width):
            yield from self._as_table(shown, width)
        else:
            yield from self._as_blocks(width or 0)

    def _cells(self, column: int) -> Iterator[Text]:
        if self._headings:
            yield Text(self._columns[column], style="dim")
        yield from (row[column] for row in self._rows)

    def _width(self, column: int) -> int:
        return max((cell.cell_len for cell in self._cells(column)), default=0)

    def _fits(self, shown: list[int], width: int | None) -> bool:
        *others, last = shown
        needed = self._width(last)
        if self._columns[last] in self._prose:
            lengths = (len(word) for cell in self._cells(last) for word in _WORD.findall(cell.plain))
            needed = min(needed, max(_LEAST_PROSE, *lengths))
        return width is None or sum(self._width(column) + _GAP for column in others) + needed <= width

    def _as_table(self, shown: list[int], width: int | None) -> Iterator[Text]:
        *others, last = shown
        widths = {column: self._width(column) for column in shown}
        indent = sum(widths[column] + _GAP for column in others)
        rows = zip(*(list(self._cells(column)) for column in shown), strict=True)
        for *cells, tail in rows:
            line = Text()
            for column, cell in zip(others, cells, strict=True):
                line.append_text(self._aligned(column, cell, widths[column])).append(" " * _GAP)
            if self._columns[last] in self._prose and width is not None:
                first, *more = folded(tail, width - indent) or [Text()]
            else:
                first, more = self._aligned(last, tail, widths[last]), []
            line.append_text(first)
            line.rstrip()
            yield line
            yield from (Text(" " * indent).append_text(part) for part in more)

    def _aligned(self, column: int, cell: Text, width: int) -> Text:
        blanks = " " * (width - cell.cell_len)
        right = self._columns[column] in self._right
        return Text(blanks).append_text(cell) if right else cell.copy().append(blanks)

    def _as_blocks(self, width: int) -> Iterator[Text]:
        """A block for each row: a line for each cell that says something, the first one as its title."""
        named = range(1, len(self._columns))
        indent = max(len(self._columns[column]) for column in named) + 2 * _GAP
        for number, (title, *cells) in enumerate(self._rows):
            if title.plain:
                if number:
                    yield Text()
                yield title
            for column, cell in zip(named, cells, strict=True):
                if cell.plain:
                    heading = Text(f"{'':{_GAP}}{self._columns[column]}".ljust(indent), style="dim")
                    first, *more = (
                        folded(cell, width - indent) if self._columns[column] in self._prose else [cell]
                    )
                    yield Text.assemble(heading, first)
                    yield from (Text(" " * indent).append_text(part) for part in more)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield from self.lines(options.max_width)


def new_table(
    *columns: str,
    right: Sequence[str] = (),
    drop: Sequence[str] = (),
    prose: Sequence[str] = (),
    headings: bool = True,
) -> Table:
    """A table; arguments as `Table`."""
    return Table(columns, right=right, drop=drop, prose=prose, headings=headings)


def print_table(table: Table) -> None:
    """Print a table on stdout: as wide as the terminal, or as it is into a file or a pipe."""
    console = output.console
    for line in table.lines(console.width if console.is_terminal else None):
        console.print(line, soft_wrap=True)


def print_prose(console: Console, markup: str, *, indent: int = 0) -> None:
    """Print sentences: folded between words on a terminal, as one line into a file or a pipe.

    Args:
        console: where.
        markup: the text with rich's markup; foreign text goes through `cell` before.
        indent: of the lines after the first, in cells.
    """
    text = Text.from_markup(markup, emoji=False)
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    for number, line in enumerate(folded(text, console.width, indent)):
        console.print(Text(" " * indent if number else "").append_text(line), soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning on stderr; the text may be foreign."""
    print_prose(output.log, f"[yellow]warning:[/yellow] {cell(text)}")


def folded(text: Text, width: int, indent: int = 0) -> list[Text]:
    """A text in lines of at most so many cells, folded between words; a longer word is left whole.

    Args:
        text: what stands between backticks counts as one word.
        width: in cells.
        indent: by how much the lines after the first are shorter.
    """
    lines: list[Text] = []
    begin, end = 0, 0
    for word in _WORD.finditer(text.plain):
        if begin < end and text[begin : word.end()].cell_len > width - (indent if lines else 0):
            lines.append(text[begin:end])
            begin = word.start()
        end = word.end()
    return [*lines, text[begin:end]] if end else []


def cell(text: object) -> str:
    """Foreign text for a table or a line: control characters escaped, and no markup of rich's own."""
    return escape(output.safe(text))
