"""`cev dlq`: records that a group gave up, why, and what becomes of them."""

from typing import Annotated

import typer

from cli import output
from cli.common import AppContext, command, world
from cli.dlq import output as letters
from cli.progress import progress
from cli.tables import cell
from cli.who import me
from clients.admin import Admin
from consumers.registry import all_topics
from operations.dead_letters import decisions, listing, redrive
from operations.dead_letters.listing import DeadLetter, Filter
from operations.dead_letters.redrive import Redrive, RedriveRequest
from operations.moments import parse_moment
from schemas.errors import RegistryUnreachable, UndecodableMessage, UsageError
from schemas.times import now_ms
from schemas.topics import Kind, Message

app = typer.Typer(
    help="Dead letters: what a group could not handle, and what becomes of it.", no_args_is_help=True
)

_Positions = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TOPIC:PARTITION:OFFSET", help="These alone, as `list` shows them.", show_default=False
    ),
]
_Group = Annotated[str | None, typer.Option(metavar="G", help="Of this group.")]
_Topic = Annotated[
    str | None, typer.Option(metavar="T", help="From this topic, or on this dead-letter topic.")
]
_Error = Annotated[str | None, typer.Option(metavar="TEXT", help="Error's name or message has this text.")]
_OrderId = Annotated[int | None, typer.Option(metavar="N", help="Of this order.")]
_Since = Annotated[str | None, typer.Option(metavar="T", help="Not before: RFC 3339, or an age such as 15m.")]
_Until = Annotated[str | None, typer.Option(metavar="T", help="Before: the same.")]
_Rate = Annotated[float, typer.Option(metavar="R", help="So many a second; 0: as fast as it goes.", min=0)]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, write nothing.")]


@command(app, "list", example="cev dlq list --group warehouse --since 1h")
def list_letters(
    ctx: typer.Context,
    *,
    group: _Group = None,
    topic: _Topic = None,
    error: _Error = None,
    order_id: _OrderId = None,
    since: _Since = None,
    until: _Until = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that are decided: how, by whom, why and when.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """List the dead letters that somebody must decide about, one after the other as they are read."""
    wanted = _within(Filter(group=group, topic=topic, error=error, order_id=order_id), since, until)
    count = 0
    for letter in listing.find_dead_letters(world(ctx).cluster, all_topics(), wanted, every=every):
        count += 1
        if as_json:
            output.emit(letters.fields(letter))
        else:
            letters.print_line(letter)
    if not as_json:
        output.log.print(f"{count:,} dead {'letter' if count == 1 else 'letters'}", style="dim")


@command(app, "show", example="cev dlq show warehouse.orders.dlq:0:0")
def show(
    ctx: typer.Context,
    position: Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="As `list` shows it.")],
    *,
    as_json: output.JsonFlag = False,
) -> None:
    """Show one dead letter: key, value, all headers, and what was decided about it."""
    here = world(ctx)
    letter = listing.fetch(here.cluster, all_topics(), position)
    if letter.topic.kind is Kind.DEAD_LETTER:
        found = decisions.decision_about(Admin(here.cluster), letter.topic, letter.record.position)
        letter = letter._replace(decision=found)
    message, fault = _decode(here, letter)
    if as_json:
        output.emit(letters.fields(letter) | letters.contents(letter, message, fault))
    else:
        letters.print_whole(letter, message, fault)


@command(app, "redrive", example="cev dlq redrive --group warehouse --since 1h")
def redrive_(
    ctx: typer.Context,
    positions: _Positions = None,
    *,
    group: _Group = None,
    topic: _Topic = None,
    error: _Error = None,
    order_id: _OrderId = None,
    since: _Since = None,
    until: _Until = None,
    rate: _Rate = 0,
    dry_run: _DryRun = False,
    why: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for `cev dlq list --all`.")] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Send dead letters to the group that failed once more, and to no other group.

    Takes what lies there when it begins, and each letter once: a letter that is decided is skipped. Killed
    half-way, the same command goes on where it was. Two at once: one goes on, the other exits 4.
    """
    ruling = RedriveRequest("redriven", me(), why, rate, dry_run)
    wanted = _within(Filter(group=group, topic=topic, error=error, order_id=order_id), since, until)
    _decide(world(ctx), positions, wanted, ruling, as_json=as_json)


@command(app, "discard", example='cev dlq discard --error UnknownFraming --why "a test sent them"')
def discard(
    ctx: typer.Context,
    positions: _Positions = None,
    *,
    group: _Group = None,
    topic: _Topic = None,
    error: _Error = None,
    order_id: _OrderId = None,
    since: _Since = None,
    until: _Until = None,
    rate: _Rate = 0,
    dry_run: _DryRun = False,
    why: Annotated[
        str, typer.Option(metavar="TEXT", help="The reason; without one nothing is discarded.")
    ] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Let dead letters be: nothing more is done about them. Who and why are recorded.

    The letters can be shown until `cev topics clean` deletes them.
    """
    if not why.strip():
        raise UsageError("a discard needs a reason that others can read later: --why TEXT")
    ruling = RedriveRequest("discarded", me(), why, rate, dry_run)
    wanted = _within(Filter(group=group, topic=topic, error=error, order_id=order_id), since, until)
    _decide(world(ctx), positions, wanted, ruling, as_json=as_json)


def _within(wanted: Filter, since: str | None, until: str | None) -> Filter:
    now = now_ms()
    return wanted._replace(
        since=parse_moment(since, now) if since is not None else None,
        until=parse_moment(until, now) if until is not None else None,
    )


def _decide(
    here: AppContext, positions: list[str] | None, wanted: Filter, ruling: RedriveRequest, *, as_json: bool
) -> None:
    if positions:
        wanted = wanted._replace(positions=redrive.positions_of(here.cluster, all_topics(), positions))
    run = Redrive(here.cluster, all_topics(), wanted, ruling)
    doing = "redriving" if ruling.how == "redriven" else "discarding"
    try:
        with progress(doing, lambda: run.progress.total, lambda: run.progress.walked):
            tally = run.run()
    except KeyboardInterrupt:
        if not ruling.dry_run:
            said = f"stopped after {run.progress.done:,} were {ruling.how}"
            output.log.print(f"{said}; the same command again goes on from there")
        raise
    if as_json:
        output.emit(letters.tally_fields(tally, ruling, run.id))
    else:
        letters.print_tally(tally, ruling)
    for name in tally.groups if ruling.how == "redriven" else ():
        warning = redrive.missing_member_warning(here.cluster, all_topics(), name)
        if warning:
            output.log.print(f"[yellow]warning:[/yellow] {cell(warning)}", soft_wrap=True)


def _decode(here: AppContext, letter: DeadLetter) -> tuple[Message | None, str | None]:
    record = letter.record
    source = letter.topic.source or letter.topic.name
    try:
        return here.codec.decode(source, record.key, record.value, record.position), None
    except (UndecodableMessage, RegistryUnreachable) as error:
        return None, str(error)
