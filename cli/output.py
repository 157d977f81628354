"""What people and programs see: data on stdout, everything else on stderr, nothing that moves the cursor.

Text that came from records or users goes through `safe` before a terminal sees it. `console` (stdout) and
`log` (stderr) are made when they are asked for: loading rich takes as long as placing an order.

I/O: stdout, stderr.
"""

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console

    console: Console
    log: Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON: one document, or a line per record.")]

# Format characters can reorder or hide text (Unicode Cf, e.g. right-to-left override); Cc moves the cursor.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Make `console` or `log` at its first use (PEP 562)."""
        if name not in ("console", "log"):
            raise AttributeError(f"module 'cli.output' has no attribute {name!r}")
        from rich.console import Console  # noqa: PLC0415 - see the module's head

        return globals().setdefault(name, Console(stderr=name == "log", highlight=False, emoji=False))


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document as one line on stdout."""
    sys.stdout.write(json_line(document, sys.stdout) + "\n")


def emit_long(document: Mapping[str, Any]) -> None:
    """As `emit`, piece by piece.

    Args:
        document: a value that is a collection, but no text, list, tuple or dictionary, is printed as a list,
            however long it is.
    """
    out = sys.stdout
    for number, (name, value) in enumerate(document.items()):
        out.write(f"{', ' if number else '{'}{json_line(name, out)}: ")
        if isinstance(value, Iterable) and not isinstance(value, str | list | tuple | dict):
            out.write("[")
            for index, item in enumerate(value):
                out.write(f"{', ' if index else ''}{json_line(item, out)}")
            out.write("]")
        else:
            out.write(json_line(value, out))
    out.write("}\n")


def json_line(value: object, stream: TextIO) -> str:
    """A JSON document, or a part of one, as one line for a stream.

    What a terminal would obey is escaped as JSON has it; all that is not ASCII too where the stream is not
    UTF-8.
    """
    # A stream of text alone (`io.StringIO`) names no encoding, and takes every character.
    is_utf8 = (stream.encoding or "utf-8").lower().replace("_", "-") in ("utf-8", "utf8")
    line = json.dumps(value, ensure_ascii=not is_utf8, separators=(", ", ": "))
    if line.isprintable():
        return line
    return "".join(
        char if unicodedata.category(char) not in _HIDDEN else json.dumps(char)[1:-1] for char in line
    )


def safe(text: object) -> str:
    r"""Text with every control and format character shown as an escape, e.g. `\x1b`."""
    return "".join(
        char if unicodedata.category(char) not in _HIDDEN else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def styled(text: str, **style: Any) -> str:
    """Text for `typer.echo`, which drops the style off a terminal; no colours where NO_COLOR is set."""
    if os.environ.get("NO_COLOR"):
        style.pop("fg", None)
    return typer.style(text, **style)
