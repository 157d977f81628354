"""`cev topics`: make the cluster match the catalogue, look at it, and delete what nobody needs any more."""

from typing import Annotated, Any

import typer

from cli import output, tables
from cli.common import AppContext, app_context, command, new_group
from cli.completion import topic_names
from cli.progress import progress
from cli.signals import Interruption
from consumers.registry import all_topics
from operations.cleaning.clean import CleanedTopic, CleaningRun
from operations.cleaning.plan import reasons
from operations.topics import provision
from operations.topics.provision import CreationResult, TopicDescription
from schemas.avro_schemas import full_name
from schemas.counting import counted
from schemas.times import now_ms, rfc3339

_DAY_MS = 86_400_000

commands = new_group("Create, inspect and clean the topics that cev uses.")


def create_all(app: AppContext, *, starting_s: float = 0) -> CreationResult:
    """Create what is missing of the whole catalogue; differences are printed on stderr.

    `starting_s` is as `provision.create` has it.
    """
    result = provision.create(app.cluster, all_topics(), app.registry, starting_s=starting_s)
    for setting in result.mended:
        output.log.print(
            f"{setting.topic}: {setting.what} was {tables.cell(setting.actual)}, now {setting.wanted}",
            style="dim",
        )
    for setting in result.differs:
        output.log.print(f"[yellow]differs[/yellow]  {tables.cell(setting)}", soft_wrap=True)
    return result


@command(
    commands,
    "create",
    examples=(
        "cev topics create",
        "cev topics create --json",
    ),
)
def create(ctx: typer.Context, *, as_json: output.JsonFlag = False) -> None:
    """Create the topics that are missing, and print what differs.

    It deletes nothing and changes no partition count.
    """
    topics = all_topics()
    result = create_all(app_context(ctx))
    if as_json:
        output.emit(
            {
                "created": list(result.created),
                "changed": [setting._asdict() for setting in result.mended],
                "differs": [setting._asdict() for setting in result.differs],
                "schemas": [{"topic": topic, "record": record} for topic, record in result.subjects],
            }
        )
        return
    for name in result.created:
        output.console.print(f"[green]created[/green]  {name}")
    there = len(topics) - len(result.created)
    schemas = f", {counted(len(result.subjects), 'schema')} registered" if result.subjects else ""
    output.console.print(f"{len(result.created)} created, {there} were there{schemas}")


@command(
    commands,
    "list",
    examples=(
        "cev topics list",
        "cev topics list --json",
    ),
)
def list_all(ctx: typer.Context, *, as_json: output.JsonFlag = False) -> None:
    """List every topic with its kind and owner.

    The column offsets counts transaction markers too, which take offsets as records do.
    """
    descriptions = provision.describe(app_context(ctx).cluster, all_topics())
    if as_json:
        for description in descriptions:
            output.emit(_fields(description))
        return
    table = tables.new_table(
        *("topic", "kind", "owner", "partitions", "offsets", "remark"),
        right=("partitions", "offsets"),
        drop=("partitions", "owner"),
        prose=("remark",),
    )
    for description in descriptions:
        table.add_row(
            description.topic.name,
            description.topic.kind.value,
            description.topic.owner,
            str(description.state.partitions) if description.state is not None else "-",
            _records(description),
            _remark(description),
        )
    tables.print_table(table)
    if any(description.state is None for description in descriptions):
        output.log.print("`cev topics create` creates what is missing", style="dim")


@command(
    commands,
    "describe",
    examples=(
        "cev topics describe dispatch_products",
        "cev topics describe warehouse.orders.dlq --json",
    ),
)
def describe(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A topic that cev uses.", autocompletion=topic_names)
    ],
    *,
    as_json: output.JsonFlag = False,
) -> None:
    """Describe one topic: its purpose, and its settings and offsets on the cluster."""
    topic = provision.find_topic(all_topics(), name)
    [description] = provision.describe(app_context(ctx).cluster, [topic])
    if as_json:
        output.emit(_fields(description) | _details(description))
        return
    details = _details(description)
    lines = {
        "kind": [topic.kind.value],
        "owner": [topic.owner],
        "carries": details["records"] or [f"the bytes of {topic.source}"],
        "replication": [str(details["replication"] if description.state else "-")],
        "settings": [f"{key}={value}" for key, value in topic.config.items()],
    }
    output.console.print(f"[bold]{topic.name}[/bold]  {_remark(description)}", soft_wrap=True)
    for label, texts in lines.items():
        for number, text in enumerate(texts):
            output.console.print(f"  [dim]{'' if number else label:<12}[/dim]{text}", soft_wrap=True)
    for difference in description.differs:
        output.console.print(f"  [yellow]{'differs':<12}[/yellow]{tables.cell(difference)}", soft_wrap=True)
    table = tables.new_table("  partition", "low", "high", right=("  partition", "low", "high"))
    for number, watermarks in sorted(description.watermarks.items()):
        table.add_row(str(number), f"{watermarks.low:,}", f"{watermarks.high:,}")
    if description.state is not None:
        tables.print_table(table)


@command(
    commands,
    "clean",
    examples=(
        "cev topics clean --dry-run",
        "cev topics clean",
    ),
)
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
    word = "looking" if dry_run else "cleaning"
    with Interruption() as interruption:
        run = CleaningRun(
            app.cluster, all_topics(), before=before, dry_run=dry_run, stopping=interruption.asked
        )
        with progress(word, lambda: run.total, lambda: run.walked):
            run.run()
    if as_json:
        output.emit(
            {
                **({"stopped": True} if interruption.asked() else {}),
                "dry_run": dry_run,
                "before": rfc3339(before),
                "deleted": sum(report.deleted for report in run.cleaned),
                "topics": [_cleaned(report) for report in run.cleaned],
            }
        )
    else:
        _print_cleaned(run.cleaned, before, dry_run=dry_run)
    if interruption.asked():
        output.log.print("stopped before the end; the same command again goes on from there")
    interruption.end()


def _print_cleaned(cleaned: list[CleanedTopic], before: int, *, dry_run: bool) -> None:
    word = "would delete" if dry_run else "deleted"
    table = tables.new_table("topic", word, "left", "because", right=(word, "left"), prose=("because",))
    shown = [report for report in cleaned if report.deleted or report.left]
    for report in shown:
        because = "; ".join(reasons(report.partitions.values()))
        table.add_row(
            report.topic.name, f"{report.deleted:,}", f"≤ {report.left:,}" if report.left else "0", because
        )
    if shown:
        tables.print_table(table)
    else:
        output.console.print("nothing to clean")
    note = "; dry run: nothing was deleted" if dry_run else ""
    output.log.print(f"the limit is {rfc3339(before)}{note}", style="dim")


def _cleaned(report: CleanedTopic) -> dict[str, Any]:
    return {
        "name": report.topic.name,
        "kind": report.topic.kind.value,
        "owner": report.topic.owner,
        "deleted": report.deleted,
        "left_max": report.left,
        "because": reasons(report.partitions.values()),
        "partitions": [
            {"partition": number, "low": partition.low, "upto": partition.upto, "because": partition.why}
            for number, partition in sorted(report.partitions.items())
        ],
    }


def _records(description: TopicDescription) -> str:
    if description.state is None:
        return "-"
    return f"≤ {description.records_max:,}" if description.records_max else "0"


def _remark(description: TopicDescription) -> str:
    if description.state is None:
        return "[red]missing[/red]"
    if description.differs:
        return f"[yellow]differs[/yellow]: {', '.join(difference.what for difference in description.differs)}"
    return ""


def _fields(description: TopicDescription) -> dict[str, Any]:
    return {
        "name": description.topic.name,
        "kind": description.topic.kind.value,
        "owner": description.topic.owner,
        "partitions": description.state.partitions if description.state is not None else None,
        "records_max": description.records_max,
        "differs": [difference._asdict() for difference in description.differs],
    }


def _details(description: TopicDescription) -> dict[str, Any]:
    return {
        "records": [full_name(record) for record in description.topic.records],
        "source": description.topic.source,
        "replication": description.state.replication if description.state is not None else None,
        "config": description.topic.config,
        "offsets": [
            {"partition": number, "low": watermarks.low, "high": watermarks.high}
            for number, watermarks in sorted(description.watermarks.items())
        ],
    }
