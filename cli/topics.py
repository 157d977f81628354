"""`cev topics`: make the cluster match the catalogue, look at it, and delete what nobody needs any more."""

from typing import Annotated, Any

import typer

from cli import output, tables
from cli.common import AppContext, app_context, command, new_group
from cli.completion import topic_names
from cli.progress import progress
from consumers.registry import all_topics
from operations.cleaning.clean import CleanedTopic, CleaningRun
from operations.cleaning.plan import reasons
from operations.topics import provision
from operations.topics.provision import CreationResult, TopicDescription
from schemas.avro_schemas import full_name
from schemas.times import now_ms, rfc3339

_DAY_MS = 86_400_000

commands = new_group("Create, inspect and clean the topics of the catalogue.")


def create_all(app: AppContext) -> CreationResult:
    """Create what is missing of the whole catalogue; differences are printed on stderr."""
    made = provision.create(app.cluster, all_topics(), app.registry)
    for each in made.mended:
        output.log.print(
            f"{each.topic}: {each.what} was {tables.cell(each.actual)}, now {each.wanted}", style="dim"
        )
    for each in made.differs:
        output.log.print(f"[yellow]differs[/yellow]  {tables.cell(each)}", soft_wrap=True)
    return made


@command(commands, "create", example="cev topics create")
def create(ctx: typer.Context, *, as_json: output.JsonFlag = False) -> None:
    """Create the topics that are missing, and print what differs.

    It deletes nothing and changes no partition count.
    """
    wanted = all_topics()
    made = create_all(app_context(ctx))
    if as_json:
        output.emit(
            {
                "created": list(made.created),
                "changed": [each._asdict() for each in made.mended],
                "differs": [each._asdict() for each in made.differs],
                "schemas": [{"topic": topic, "record": record} for topic, record in made.subjects],
            }
        )
        return
    for name in made.created:
        output.console.print(f"[green]created[/green]  {name}")
    there = len(wanted) - len(made.created)
    schemas = f", {len(made.subjects)} schemas registered" if made.subjects else ""
    output.console.print(f"{len(made.created)} created, {there} were there{schemas}")


@command(commands, "list", example="cev topics list")
def list_all(ctx: typer.Context, *, as_json: output.JsonFlag = False) -> None:
    """List every topic with its kind and owner."""
    found = provision.describe(app_context(ctx).cluster, all_topics())
    if as_json:
        for each in found:
            output.emit(_fields(each))
        return
    sheet = tables.new_table(
        "topic", "kind", "owner", "partitions", "records", "", right=("partitions", "records")
    )
    for each in found:
        there = each.state is not None
        sheet.add_row(
            each.topic.name,
            each.topic.kind.value,
            each.topic.owner,
            str(each.state.partitions) if each.state is not None else "-",
            f"≤ {each.records_max:,}" if there and each.records_max else "0" if there else "-",
            _remark(each),
        )
    tables.print_table(sheet)
    if any(each.state is None for each in found):
        output.log.print("`cev topics create` creates what is missing", style="dim")


@command(commands, "describe", example="cev topics describe dispatch_products")
def describe(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A topic of the catalogue.", autocompletion=topic_names)
    ],
    *,
    as_json: output.JsonFlag = False,
) -> None:
    """Describe one topic: its purpose, and its settings and offsets on the cluster."""
    topic = provision.find_topic(all_topics(), name)
    [each] = provision.describe(app_context(ctx).cluster, [topic])
    if as_json:
        output.emit(_fields(each) | _details(each))
        return
    details = _details(each)
    lines = {
        "kind": topic.kind.value,
        "owner": topic.owner,
        "carries": ", ".join(details["records"]) or f"the bytes of {topic.source}",
        "replication": str(details["replication"] if each.state else "-"),
        "settings": "  ".join(f"{key}={value}" for key, value in topic.config.items()),
    }
    output.console.print(f"[bold]{topic.name}[/bold]  {_remark(each)}")
    for label, text in lines.items():
        output.console.print(f"  [dim]{label:<12}[/dim]{text}", soft_wrap=True)
    for difference in each.differs:
        output.console.print(f"  [yellow]{'differs':<12}[/yellow]{tables.cell(difference)}", soft_wrap=True)
    sheet = tables.new_table("  partition", "low", "high", right=("  partition", "low", "high"))
    for number, edge in sorted(each.watermarks.items()):
        sheet.add_row(str(number), f"{edge.low:,}", f"{edge.high:,}")
    if each.state is not None:
        tables.print_table(sheet)


@command(commands, "clean", example="cev topics clean --dry-run")
def clean(
    ctx: typer.Context,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be deleted and delete nothing.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Delete handled commands and decided dead letters that are older than CEV_CLEAN_AFTER_D days.

    Facts, results and mode changes are never deleted; nor is a command that its group has not committed, or a
    dead letter without a decision. A decision is kept as long as its dead letter, a discard as long as the
    record that it is about.
    """
    app = app_context(ctx)
    before = now_ms() - int(app.settings.clean_after_d * _DAY_MS)
    run = CleaningRun(app.cluster, all_topics(), before=before, dry_run=dry_run)
    with progress("looking" if dry_run else "cleaning", lambda: run.total, lambda: run.walked):
        cleaned = run.run()
    if as_json:
        output.emit(
            {
                "dry_run": dry_run,
                "before": rfc3339(before),
                "deleted": sum(each.deleted for each in cleaned),
                "topics": [_cleaned(each) for each in cleaned],
            }
        )
    else:
        _print_cleaned(cleaned, before, dry_run=dry_run)


def _print_cleaned(cleaned: list[CleanedTopic], before: int, *, dry_run: bool) -> None:
    word = "would delete" if dry_run else "deleted"
    sheet = tables.new_table("topic", word, "left", "because", right=(word, "left"))
    shown = [each for each in cleaned if each.deleted or each.left]
    for each in shown:
        because = "; ".join(reasons(each.partitions.values()))
        sheet.add_row(each.topic.name, f"{each.deleted:,}", f"≤ {each.left:,}" if each.left else "0", because)
    if shown:
        tables.print_table(sheet)
    else:
        output.console.print("nothing to clean")
    note = "; dry run: nothing was deleted" if dry_run else ""
    output.log.print(f"the limit is {rfc3339(before)}{note}", style="dim")


def _cleaned(each: CleanedTopic) -> dict[str, Any]:
    return {
        "name": each.topic.name,
        "kind": each.topic.kind.value,
        "owner": each.topic.owner,
        "deleted": each.deleted,
        "left_max": each.left,
        "because": reasons(each.partitions.values()),
        "partitions": [
            {"partition": number, "low": found.low, "upto": found.upto, "because": found.why}
            for number, found in sorted(each.partitions.items())
        ],
    }


def _remark(each: TopicDescription) -> str:
    if each.state is None:
        return "[red]missing[/red]"
    if each.differs:
        return f"[yellow]differs[/yellow]: {', '.join(difference.what for difference in each.differs)}"
    return ""


def _fields(each: TopicDescription) -> dict[str, Any]:
    return {
        "name": each.topic.name,
        "kind": each.topic.kind.value,
        "owner": each.topic.owner,
        "partitions": each.state.partitions if each.state is not None else None,
        "records_max": each.records_max,
        "differs": [difference._asdict() for difference in each.differs],
    }


def _details(each: TopicDescription) -> dict[str, Any]:
    return {
        "records": [full_name(record) for record in each.topic.records],
        "source": each.topic.source,
        "replication": each.state.replication if each.state is not None else None,
        "config": each.topic.config,
        "offsets": [
            {"partition": number, "low": edge.low, "high": edge.high}
            for number, edge in sorted(each.watermarks.items())
        ],
    }
