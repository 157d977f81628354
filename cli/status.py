"""`cev status`: how things are, and what an operator must hear of."""

from typing import Annotated, Any

import typer

from cli import output, tables
from cli.common import AppContext, app_context, command
from cli.tables import cell
from consumers.registry import REACTIONS, all_topics
from operations.status import collect, outbox
from operations.status.alarms import Lag, StatusAlarm
from operations.status.collect import Status
from operations.status.outbox import OutboxStatus
from operations.status.stores import Reader
from operations.topics.provision import TopicDescription
from schemas.addresses import shown
from schemas.counting import counted
from schemas.times import now_ms, rfc3339
from schemas.topics import Kind

_AGES = ((86_400, "d"), (3_600, "h"), (60, "min"))
_KIB = 1024
_LABEL = 10


commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "status",
    examples=(
        "cev status",
        "cev status --check",
        "cev status --json",
    ),
)
def show(
    ctx: typer.Context,
    *,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 if there is an alarm.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Show the cluster, the mode, every group's lag, and alarms.

    It shows the age of the oldest unhandled record, too, and the groups' stores.
    """
    app = app_context(ctx)
    readers = [Reader(r.name, r.reads, r.replaces, app.store(r.name), r.alarms) for r in REACTIONS]
    status = collect.collect_status(app.cluster, app.codec, all_topics(), readers)
    now = now_ms()
    url = app.settings.outbox_url
    outbox_status = outbox.collect_outbox_status(url.get_secret_value(), now) if url is not None else None
    if outbox_status is not None:
        status = status._replace(alarms=(*status.alarms, *outbox_status.alarms))
    if as_json:
        output.emit(_document(app, status, now) | {"outbox": _outbox(outbox_status, now)})
    else:
        _print(app, status, now, _outbox(outbox_status, now))
    if check and status.alarms:
        raise typer.Exit(1)


def _document(app: AppContext, status: Status, now: int) -> dict[str, Any]:
    return {
        "bootstrap": app.cluster.bootstrap,
        "registry": _registry(app),
        "cluster_id": status.cluster_id,
        "brokers": status.brokers,
        "mode": status.mode.mode if status.mode else None,
        "flow": status.mode.flow if status.mode else None,
        "epoch": status.mode.epoch if status.mode else None,
        "topics": [
            {
                "name": description.topic.name,
                "kind": description.topic.kind.value,
                "owner": description.topic.owner,
                "records_max": description.records_max,
                "groups": [
                    {
                        "group": lag.group,
                        "lag": lag.lag,
                        "oldest_age_s": _age_s(lag, now),
                        "members": lag.members,
                    }
                    for lag in _lags_on(status, description)
                ],
            }
            for description in status.topics
        ],
        "stores": [
            {
                "group": store.group,
                "path": str(store.store),
                "size": store.size,
                "effects": store.effects,
                "skipped": store.skipped,
                "results": store.results,
            }
            for store in status.stores
        ],
        "alarms": [
            alarm._asdict() | {"since": rfc3339(alarm.since) if alarm.since is not None else None}
            for alarm in status.alarms
        ],
    }


def _outbox(outbox_status: OutboxStatus | None, now: int) -> dict[str, Any] | None:
    if outbox_status is None or outbox_status.backlog is None:
        return None
    rows, oldest_at, refused = outbox_status.backlog
    age = round(max(0, now - oldest_at) / 1000, 1) if oldest_at is not None else None
    return {"rows": rows, "oldest_age_s": age, "refused": refused}


def _registry(app: AppContext) -> str | None:
    return shown(app.cluster.registry, with_path=True) if app.cluster.registry else None


def _print(app: AppContext, status: Status, now: int, outbox_status: dict[str, Any] | None) -> None:
    for alarm in status.alarms:
        _print_alarm(alarm, now)
    if not status.alarms:
        _line("alarms", "[green]none[/green]")
    else:
        output.console.print()
    brokers = f"{counted(status.brokers, 'broker')}, cluster {cell(status.cluster_id)}"
    _line("broker", f"{cell(app.cluster.bootstrap)}  [dim]{brokers}[/dim]")
    _line("registry", cell(app.cluster.registry) if app.cluster.registry else "[dim]none[/dim]")
    if status.mode is not None:
        text = f"epoch {status.mode.epoch}, flow {cell(status.mode.flow)}"
        _line("mode", f"[bold]{cell(status.mode.mode)}[/bold]  [dim]{text}[/dim]")
    if outbox_status is not None:
        since = (
            f"  [dim]the oldest for {_ago(outbox_status['oldest_age_s'])}[/dim]"
            if outbox_status["rows"]
            else ""
        )
        waiting = "row waits" if outbox_status["rows"] == 1 else "rows wait"
        _line("outbox", f"{outbox_status['rows']:,} {waiting}{since}")
    output.console.print()
    _print_topics(status, now)
    if status.stores:
        output.console.print()
        _print_stores(status)


def _print_topics(status: Status, now: int) -> None:
    table = tables.new_table(
        *("topic", "kind", "offsets", "group", "lag", "oldest", "members"),
        right=("offsets", "lag", "members"),
        drop=("kind", "offsets"),
    )
    quiet = 0
    for description in status.topics:
        lags = _lags_on(status, description)
        if _is_quiet(description, lags):
            quiet += 1
            continue
        offsets = (
            f"{description.records_max:,}" if description.records_max is not None else "[red]missing[/red]"
        )
        head = (description.topic.name, description.topic.kind.value, offsets)
        for number, lag in enumerate(lags or [None]):
            table.add_row(*(head if number == 0 else ("", "", "")), *_cells(lag, now))
    tables.print_table(table)
    if quiet:
        topics = counted(quiet, "empty dead-letter or retry topic")
        output.console.print(f"[dim]and {topics}[/dim]")


def _is_quiet(description: TopicDescription, lags: list[Lag]) -> bool:
    """Whether a topic for failures has nothing to say."""
    return (
        description.topic.kind in (Kind.DEAD_LETTER, Kind.RETRY)
        and description.state is not None
        and not description.records_max
        and not any(lag.lag for lag in lags)
    )


def _print_stores(status: Status) -> None:
    table = tables.new_table("store of", "effects", "size", "place", right=("effects", "size"))
    for store in status.stores:
        size = f"{store.size / _KIB / _KIB:,.1f} MiB"
        effects = f"{store.effects:,}" + (f", {store.skipped:,} skipped" if store.skipped else "")
        table.add_row(store.group, effects, size, f"[dim]{cell(store.store)}[/dim]")
    tables.print_table(table)


def _cells(lag: Lag | None, now: int) -> tuple[str, str, str, str]:
    if lag is None:
        return "", "", "", ""
    age = _age_s(lag, now)
    behind = f"[yellow]{lag.lag:,}[/yellow]" if lag.lag else "0"
    return cell(lag.group), behind, _ago(age) if age is not None else "", str(lag.members)


def _print_alarm(alarm: StatusAlarm, now: int) -> None:
    """An alarm with what to do: one line into a file or a pipe, folded between words on a terminal."""
    since = f" for {_ago((now - alarm.since) / 1000)}" if alarm.since is not None else ""
    text = f"[red]{'alarm':<{_LABEL}}[/red][bold]{alarm.name}[/bold]{since}  {cell(alarm.text)}"
    tables.print_prose(output.console, text, indent=_LABEL)


def _line(label: str, text: str) -> None:
    output.console.print(f"[dim]{label:<{_LABEL}}[/dim]{text}", soft_wrap=True)


def _lags_on(status: Status, description: TopicDescription) -> list[Lag]:
    return [lag for lag in status.lags if lag.topic == description.topic.name]


def _age_s(lag: Lag, now: int) -> float | None:
    return round(max(0, now - lag.oldest_at) / 1000, 1) if lag.oldest_at is not None else None


def _ago(seconds: float) -> str:
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{max(0, seconds):.0f} s"
