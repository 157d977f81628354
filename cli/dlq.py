"""`cev dlq`: records that a group gave up, and why."""

import json
from typing import Annotated, Any

import typer

from cli import output
from cli.common import World, command, world
from cli.tables import cell
from consumers.registry import all_topics
from operations import dead_letter, dead_letters
from operations.dead_letters import DeadLetter, Filter
from operations.moments import parse_moment
from schemas.errors import RegistryUnreachable, UndecodableMessage
from schemas.times import now_ms, rfc3339
from schemas.topics import Kind, Message

_SHOWN = 400

app = typer.Typer(help="Dead letters: what a group could not handle.", no_args_is_help=True)


@command(app, "list", example="cev dlq list --group warehouse --since 1h")
def list_letters(
    ctx: typer.Context,
    *,
    group: Annotated[str | None, typer.Option(metavar="G", help="Of this group.")] = None,
    topic: Annotated[
        str | None, typer.Option(metavar="T", help="From this topic, or on this dead-letter topic.")
    ] = None,
    error: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Error's name or message has this text.")
    ] = None,
    order_id: Annotated[int | None, typer.Option(metavar="N", help="Of this order.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="T", help="Not before: RFC 3339, or an age such as 15m.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Before: the same.")] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """List dead letters, one after the other as they are read."""
    now = now_ms()
    wanted = Filter(
        group=group,
        topic=topic,
        error=error,
        order_id=order_id,
        since=parse_moment(since, now) if since is not None else None,
        until=parse_moment(until, now) if until is not None else None,
    )
    count = 0
    for letter in dead_letters.listed(world(ctx).cluster, all_topics(), wanted):
        count += 1
        if as_json:
            output.emit(_fields(letter))
        else:
            _print_line(letter)
    if not as_json:
        output.log.print(f"{count:,} dead {'letter' if count == 1 else 'letters'}", style="dim")


@command(app, "show", example="cev dlq show warehouse.orders.dlq:0:0")
def show(
    ctx: typer.Context,
    position: Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="As `list` shows it.")],
    *,
    as_json: output.JsonFlag = False,
) -> None:
    """Show one dead letter: key, value, all headers."""
    here = world(ctx)
    letter = dead_letters.fetch(here.cluster, all_topics(), position)
    message, fault = _decode(here, letter)
    if as_json:
        output.emit(_fields(letter) | _bytes(letter, message, fault))
        return
    _print_line(letter)
    if letter.reason.timestamp is not None:
        _print_section("written", [rfc3339(letter.reason.timestamp)])
    key = letter.entry.key
    _print_section("key", ["null"] if key is None else _key_lines(key, letter.order_id))
    value = letter.entry.value
    if message is not None:
        _print_section(type(message).__name__, _field_lines(message))
    else:
        _print_section("undecodable", [fault or ""])
        _print_section("value", ["null"] if value is None else dead_letter.hexdump(value) or ["empty"])
    _print_section(
        "headers",
        [f"{name} = {text}" for name, text in dead_letter.shown(letter.entry.headers, limit=_SHOWN)],
    )


def _decode(here: World, letter: DeadLetter) -> tuple[Message | None, str | None]:
    entry = letter.entry
    source = letter.topic.source or letter.topic.name
    try:
        return here.codec.decode(source, entry.key, entry.value, entry.position), None
    except (UndecodableMessage, RegistryUnreachable) as error:
        return None, str(error)


def _fields(letter: DeadLetter) -> dict[str, Any]:
    where, origin, reason = letter.entry.position, letter.reason.origin, letter.reason
    return {
        "group": letter.topic.owner if _given_up(letter) else None,
        "topic": where.topic,
        "partition": where.partition,
        "offset": where.offset,
        "original_topic": origin.topic if origin else None,
        "original_partition": origin.partition if origin else None,
        "original_offset": origin.offset if origin else None,
        "order_id": str(letter.order_id) if letter.order_id is not None else None,
        "error": _short(reason.error),
        "message": reason.message,
        "attempts": reason.attempts,
        "at": rfc3339(letter.entry.timestamp),
        "error_class": reason.error,
    }


def _bytes(letter: DeadLetter, message: Message | None, fault: str | None) -> dict[str, Any]:
    entry = letter.entry
    return {
        "key": entry.key.hex() if entry.key is not None else None,
        "value": entry.value.hex() if entry.value is not None else None,
        "type": type(message).__name__ if message is not None else None,
        "decoded": _plain(message) if message is not None else None,
        "undecodable": fault,
        "headers": [{"name": name, "value": text} for name, text in dead_letter.shown(entry.headers)],
    }


def _plain(message: Message) -> dict[str, Any]:
    fields = message._asdict()
    if "order_id" in fields:
        fields["order_id"] = str(fields["order_id"])
    if "items" in fields:
        fields["items"] = [item._asdict() for item in fields["items"]]
    return fields


def _print_line(letter: DeadLetter) -> None:
    reason = letter.reason
    order = f"order {letter.order_id}" if letter.order_id is not None else "no order"
    name = _short(reason.error) or ("no reason" if _given_up(letter) else "not a dead letter")
    tried = "" if reason.attempts in (None, 1) else f"  {reason.attempts} attempts"
    output.console.print(
        f"[bold]{cell(letter.entry.position)}[/bold]  {order}  "
        f"[red]{cell(name)}[/red]{tried}  "
        f"[dim]{rfc3339(letter.entry.timestamp)}[/dim]",
        soft_wrap=True,
    )
    if reason.message:
        output.console.print(f"  {cell(reason.message)}", soft_wrap=True)
    elif reason.origin is not None:
        output.console.print(f"  from {cell(reason.origin)}", soft_wrap=True)


def _print_section(title: str, lines: list[str]) -> None:
    output.console.print(f"  [dim]{title}[/dim]")
    for line in lines:
        output.console.print(f"    {cell(line)}", soft_wrap=True)


def _field_lines(message: Message) -> list[str]:
    return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in _plain(message).items()]


def _key_lines(key: bytes, order_id: int | None) -> list[str]:
    return [f"{order_id}  (0x{key.hex()})"] if order_id is not None else dead_letter.hexdump(key) or ["empty"]


def _given_up(letter: DeadLetter) -> bool:
    return letter.topic.kind is Kind.DEAD_LETTER


def _short(name: str | None) -> str | None:
    return name.rpartition(".")[2] if name else None
