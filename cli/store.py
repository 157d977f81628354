"""`cev store`: what an operator does with a group's store."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import app_context, command, new_group
from cli.completion import reaction_names
from cli.output import JsonFlag, console, emit, log
from cli.tables import cell, new_table, print_table
from operations.stores.plan import Step, Unknown
from schemas.counting import counted
from schemas.topics import retry_topic

if TYPE_CHECKING:
    from operations.stores.adopt import Plan

commands = new_group("Lead a group on that stopped because of its store or its offsets.")


@command(
    commands,
    "adopt",
    examples=(
        "cev store adopt warehouse",
        "cev store adopt warehouse --yes",
        "cev store adopt warehouse --unknown skip --yes",
    ),
)
def adopt(
    ctx: typer.Context,
    group: Annotated[str, typer.Argument(metavar="GROUP", help="A reaction.", autocompletion=reaction_names)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this it is a dry run.")] = False,
    unknown: Annotated[
        Unknown | None,
        typer.Option(
            help="What becomes of records that the group has committed and the store does not know.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show where a group would go on with its store, and with --yes set it there.

    For a group that ended with exit code 4: its topics were made anew, it moved to another cluster, its
    offsets were deleted or set back, its store is an older one. Effects stay in the store and are found by
    their order, so nothing that the store knows is done twice. It refuses while a member of the group lives.
    """
    from consumers.registry import named  # noqa: PLC0415 - reactions and the database, for this command alone
    from operations.stores.adopt import adopt as adopt_store  # noqa: PLC0415 - the same

    app = app_context(ctx)
    reaction = named(group)
    topics = [*reaction.reads, *(retry_topic(reaction.name, topic) for topic in reaction.reads)]
    plan = adopt_store(app.cluster, app.store(reaction.name), topics, unknown=unknown, dry_run=not yes)
    if as_json:
        emit(_document(plan, done=yes))
    else:
        _print(plan, done=yes)


def _document(plan: "Plan", *, done: bool) -> dict[str, Any]:
    return {
        "group": plan.group,
        "store": plan.store,
        "store_id": plan.store_id,
        "cluster": {"store": plan.clusters[0], "now": plan.clusters[1]},
        "topics": [
            {"name": name, "store": before, "now": now} for name, (before, now) in plan.topics.items()
        ],
        "partitions": [_partition(step) for step in plan.steps],
        "results_sent": len(plan.unsent),
        "deliveries_withdrawn": plan.intended,
        "dry_run": not done,
    }


def _partition(step: Step) -> dict[str, Any]:
    state = step.state
    return {
        "topic": step.partition[0],
        "partition": step.partition[1],
        "anew": step.anew,
        "store": None if state.progress is None else state.progress.position,
        "committed": None if state.committed is None else state.committed.offset,
        "low": state.watermarks.low,
        "high": state.watermarks.high,
        "start": step.start,
        "skips": step.skips,
        "repeats": step.repeats,
        "unknown": step.unknown,
    }


def _print(plan: "Plan", *, done: bool) -> None:
    console.print(f"[bold]{plan.group}[/bold]  store {cell(plan.store)}", soft_wrap=True)
    for what, before, now in [
        ("cluster", *plan.clusters),
        *((name, before, now) for name, (before, now) in plan.topics.items() if before is not None),
    ]:
        if before != now:
            console.print(f"  [yellow]{what}[/yellow] was {before}, is {now}", soft_wrap=True)
    right = ("partition", "store", "committed", "log", "goes on at", "skips", "repeats", "unknown")
    table = new_table("topic", *right, right=right, drop=("unknown", "log"))
    for step in plan.steps:
        row = _partition(step)
        row["log"] = f"{row['low']}-{row['high']}"
        shown = ("topic", "partition", "store", "committed", "log", "start", "skips", "repeats", "unknown")
        table.add_row(*("-" if row[name] is None else str(row[name]) for name in shown))
    print_table(table)
    would = "" if done else "would be "
    if plan.unsent:
        console.print(f"{would}sent: {counted(len(plan.unsent), 'result')} that Kafka does not have")
    if plan.intended:
        deliveries = counted(plan.intended, "delivery", "deliveries")
        console.print(f"{would}taken back until their order comes again: {deliveries}")
    if plan.unknown and not done:
        console.print(
            f"committed, and unknown to the store: {counted(plan.unknown, 'offset')}; --unknown skip if what "
            "they say was done; --unknown repeat if it may be done again",
            soft_wrap=True,
        )
    if not done:
        log.print("dry run: nothing was changed; --yes does it", style="dim")
