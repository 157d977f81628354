"""`cev consume`: run reactions until told to stop.

The first SIGTERM or SIGINT drains what is in flight and leaves the groups; a second one ends at once.

I/O: signals, stderr, logs.
"""

import os
import sys
from collections.abc import Mapping
from functools import partial
from threading import Event
from typing import Annotated

import typer

from broker.datadir import claim
from cli.common import AppContext, command, world
from cli.output import log, safe
from cli.settings import Settings
from cli.signals import stop_on_signals
from cli.tables import cell
from consumers.channels.mail import Maildir, SmtpMail
from consumers.channels.text import HttpText, JsonLinesText
from consumers.registry import REACTIONS, named
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.pool import Channel
from consumers.runtime.health_server import serve
from consumers.runtime.member import Member
from consumers.runtime.reaction import Reaction, Start
from consumers.runtime.runner import Runner
from consumers.runtime.status import MemberStatus
from schemas.errors import UsageError
from schemas.topics import BY_NAME

_KILLED = 1


def register(app: typer.Typer) -> None:
    """Put the command into the command line."""
    command(app, "consume", example="cev consume warehouse notification sales")(consume)


def consume(
    ctx: typer.Context,
    reaction: Annotated[
        list[str],
        typer.Argument(metavar="REACTION...", help=f"One or more of {', '.join(r.name for r in REACTIONS)}."),
    ],
    *,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Deliveries side by side, in order per order.")
    ] = 4,
    start: Annotated[
        Start | None, typer.Option("--from", help="Where a group begins at its very first start.")
    ] = None,
    until_idle: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Stop when nothing came for so long.")
    ] = None,
) -> None:
    """Run reactions, each as its own consumer group, until SIGTERM."""
    chosen = [named(name) for name in dict.fromkeys(reaction)]
    here = world(ctx)
    claim(here.data_dir)
    stopping = Event()
    stop_on_signals(stopping)
    config = MemberConfig(
        workers=workers,
        start=start,
        clock_skew_ms=int(here.settings.clock_skew_s * 1000),
        notify_max_age_ms=int(here.settings.notify_max_age_h * 3_600_000),
        act_on_foreign=here.settings.foreign_facts == "act",
    )
    members = [_member(each, here, config, stopping) for each in chosen]
    statuses = [status for _, status in members]
    server = None
    if here.settings.health_port is not None:
        server = serve(here.settings.health_port, statuses)
        log.print(f"[dim]health on port {server.server_port}[/dim]")
    service = Runner(members, stopping)
    drained = service.run(
        until_idle_s=until_idle, drain_s=here.settings.drain_s, watch=partial(_announce, statuses, set())
    )
    if server is not None:
        server.shutdown()
    _finish(service, statuses, drained=drained, drain_s=here.settings.drain_s)


def _member(
    reaction: Reaction, here: AppContext, config: MemberConfig, stopping: Event
) -> tuple[Member, MemberStatus]:
    channels = {name: _channel(name, here.settings) for name in reaction.channels}
    status = MemberStatus(reaction.name)
    member = Member(
        reaction,
        cluster=here.cluster,
        codec=here.codec,
        store=here.store(reaction.name),
        channels=channels,
        config=config,
        status=status,
        stopping=stopping,
    )
    _introduce(reaction, here, channels)
    return member, status


def _channel(name: str, settings: Settings) -> Channel:
    if name == "email":
        if settings.smtp_url is not None:
            return SmtpMail(settings.smtp_url.get_secret_value(), settings.mail_from)
        return Maildir(settings.data_dir / "maildir", settings.mail_from)
    if name == "text":
        if settings.text_url is not None:
            return HttpText(settings.text_url.get_secret_value())
        return JsonLinesText(settings.data_dir / "texts.jsonl")
    raise UsageError(f"there is no channel {name!r}; there are email and text")


def _introduce(reaction: Reaction, here: AppContext, channels: Mapping[str, Channel]) -> None:
    reads = ", ".join(
        f"{name} ({BY_NAME[name].kind}, owner {BY_NAME[name].owner})" for name in reaction.reads
    )
    log.print(f"[bold]{reaction.name}[/bold]  reads {reads}", soft_wrap=True)
    log.print(f"  store     {cell(here.store(reaction.name))}", style="dim", soft_wrap=True)
    for name, channel in channels.items():
        log.print(f"  {name:<9} {cell(channel.describe)}", style="dim", soft_wrap=True)


def _announce(statuses: list[MemberStatus], told: set[str]) -> None:
    for status in statuses:
        if status.joined and status.owned and status.group not in told:
            told.add(status.group)
            where = (
                "for the first time"
                if status.first_starts == len(status.start_offsets)
                else "where it left off"
            )
            log.print(
                f"[bold]{status.group}[/bold]  joined with {status.owned} partitions, {where}, "
                f"at position {sum(status.start_offsets.values())} (sum of offsets)",
                soft_wrap=True,
            )


def _finish(service: Runner, statuses: list[MemberStatus], *, drained: bool, drain_s: float) -> None:
    for status in statuses:
        log.print(
            f"[bold]{status.group}[/bold]  {status.effects} effects, {status.duplicates} duplicates, "
            f"{status.dead} dead letters"
        )
    code = 0
    for failure in service.failures():
        log.print(f"cev: {safe(failure)}", markup=False, soft_wrap=True)
        code = max(code, getattr(failure, "exit_code", 1))
    if not drained:
        log.print(
            f"cev: the drain deadline of {drain_s:g} s passed; what was in flight comes again next time"
        )
        sys.stderr.flush()
        os._exit(max(code, _KILLED))
    if code:
        raise typer.Exit(code)
