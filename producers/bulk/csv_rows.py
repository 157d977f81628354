"""Rows from CSV as programs of offices write it. Pure.

The delimiter is the one that the standard library's sniffer finds in the header, which is words and has no
data that look like delimiters; `sep=;` before the header decides otherwise. Titles are read in any case, with
blanks or hyphens. What is empty is passed: columns without a title, cells behind the last column, rows.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from producers.bulk.row import MAX_LINE, TOO_LONG, Row, damaged_at
from producers.placing.request import FIELDS
from schemas.counting import counted
from schemas.errors import UsageError
from schemas.suggestions import did_you_mean

# Stands for a line that is too long. Nothing decodes to it, so no file can contain it.
_CUT = "\udc01"
_DELIMITERS = ",;\t|"


def csv_rows(lines: Iterable[str | None]) -> Iterator[Row]:
    """The rows behind the header.

    Raises:
        UsageError: the header is missing or cannot be used.
    """
    # The csv module's global limit is 128 kB a field, less than the items of a valid order may have.
    csv.field_size_limit(MAX_LINE)
    source = (_CUT if line is None else line for line in lines)
    skipped, delimiter, head = _head(source)
    # Strict: a quote that never ends is an error, and does not make one field of the rest of the file.
    reader = csv.reader(chain([head] if head else [], source), delimiter=delimiter, strict=True)
    header = _header(reader)
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Row(number, skipped + reader.line_num, None, f"not CSV: {error}")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        number += 1
        fault = _cell_fault(cells, header, delimiter)
        yield Row(number, skipped + reader.line_num, None if fault else _fields(header, cells), fault)


def _head(lines: Iterator[str]) -> tuple[int, str, str]:
    """How many lines stand before the header, its delimiter, and its line; empty if there is none."""
    skipped, delimiter = 0, ""
    for line in lines:
        bare = line.rstrip("\n")
        if len(bare) == len("sep=;") and bare.lower().startswith("sep="):
            delimiter = bare[-1]
        elif bare.strip():
            return skipped, delimiter or _sniffed(bare), line
        skipped += 1
    return skipped, ",", ""


def _sniffed(head: str) -> str:
    try:
        return csv.Sniffer().sniff(head[:10_000], _DELIMITERS).delimiter
    except csv.Error:
        return ","  # one column has no delimiter


def _plain(title: str) -> str:
    return "".join(char for char in title.casefold() if char.isalnum())


_NAMES = {_plain(name): name for name in FIELDS}


def _header(reader: Any) -> list[str]:
    """The name of each column's field; empty for one without a title."""
    try:
        titles = [title.strip() for title in next(reader)]
    except StopIteration:
        raise UsageError("the CSV file is empty: its first line must name the columns") from None
    except csv.Error as error:
        raise UsageError(f"the first line of the CSV file does not name columns: {error}") from None
    names = [_NAMES.get(_plain(title), "") for title in titles]
    unknown = [ascii(title) for title, name in zip(titles, names, strict=True) if title and not name]
    double = sorted({name for name in names if name and names.count(name) > 1})
    faults = [f"unknown column {title}{did_you_mean(title, FIELDS)}" for title in unknown]
    faults += [f"column {', '.join(double)} is there twice"] if double else []
    faults += [] if "address" in names else ["column address is missing"]
    if faults:
        raise UsageError(f"CSV header: {'; '.join(faults)}; the columns are {', '.join(FIELDS)}")
    return names


def _cell_fault(cells: list[str], header: list[str], delimiter: str) -> str:
    """Why a row cannot be read, or nothing. Empty cells behind the last column are removed."""
    if any(_CUT in cell for cell in cells):
        return TOO_LONG
    while len(cells) > len(header) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(header):
        remedy = f"; a cell with a {delimiter!r} in it needs quotes" if len(cells) > len(header) else ""
        return f"{counted(len(cells), 'column')}, the header has {len(header)}{remedy}"
    for number, (name, cell) in enumerate(zip(header, cells, strict=True), 1):
        if damaged_at(cell) is not None:
            return f"{name or f'column {number}'} is not UTF-8, or not in the encoding that was named"
        if not name and cell.strip():
            return f"column {number} has no title"
    return ""


def _fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: cell for name, cell in zip(header, cells, strict=True) if name and cell.strip()
    }
    if "items" in fields:
        # Each item is text, which an order takes as PRODUCT:QUANTITY:UNIT_CENTS.
        fields["items"] = [item for item in fields["items"].split(";") if item.strip()]
    return fields
