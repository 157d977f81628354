"""What `cev dlq` prints: lines for people, documents for programs."""

import json
from typing import Any

from rich.text import Text

from cli import output, tables
from cli.tables import cell
from operations.dead_letters.listing import DeadLetter
from operations.dead_letters.redrive import DECIDED, RedriveProgress, RedriveRequest
from operations.dead_letters.summary import Summary
from schemas import dead_letters
from schemas.counting import counted
from schemas.decisions import Decision
from schemas.times import rfc3339
from schemas.topics import Kind, Message

_SHOWN = 400


def fields(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as `--json` shows it."""
    position, origin, reason = letter.record.position, letter.reason.origin, letter.reason
    return {
        "group": letter.topic.owner if _given_up(letter) else None,
        "topic": position.topic,
        "partition": position.partition,
        "offset": position.offset,
        "original_topic": origin.topic if origin else None,
        "original_partition": origin.partition if origin else None,
        "original_offset": origin.offset if origin else None,
        "order_id": str(letter.order_id) if letter.order_id is not None else None,
        "error": reason.error_name,
        "message": reason.message,
        "attempts": reason.attempts,
        "at": rfc3339(letter.record.timestamp),
        "error_class": reason.error,
        "decision": _decision(letter.decision),
    }


def contents(letter: DeadLetter, message: Message | None, fault: str | None) -> dict[str, Any]:
    """What a dead letter holds, for `--json`: bytes as hexadecimal, the message if it can be read."""
    record = letter.record
    return {
        "key": record.key.hex() if record.key is not None else None,
        "value": record.value.hex() if record.value is not None else None,
        "type": type(message).__name__ if message is not None else None,
        "decoded": _plain(message) if message is not None else None,
        "undecodable": fault,
        "headers": [{"name": name, "value": text} for name, text in dead_letters.readable(record.headers)],
    }


def print_line(letter: DeadLetter) -> None:
    """A dead letter in one line: where it lies, its order, why, and what was decided; cut on a terminal."""
    console = output.console
    line = Text.from_markup(f"{_head(letter)}  {_decided(letter)}{cell(_why(letter))}".rstrip(), emoji=False)
    if console.is_terminal:
        line.truncate(console.width, overflow="ellipsis")
    console.print(line, soft_wrap=True)


def _head(letter: DeadLetter) -> str:
    reason = letter.reason
    order = f"order {letter.order_id}" if letter.order_id is not None else "no order"
    name = reason.error_name or ("no reason" if _given_up(letter) else "not a dead letter")
    tried = "" if reason.attempts in (None, 1) else f"  {reason.attempts} attempts"
    position, at = cell(letter.record.position), rfc3339(letter.record.timestamp)
    return f"[bold]{position}[/bold]  {order}  [red]{cell(name)}[/red]{tried}  [dim]{at}[/dim]"


def _why(letter: DeadLetter) -> str:
    """The reason without the position that it begins with, or where the record came from."""
    reason = letter.reason
    if reason.message is None:
        return f"from {reason.origin}" if reason.origin is not None else ""
    return reason.message.removeprefix(f"{reason.origin}: ")


def _decided(letter: DeadLetter) -> str:
    return f"{_decision_line(letter.decision)}  " if letter.decision is not None else ""


def total(counts: Summary) -> str:
    """How many dead letters there are, and of how many orders."""
    orders = counts.orders()
    return counted(counts.number, "dead letter") + (f" of {counted(orders, 'order')}" if orders else "")


def print_summary(counts: Summary, *, as_json: bool) -> None:
    """Dead letters by group and error, and whether a redrive can succeed."""
    if as_json:
        for document in breakdown(counts):
            output.emit(document)
        return
    table = tables.new_table(
        *("dead letters", "orders", "group", "error", "a redrive"),
        right=("dead letters", "orders"),
        prose=("a redrive",),
    )
    for count in counts.by_error():
        table.add_row(
            f"{count.dead_letters:,}",
            f"{count.orders:,}",
            cell(count.group),
            f"[red]{cell(count.error or 'no reason')}[/red]",
            count.prospect.text,
        )
    if table.row_count:
        tables.print_table(table)


def breakdown(counts: Summary) -> list[dict[str, Any]]:
    """Dead letters by group and error, for `--json`; `can_succeed` is null where nobody knows."""
    return [
        {
            "group": count.group,
            "error": count.error,
            "dead_letters": count.dead_letters,
            "orders": count.orders,
            "can_succeed": count.prospect.can_succeed,
        }
        for count in counts.by_error()
    ]


def print_whole(letter: DeadLetter, message: Message | None, fault: str | None) -> None:
    """A dead letter for people, with key, value and all headers."""
    output.console.print(_head(letter), soft_wrap=True)
    for text in (cell(_why(letter)), _decided(letter).rstrip()):
        if text:
            output.console.print(f"  {text}", soft_wrap=True)
    if letter.reason.timestamp is not None:
        _section("written", [rfc3339(letter.reason.timestamp)])
    key = letter.record.key
    _section("key", ["null"] if key is None else _key_lines(key, letter.order_id))
    value = letter.record.value
    if message is not None:
        _section(type(message).__name__, _field_lines(message))
    else:
        _section("undecodable", [fault or ""])
        _section("value", ["null"] if value is None else dead_letters.hexdump(value) or ["empty"])
    _section(
        "headers",
        [f"{name} = {text}" for name, text in dead_letters.readable(letter.record.headers, limit=_SHOWN)],
    )


def progress_fields(
    progress: RedriveProgress, request: RedriveRequest, run: str, counts: Summary
) -> dict[str, Any]:
    """What came of a run, as `--json` shows it."""
    return {
        "selected": progress.selected,
        "done": progress.done,
        "skipped": progress.skipped.total(),
        "dry_run": request.dry_run,
        "run": None if request.dry_run else run,
        "decided_before": progress.skipped[DECIDED],
        "skipped_because": dict(progress.skipped),
        "groups": dict(progress.groups),
        "breakdown": breakdown(counts),
    }


def print_progress(progress: RedriveProgress, request: RedriveRequest, counts: Summary) -> None:
    """What came of a run, for people; of a dry run also how many by group and error."""
    count = progress.groups.total() if request.dry_run else progress.done
    would = "would be " if request.dry_run else ""
    to = f" to {', '.join(progress.groups)}" if request.how == "redriven" and progress.groups else ""
    output.console.print(f"[bold]{count:,}[/bold] {would}{request.how}{to}")
    for reason, number in progress.skipped.items():
        output.console.print(f"{number:,} skipped: {reason}")
    if request.dry_run:
        print_summary(counts, as_json=False)
        output.log.print("[dim]dry run: nothing was written[/dim]")


def _decision(decision: Decision | None) -> dict[str, Any] | None:
    return decision._asdict() | {"at": rfc3339(decision.at)} if decision is not None else None


def _decision_line(decision: Decision) -> str:
    by = f" by {cell(decision.by)}" if decision.by else ""
    why = f"  {cell(decision.why)}" if decision.why else ""
    return f"[green]{decision.how}[/green]{by}  [dim]{rfc3339(decision.at)}[/dim]{why}"


def _section(title: str, lines: list[str]) -> None:
    output.console.print(f"  [dim]{title}[/dim]")
    for line in lines:
        output.console.print(f"    {cell(line)}", soft_wrap=True)


def _field_lines(message: Message) -> list[str]:
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in _plain(message).items()]


def _plain(message: Message) -> dict[str, Any]:
    document = message._asdict()
    if "order_id" in document:
        document["order_id"] = str(document["order_id"])
    if "items" in document:
        document["items"] = [item._asdict() for item in document["items"]]
    return document


def _key_lines(key: bytes, order_id: int | None) -> list[str]:
    return (
        [f"{order_id}  (0x{key.hex()})"] if order_id is not None else dead_letters.hexdump(key) or ["empty"]
    )


def _given_up(letter: DeadLetter) -> bool:
    return letter.topic.kind is Kind.DEAD_LETTER
