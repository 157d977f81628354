"""The elements of a JSON array, read piece by piece. Pure."""

import re
from collections.abc import Iterator
from typing import TextIO

from producers.bulk.json_value import NotJson, Value, decode
from producers.bulk.row import MAX_LINE, Row, text_lines

_PIECE = 64 * 1024
_BLANKS = re.compile(r"[ \t\n,]*")


class JsonArray:
    """An array of orders.

    Args:
        text: the stream.
        begins: what was read of it behind the bracket that opens the array.
        line: the number of the line of that bracket.

    Attributes:
        line: the number of the line that was reached.
    """

    def __init__(self, text: TextIO, begins: str, *, line: int) -> None:
        self._text = text
        self._buffer = begins
        self._at = 0
        self.line = line

    def rows(self) -> Iterator[Row]:
        """A row for each element; its number is the element's.

        What is no JSON is one fault, and reading goes on at the next line that begins with an object.
        """
        number, is_array = 0, True
        while self._skip_blanks():
            if self._buffer.startswith("]", self._at):
                self._go(self._at + 1)
                return
            number += 1
            try:
                value = self._element()
            except NotJson as error:
                is_array = number > 1
                yield Row(number, self.line, None, str(error))
                if not self._resume():
                    return
            else:
                yield Row(number, self.line, value.fields, value.fault)
        if is_array:
            yield Row(number + 1, self.line, None, "the array has no end: the file is cut off")

    def lines_behind(self) -> Iterator[str | None]:
        """The lines behind the array."""
        rest = self._buffer[self._at :]
        blank, newline, lines = rest.partition("\n")
        if blank.strip():
            return text_lines(self._text, rest)
        self.line += bool(newline)
        return text_lines(self._text, lines)

    def _element(self) -> Value:
        while True:
            try:
                value = decode(self._buffer, self._at)
            except NotJson as error:
                # Twice as much each time: reading an element takes time that grows with its length alone.
                size = len(self._buffer) - self._at
                if not error.incomplete or size > MAX_LINE or not self._more(size):
                    raise
            else:
                self._go(value.end)
                return value

    def _resume(self) -> bool:
        """Go to the next line that begins with an object; whether there is one."""
        while (newline := self._buffer.find("\n{", self._at)) < 0:
            self._go(len(self._buffer) - self._buffer.endswith("\n"))
            if not self._more(1):
                return False
        self._go(newline + 1)
        return True

    def _skip_blanks(self) -> bool:
        """Go to the next element or bracket; whether there is one."""
        while True:
            blanks = _BLANKS.match(self._buffer, self._at)
            self._go(blanks.end() if blanks else self._at)
            if self._at < len(self._buffer):
                return True
            if not self._more(1):
                return False

    def _go(self, to: int) -> None:
        self.line += self._buffer.count("\n", self._at, to)
        self._at = to

    def _more(self, count: int) -> bool:
        """Read that many characters or more, up to the end; whether there was any."""
        pieces, size = [self._buffer[self._at :]], 0
        while size < count and (piece := self._text.readline(_PIECE)):
            pieces.append(piece)
            size += len(piece)
        self._buffer, self._at = "".join(pieces), 0
        return size > 0
