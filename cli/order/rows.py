"""`cev order place --from`: opens the rows, places them, and prints what became of each."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, BinaryIO

import typer
from rich.markup import escape

from cli.common import AppContext
from cli.order.output import document
from cli.output import console, emit, log, safe
from cli.progress import progress
from cli.signals import Interruption
from producers.bulk.import_orders import OrderImport
from producers.bulk.row_reader import Format, Row, read_rows
from producers.bulk.text_source import recognise
from producers.placing.pending_order import Placed
from producers.placing.placer import OrderPlacer
from schemas.errors import CommandEventError, UsageError

_EXTENSIONS = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
}


def place_rows(
    app: AppContext, source: str, form: str | None, encoding: str | None, *, dry_run: bool, as_json: bool
) -> None:
    """Place every good row of a file, name every bad one, and sum up.

    Args:
        app: settings and cluster.
        source: a path, or `-`.
        form: `jsonl` or `csv`; None: the path's extension decides, or what standard input begins with.
        encoding: of the text; None: it is recognised.
        dry_run: check the rows and write nothing.
        as_json: a line per order, and a document at the end.

    Raises:
        UsageError: no such file, no format, no encoding, or a CSV header that cannot be used.
        CommandEventError: the cluster cannot be used, or was lost on the way; what was placed is printed
            first.
        typer.Exit: 1 if any row was not placed; 130 or 143 if a signal ended it.
    """

    def show(placed: Placed) -> None:
        if as_json:
            emit(document(placed))
            # The reader of a pipe sees an order when it is placed, not when a buffer is full.
            sys.stdout.flush()

    with _open(source) as stream:
        chosen = Format(form) if form is not None else _format_of(source)
        text = recognise(stream, "standard input" if source == "-" else source, encoding)
        if chosen is None:
            chosen = Format.JSONL if text.begins in ("", "{", "[") else Format.CSV
        rows = read_rows(text.stream, chosen, text.encoding)
        with OrderPlacer(app.cluster, app.codec, currency=app.settings.currency) as placer:
            bulk = OrderImport(placer, on_placed=show, on_error=_show_fault)
            word = "checking" if dry_run else "placing"
            lost: CommandEventError | None = None
            with (
                Interruption() as interruption,
                progress(word, None, lambda: bulk.seen, _share_of(stream, text.stream)),
            ):
                lost = _run(bulk, interruption.until_asked(rows), dry_run=dry_run)
    _sum_up(bulk, dry_run=dry_run, stopped=interruption.asked(), as_json=as_json)
    interruption.end()
    if lost is not None:
        raise lost
    if bulk.failed:
        raise typer.Exit(1)


def _run(bulk: OrderImport, rows: Iterable[Row], *, dry_run: bool) -> CommandEventError | None:
    try:
        if not dry_run:
            return bulk.run(rows)
        bulk.dry_run(rows)
    except CommandEventError as error:
        # A fault at the beginning of the file is all that there is to say.
        if not bulk.seen:
            raise
        return error
    return None


def _share_of(file: IO[bytes], text: BinaryIO) -> Callable[[], float] | None:
    """How much of a file is read; None where nobody knows how long it is."""
    if not file.seekable():
        return None
    size = os.fstat(file.fileno()).st_size
    # What is compressed is read far ahead of its rows, a mebibyte at a time.
    at = text if getattr(text, "raw", None) is file else file
    return lambda: at.tell() / size if size and not at.closed else 0.0


def _sum_up(bulk: OrderImport, *, dry_run: bool, stopped: bool, as_json: bool) -> None:
    if bulk.repeated:
        rows = "1 row has" if bulk.repeated == 1 else f"{bulk.repeated:,} rows have"
        log.print(
            f"[yellow]{rows} the order_id of an earlier row:[/yellow] an id is one order", soft_wrap=True
        )
    if as_json:
        errors = [{"row": fault.row, "message": fault.message} for fault in bulk.errors]
        extra: dict[str, object] = {"dry_run": True} if dry_run else {}
        if bulk.repeated:
            extra["repeated"] = bulk.repeated
        if stopped:
            extra |= {"stopped": True, "unconfirmed": bulk.unconfirmed}
        emit({"placed": bulk.placed, "failed": bulk.failed, "errors": errors, **extra})
        return
    failed = f", [red]{bulk.failed:,} failed[/red]" if bulk.failed else ""
    verb = "could be placed, nothing was written" if dry_run else "placed"
    unconfirmed = f", [red]{bulk.unconfirmed:,} not confirmed[/red]" if bulk.unconfirmed else ""
    console.print(f"[bold]{bulk.placed:,}[/bold] {verb}{failed}{unconfirmed}")
    if stopped:
        log.print("stopped; the same file again places the rest, and nothing twice", style="dim")


def _show_fault(row: Row, message: str) -> None:
    log.print(f"[red]{row.label}:[/red] {escape(safe(message))}", soft_wrap=True)


def _format_of(source: str) -> Format | None:
    if source == "-":
        return None
    path = Path(source.lower())
    form = _EXTENSIONS.get((path.with_suffix("") if path.suffix == ".gz" else path).suffix)
    if form is None:
        raise UsageError(f"{source}: .jsonl or .csv? The name does not say; give --format")
    return form


def _open(source: str) -> AbstractContextManager[IO[bytes]]:
    if source == "-":
        # Unbuffered, so that a row of a pipe is placed when it comes.
        return nullcontext(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
    try:
        return Path(source).open("rb", buffering=0)
    except IsADirectoryError:
        raise UsageError(f"{source} is a directory: name a file, or - for standard input") from None
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}") from error
