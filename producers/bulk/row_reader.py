"""Rows of orders from a stream of bytes: JSON lines or CSV (design §9, "Bulk rows"). Pure: it opens nothing.

Every row has its number, so that a fault can be reported: in JSON lines the line, in CSV the record after the
header (a quoted field may span lines) and the line where it ends. A row that cannot be read has a fault, and
reading continues after it. Memory is bounded by the longest line allowed.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, BinaryIO, NamedTuple

from producers.placing.request import FIELDS
from schemas.errors import UsageError

MAX_LINE = 4 * 1024 * 1024
"""Bytes of a line, at most: the largest valid order has 2.5 MB when all of it is JSON escapes."""

_TOO_LONG = f"the line is longer than {MAX_LINE} bytes"
# Stands for a line that is too long. No UTF-8 decodes to it, so no file can contain it.
_CUT = "\udc01"


class Format(StrEnum):
    """The format of a file of rows."""

    JSONL = "jsonl"
    CSV = "csv"


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


def read_rows(stream: BinaryIO, form: Format) -> Iterator[Row]:
    """The rows of a stream, one by one.

    Raises:
        UsageError: the CSV header is missing or invalid.
    """
    return _csv_rows(stream) if form is Format.CSV else _json_rows(stream)


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Lines without a byte order mark; None for one that is too long."""
    first = True
    while line := stream.readline(MAX_LINE + 1):
        if first:
            line, first = line.removeprefix(b"\xef\xbb\xbf"), False
        if len(line) <= MAX_LINE:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)
        yield None


def _json_rows(stream: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(_lines(stream), 1):
        if line is None:
            yield Row(number, number, None, _TOO_LONG)
        elif line.strip():
            try:
                yield Row(number, number, _json_fields(line))
            except _Fault as fault:
                yield Row(number, number, None, str(fault))


class _Fault(Exception):
    """A row cannot be read."""


def _json_fields(line: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(line.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise _Fault(f"byte {error.start + 1} of the line is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _Fault(f"not JSON at column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        # Numbers of more than 4300 digits, or lists nested too deeply.
        raise _Fault(f"not usable JSON: {error}") from None
    if not isinstance(fields, dict):
        raise _Fault("not a JSON object")
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Fault(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return fields


def _csv_rows(stream: BinaryIO) -> Iterator[Row]:
    # The csv module's global limit is 128 kB a field, less than the items of a valid order may have.
    csv.field_size_limit(MAX_LINE)
    # Undecodable bytes become lone surrogates and fail only their row. Strict: a quote that never ends is an
    # error, and does not make one field of the rest of the file.
    lines = (_CUT if line is None else line.decode(errors="surrogateescape") for line in _lines(stream))
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Row(number, reader.line_num, None, f"not CSV: {error}")
            continue
        if cells:
            number += 1
            fault = _cell_fault(cells, header)
            fields = None if fault else _csv_fields(header, cells)
            yield Row(number, reader.line_num, fields, fault)


def _header(reader: Any) -> list[str]:
    try:
        names = [name.strip() for name in next(reader)]
    except StopIteration:
        raise UsageError("the CSV file is empty: its first line must name the columns") from None
    except csv.Error as error:
        raise UsageError(f"the first line of the CSV file does not name columns: {error}") from None
    unknown = [ascii(name) for name in names if name not in FIELDS]
    double = sorted({name for name in names if names.count(name) > 1 and name in FIELDS})
    faults = [f"unknown column {', '.join(unknown)}"] if unknown else []
    faults += [f"column {', '.join(double)} is there twice"] if double else []
    faults += [] if "address" in names else ["column address is missing"]
    if faults:
        raise UsageError(f"CSV header: {'; '.join(faults)}; the columns are {', '.join(FIELDS)}")
    return names


def _cell_fault(cells: list[str], header: list[str]) -> str:
    if any(_CUT in cell for cell in cells):
        return _TOO_LONG
    if len(cells) != len(header):
        return f"{len(cells)} columns, the header has {len(header)}"
    for name, cell in zip(header, cells, strict=True):
        if not cell.isascii() and any("\udc80" <= char <= "\udcff" for char in cell):
            return f"{name} is not UTF-8"
    return ""


def _csv_fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    if "items" in fields:
        # Each item is text, which an order takes as PRODUCT:QUANTITY:UNIT_CENTS.
        fields["items"] = [item for item in fields["items"].split(";") if item]
    return fields
