"""`cev dlq`: records that a group gave up, why, and what becomes of them."""

from contextlib import closing
from typing import Annotated

import typer

from cli import output
from cli.common import AppContext, app_context, command, new_group
from cli.completion import reaction_names, topic_names
from cli.dlq import output as dead_letter_output
from cli.progress import progress
from cli.signals import Interruption
from cli.tables import warn
from cli.user import user_at_host
from clients.admin import Admin
from consumers.registry import all_topics
from operations.dead_letters import decisions, listing, redrive
from operations.dead_letters import summary as counting
from operations.dead_letters.listing import DeadLetter, Filter
from operations.dead_letters.redrive import Redrive, RedriveRequest
from operations.moments import parse_moment
from schemas.envelope import by_name
from schemas.errors import RegistryUnreachable, UndecodableMessage, UsageError
from schemas.times import now_ms
from schemas.topics import Kind, Message

commands = new_group(
    "List, show, redrive and discard dead letters.\n\n"
    "A dead letter is a record that its group could not handle."
)

_Positions = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TOPIC:PARTITION:OFFSET",
        help="Only these dead letters, named as `cev dlq list` shows them.",
        show_default=False,
    ),
]
_Group = Annotated[
    str | None,
    typer.Option(metavar="GROUP", help="Only dead letters of this group.", autocompletion=reaction_names),
]
_Topic = Annotated[
    str | None,
    typer.Option(
        metavar="TOPIC",
        help="Only dead letters from this topic, or on this dead-letter topic.",
        autocompletion=topic_names,
    ),
]
_Error = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Only errors whose name or message contains TEXT.")
]
_OrderId = Annotated[int | None, typer.Option(metavar="N", help="Only dead letters of this order.")]
_Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only from this time on: RFC 3339, or an age such as 15m.")
]
_Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only before this time.")]
_Rate = Annotated[float, typer.Option(metavar="N", help="Maximum per second; 0 is unlimited.", min=0)]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done and write nothing.")]


@command(
    commands,
    "list",
    examples=(
        "cev dlq list",
        "cev dlq list --group warehouse --since 1h",
        "cev dlq list --error ForeignFact --json",
        "cev dlq list --all --order-id 12004",
    ),
)
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
        bool, typer.Option("--all", help="Include decided letters: what was decided, by whom, why and when.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="List at most N, the first that are read.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Count them by group and error instead of listing each.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """List the dead letters that wait for a decision, as they are read.

    One line for each; `cev dlq show` shows all of one.
    """
    criteria = _within(Filter(group=group, topic=topic, error=error, order_id=order_id), since, until)
    matching = listing.find_dead_letters(app_context(ctx).cluster, all_topics(), criteria, every=every)
    with closing(matching), counting.summary() as counts:
        more = ""
        for letter in matching:
            if limit is not None and counts.number == limit:
                more = "; there are more"
                break
            counts.add(letter)
            if not summary and as_json:
                output.emit(dead_letter_output.fields(letter))
            elif not summary:
                dead_letter_output.print_line(letter)
        if summary:
            dead_letter_output.print_summary(counts, as_json=as_json)
        if not as_json:
            output.log.print(dead_letter_output.total(counts) + more, style="dim")


@command(
    commands,
    "show",
    examples=(
        "cev dlq show warehouse.orders.dlq:0:0",
        "cev dlq show warehouse.orders.dlq:0:0 --json",
    ),
)
def show(
    ctx: typer.Context,
    position: Annotated[
        str,
        typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="The dead letter, as `cev dlq list` names it."),
    ],
    *,
    as_json: output.JsonFlag = False,
) -> None:
    """Show one dead letter: key, value, all headers, and the decision about it."""
    app = app_context(ctx)
    letter = listing.fetch(app.cluster, all_topics(), position)
    if letter.topic.kind is Kind.DEAD_LETTER:
        decision = decisions.decision_about(Admin(app.cluster), letter.topic, letter.record.position)
        letter = letter._replace(decision=decision)
    message, fault = _decode(app, letter)
    if as_json:
        output.emit(dead_letter_output.fields(letter) | dead_letter_output.contents(letter, message, fault))
    else:
        dead_letter_output.print_whole(letter, message, fault)


@command(
    commands,
    "redrive",
    examples=(
        "cev dlq redrive --group warehouse --since 1h",
        "cev dlq redrive --error ReactionFailed --dry-run",
        'cev dlq redrive sales.orders.dlq:3:17 --why "the store is mended"',
    ),
)
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
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason, shown by `cev dlq list --all`.")] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Send dead letters again to the group that failed, and to no other group.

    Takes the letters that are there when it begins, each once; a decided letter is skipped. If it is killed
    half-way, the same command continues where it stopped. If two run at the same time, one of them continues
    and the other exits 4.
    """
    request = RedriveRequest("redriven", user_at_host(), why, rate, dry_run)
    criteria = _within(Filter(group=group, topic=topic, error=error, order_id=order_id), since, until)
    _decide(app_context(ctx), positions, criteria, request, as_json=as_json)


@command(
    commands,
    "discard",
    examples=(
        'cev dlq discard --error UnknownFraming --why "a test sent them"',
        'cev dlq discard --order-id 12004 --why "called the customer"',
    ),
)
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
    why: Annotated[str, typer.Option(metavar="TEXT", help="Reason; required.")] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Discard dead letters: nothing more is done about them.

    The letters can be shown until `cev topics clean` deletes them.
    """
    if not why.strip():
        raise UsageError("a discard needs a reason that others can read later: --why TEXT")
    request = RedriveRequest("discarded", user_at_host(), why, rate, dry_run)
    criteria = _within(Filter(group=group, topic=topic, error=error, order_id=order_id), since, until)
    _decide(app_context(ctx), positions, criteria, request, as_json=as_json)


def _within(criteria: Filter, since: str | None, until: str | None) -> Filter:
    now = now_ms()
    return criteria._replace(
        since=parse_moment(since, now) if since is not None else None,
        until=parse_moment(until, now) if until is not None else None,
    )


def _decide(
    app: AppContext, positions: list[str] | None, criteria: Filter, request: RedriveRequest, *, as_json: bool
) -> None:
    if positions:
        criteria = criteria._replace(positions=redrive.positions_of(app.cluster, all_topics(), positions))
    doing = "redriving" if request.how == "redriven" else "discarding"
    with counting.summary() as counts:
        with Interruption() as interruption:
            run = Redrive(
                app.cluster,
                all_topics(),
                criteria,
                request,
                stopping=interruption.asked,
                chosen=counts.add,
            )
            with progress(doing, lambda: run.progress.total, lambda: run.progress.walked):
                run.run()
        stopped = {"stopped": True} if interruption.asked() else {}
        if as_json:
            document = dead_letter_output.progress_fields(run.progress, request, run.id, counts)
            output.emit(document | stopped)
        else:
            dead_letter_output.print_progress(run.progress, request, counts)
    for name in run.progress.groups if request.how == "redriven" else ():
        warning = redrive.missing_member_warning(app.cluster, all_topics(), name)
        if warning:
            warn(warning)
    if stopped:
        output.log.print("stopped before the end; the same command again goes on from there")
    interruption.end()


def _decode(app: AppContext, letter: DeadLetter) -> tuple[Message | None, str | None]:
    record = letter.record
    source = letter.topic.source or letter.topic.name
    try:
        return app.codec.decode(
            source, record.key, record.value, record.position, by_name(record.headers)
        ), None
    except (UndecodableMessage, RegistryUnreachable) as error:
        return None, str(error)
