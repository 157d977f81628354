"""Rows from JSON: one object a line, one over several lines, or an array of any length. Pure.

Memory is bounded by the longest object allowed, so that an array may be longer than the memory.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TextIO

from producers.bulk.json_array import JsonArray
from producers.bulk.json_value import NotJson, Value, decode
from producers.bulk.row import MAX_LINE, TOO_LONG, Row, text_lines


def json_rows(text: TextIO) -> Iterator[Row]:
    """The rows of a stream; an array's are numbered by element, others by the line on which they begin."""
    line = 1
    while first := text.readline(MAX_LINE + 1):
        bare = first.lstrip("\ufeff \t\n")
        if bare.startswith("["):
            array = JsonArray(text, bare[1:], line=line)
            yield from array.rows()
            yield from _object_rows(array.lines_behind(), array.line)
            return
        if bare:
            yield from _object_rows(text_lines(text, first), line)
            return
        line += 1


def _object_rows(lines: Iterable[str | None], line: int) -> Iterator[Row]:
    """Objects, each on a line or on lines of its own. A line that is no part of one is a fault of its own.

    Args:
        lines: of the stream; None is one that is too long.
        line: the number of the first.
    """
    source = _Lines(lines)
    for first in source:
        number, line = line, line + 1
        if first is None:
            yield Row(number, number, None, TOO_LONG)
        elif first.strip():
            try:
                value = _whole(first)
            except NotJson as error:
                value = Value(0, None, str(error))
                rest = source.rest_of_object(first) if error.incomplete else []
                if rest:
                    value = _whole(first + "".join(rest))
                    line += len(rest)
            yield Row(number, line - 1, value.fields, value.fault)


def _whole(text: str) -> Value:
    """The value of a text that has nothing else.

    Raises:
        NotJson: it is none.
    """
    bare = text.strip()
    value = decode(bare)
    if value.end < len(bare):
        return Value(value.end, None, f"not JSON at column {value.end + 1}: Extra data")
    return value


class _Lines:
    """Lines, some of which are looked at before they are taken."""

    def __init__(self, lines: Iterable[str | None]) -> None:
        self._source = iter(lines)
        self._ahead: deque[str | None] = deque()

    def __iter__(self) -> Iterator[str | None]:
        return self

    def __next__(self) -> str | None:
        return self._ahead.popleft() if self._ahead else next(self._source)

    def rest_of_object(self, first: str) -> list[str]:
        """Take the lines that end the object that a line begins; none if they do not end it.

        Whoever writes an object over lines indents those inside: a line that begins one is not inside.
        """
        lines: list[str] = []
        size = len(first)
        for line in self:
            if line is None or line.startswith(("{", "[")) or size + len(line) > MAX_LINE:
                self._ahead.appendleft(line)
                break
            lines.append(line)
            size += len(line)
            if line.lstrip().startswith("}") and _is_value(first + "".join(lines)):
                return lines
        self._ahead.extendleft(reversed(lines))
        return []


def _is_value(text: str) -> bool:
    try:
        _whole(text)
    except NotJson:
        return False
    return True
