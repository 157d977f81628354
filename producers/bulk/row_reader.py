"""Rows of orders from a stream of bytes: JSON or CSV (design §9, "Bulk rows"). Pure: it opens nothing.

Every row has its number, so that a fault can be reported: in JSON the line or the array's element, in CSV the
record after the header (a quoted field may span lines) and the line where it ends. A row that cannot be read
has a fault, and reading continues after it. Memory is bounded by the longest line allowed.
"""

import codecs
import io
import zlib
from collections.abc import Iterator
from enum import StrEnum
from typing import BinaryIO

from producers.bulk.csv_rows import csv_rows
from producers.bulk.json_rows import json_rows
from producers.bulk.row import MAX_LINE, Row, text_lines

__all__ = ["MAX_LINE", "Format", "Row", "read_rows"]


class Format(StrEnum):
    """The format of a file of rows."""

    JSONL = "jsonl"
    CSV = "csv"


def read_rows(stream: BinaryIO, form: Format, encoding: str = "utf-8") -> Iterator[Row]:
    """The rows of a stream, one by one.

    A stream that cannot be read on ends in a fault.

    Args:
        stream: uncompressed bytes.
        form: of the rows; JSON may be lines, objects over lines, or an array.
        encoding: of the bytes (`text_source.recognise`).

    Raises:
        UsageError: the CSV header is missing or invalid.
    """
    codecs.register_error(_DAMAGED, _damaged)
    text = io.TextIOWrapper(stream, encoding, errors=_DAMAGED)
    number, line = 0, 0
    try:
        for row in csv_rows(text_lines(text)) if form is Format.CSV else json_rows(text):
            number, line = row.number, row.line
            yield row
    except (OSError, EOFError, zlib.error) as error:
        yield Row(number + 1, line + 1, None, f"the file cannot be read on: {error}")


_DAMAGED = "cev-damaged"


def _damaged(error: UnicodeError) -> tuple[str, int]:
    """Let bytes that are no text fail their row alone: a lone surrogate for each stands in it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte | 0x80) for byte in error.object[error.start : error.end]), error.end
