"""`cev status`: how things are, and what an operator must hear of."""

from typing import Annotated, Any

import typer

from cli import output, tables
from cli.common import AppContext, app_context, command
from cli.tables import cell
from consumers.registry import REACTIONS, all_topics
from operations.status import collect, outbox
from operations.status.alarms import Lag, StatusAlarm
from operations.status.collect import Reader, Status
from operations.status.outbox import OutboxStatus
from operations.topics.provision import TopicDescription
from schemas.times import now_ms, rfc3339
from schemas.topics import Kind

_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))
_KIB = 1024


commands = typer.Typer(rich_markup_mode=None)


@command(commands, "status", example="cev status --check")
def show(
    ctx: typer.Context,
    *,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if there is an alarm.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Show the cluster, the mode, every group's lag, and alarms.

    Also the topics, the age of the oldest unhandled record, and each group's store.
    """
    app = app_context(ctx)
    readers = [Reader(r.name, r.reads, r.replaces, app.store(r.name)) for r in REACTIONS]
    found = collect.collect_status(app.cluster, app.codec, all_topics(), readers)
    now = now_ms()
    url = app.settings.outbox_url
    box = outbox.collect_outbox_status(url.get_secret_value(), now) if url is not None else None
    if box is not None:
        found = found._replace(alarms=(*found.alarms, *box.alarms))
    if as_json:
        output.emit(_document(app, found, now) | {"outbox": _outbox(box, now)})
    else:
        _print(app, found, now, _outbox(box, now))
    if check and found.alarms:
        raise typer.Exit(1)


def _document(app: AppContext, found: Status, now: int) -> dict[str, Any]:
    return {
        "bootstrap": app.cluster.bootstrap,
        "registry": app.cluster.registry,
        "cluster_id": found.cluster_id,
        "brokers": found.brokers,
        "mode": found.mode.mode if found.mode else None,
        "epoch": found.mode.epoch if found.mode else None,
        "topics": [
            {
                "name": each.topic.name,
                "kind": each.topic.kind.value,
                "owner": each.topic.owner,
                "records_max": each.records_max,
                "groups": [
                    {
                        "group": lag.group,
                        "lag": lag.lag,
                        "oldest_age_s": _age_s(lag, now),
                        "members": lag.members,
                    }
                    for lag in _on(found, each)
                ],
            }
            for each in found.topics
        ],
        "stores": [
            {
                "group": each.group,
                "path": str(each.store),
                "size": each.size,
                "effects": each.effects,
                "results": each.results,
            }
            for each in found.stores
        ],
        "alarms": [
            each._asdict() | {"since": rfc3339(each.since) if each.since is not None else None}
            for each in found.alarms
        ],
    }


def _outbox(box: OutboxStatus | None, now: int) -> dict[str, Any] | None:
    if box is None or box.backlog is None:
        return None
    rows, oldest_at, refused = box.backlog
    age = round(max(0, now - oldest_at) / 1000, 1) if oldest_at is not None else None
    return {"rows": rows, "oldest_age_s": age, "refused": refused}


def _print(app: AppContext, found: Status, now: int, box: dict[str, Any] | None) -> None:
    count = f"{found.brokers} {'broker' if found.brokers == 1 else 'brokers'}"
    _line("broker", f"{cell(app.cluster.bootstrap)}  [dim]{count}, cluster {cell(found.cluster_id)}[/dim]")
    _line("registry", cell(app.cluster.registry) if app.cluster.registry else "[dim]none[/dim]")
    if found.mode is not None:
        _line("mode", f"[bold]{cell(found.mode.mode)}[/bold]  [dim]epoch {found.mode.epoch}[/dim]")
    output.console.print()
    _print_topics(found, now)
    output.console.print()
    for each in found.stores:
        size = f"{each.size / _KIB / _KIB:,.1f} MiB"
        _line(
            "store",
            f"{each.group}  {each.effects:,} effects  [dim]{each.results:,} batches of results kept  "
            f"{size}  {cell(each.store)}[/dim]",
        )
    if box is not None:
        since = f"  [dim]the oldest for {_ago(box['oldest_age_s'])}[/dim]" if box["rows"] else ""
        _line("outbox", f"{box['rows']:,} rows wait{since}")
    for alarm in found.alarms:
        _print_alarm(alarm, now)
    if not found.alarms:
        _line("alarms", "[green]none[/green]")


def _print_topics(found: Status, now: int) -> None:
    sheet = tables.new_table(
        "topic",
        "kind",
        "records",
        "group",
        "lag",
        "oldest",
        "members",
        right=("records", "lag", "members"),
    )
    quiet = 0
    for each in found.topics:
        lags = _on(found, each)
        spare = each.topic.kind in (Kind.DEAD_LETTER, Kind.RETRY)
        if spare and not each.records_max and each.state is not None and not any(lag.lag for lag in lags):
            quiet += 1
            continue
        records = f"{each.records_max:,}" if each.records_max is not None else "[red]missing[/red]"
        head = (each.topic.name, each.topic.kind.value, records)
        for number, lag in enumerate(lags or [None]):
            sheet.add_row(*(head if number == 0 else ("", "", "")), *_cells(lag, now))
    tables.print_table(sheet)
    if quiet:
        output.console.print(f"[dim]and {quiet} empty dead-letter and retry topics[/dim]")


def _cells(lag: Lag | None, now: int) -> tuple[str, str, str, str]:
    if lag is None:
        return "", "", "", ""
    age = _age_s(lag, now)
    behind = f"[yellow]{lag.lag:,}[/yellow]" if lag.lag else "0"
    return cell(lag.group), behind, _ago(age) if age is not None else "", str(lag.members)


def _print_alarm(alarm: StatusAlarm, now: int) -> None:
    since = f" for {_ago((now - alarm.since) / 1000)}" if alarm.since is not None else ""
    _line("alarm", f"[bold]{alarm.name}[/bold]{since}  {cell(alarm.text)}", color="red")


def _line(label: str, text: str, *, color: str = "dim") -> None:
    output.console.print(f"[{color}]{label:<10}[/{color}]{text}", soft_wrap=True)


def _on(found: Status, each: TopicDescription) -> list[Lag]:
    return [lag for lag in found.lags if lag.topic == each.topic.name]


def _age_s(lag: Lag, now: int) -> float | None:
    return round(max(0, now - lag.oldest_at) / 1000, 1) if lag.oldest_at is not None else None


def _ago(seconds: float) -> str:
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0, seconds):.0f} s"
