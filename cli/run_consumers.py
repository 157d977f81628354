"""The consumers of `cev consume`: made from the settings, run until a signal, and reported on at the end.

I/O: signals, stderr, logs.
"""

import os
import sys
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from threading import Event

import typer

from broker.datadir import claim
from cli.common import AppContext, print_error
from cli.consumer_log import GroupLines, introduce
from cli.processes.link import SupervisorLink
from cli.settings import Settings
from cli.signals import stop_on_signals
from clients.log import Log
from consumers.registry import named
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.channel import Channel
from consumers.runtime.health_server import serve
from consumers.runtime.member import Member
from consumers.runtime.reaction import AnyReaction, Start
from consumers.runtime.runner import Runner
from consumers.runtime.status import MemberStatus
from schemas.errors import UsageError

_KILLED = 1


def run_consumers(
    app: AppContext,
    names: Sequence[str],
    *,
    workers: int,
    start: Start | None,
    until_idle_s: float | None,
    supervised: bool,
) -> None:
    """Run reactions until a signal, or until nothing has come for a while.

    Args:
        app: settings and cluster.
        names: reactions; a repeated one runs once.
        workers: deliveries in parallel.
        start: where a group begins at its very first start; None: where its registry line says.
        until_idle_s: seconds without a record after which it ends; None: never.
        supervised: whether `cev consume --processes` has started this process, and may stop it.

    Raises:
        UsageError: there is no such reaction, or nobody supervises this process.
        typer.Exit: a group has stopped because of an error, with its exit code (design §9).
    """
    chosen = [named(name) for name in dict.fromkeys(names)]
    claim(app.data_dir)
    stopping = Event()
    stop_on_signals(stopping)
    supervisor = SupervisorLink() if supervised else None
    if supervisor is not None:
        supervisor.stop_at_end(stopping)
    config = MemberConfig(
        workers=workers,
        start=start,
        clock_skew_ms=int(app.settings.clock_skew_s * 1000),
        notify_max_age_ms=int(app.settings.notify_max_age_h * 3_600_000),
        payment_timeout_ms=int(app.settings.payment_timeout_s * 1000),
        dispatch_timeout_ms=int(app.settings.dispatch_timeout_s * 1000),
        payment_unresolved_ms=int(app.settings.payment_unresolved_s * 1000),
        act_on_foreign=app.settings.foreign_facts == "act",
    )
    members = [_member(reaction, app, config, stopping) for reaction in chosen]
    statuses = [status for _, status in members]
    server = _serve_health(app.settings, statuses, supervisor)
    runner = Runner(members, stopping)
    lines = GroupLines(statuses)
    drained = runner.run(until_idle_s=until_idle_s, drain_s=app.settings.drain_s, watch=lines)
    if server is not None:
        server.shutdown()
    lines.log_ends()
    _finish(runner, drained=drained, drain_s=app.settings.drain_s)


def _serve_health(
    settings: Settings, statuses: Sequence[MemberStatus], supervisor: SupervisorLink | None
) -> ThreadingHTTPServer | None:
    if settings.health_port is None:
        return None
    if supervisor is not None:
        # The port of the settings is the supervisor's, which asks here.
        server = serve(0, statuses)
        supervisor.announce_health_port(server.server_port)
        return server
    server = serve(settings.health_port, statuses, settings.health_host)
    Log().info("health server", port=server.server_port)
    return server


def _member(
    reaction: AnyReaction, app: AppContext, config: MemberConfig, stopping: Event
) -> tuple[Member, MemberStatus]:
    channels = {name: _channel(name, app.settings) for name in reaction.channels}
    status = MemberStatus(reaction.name)
    member = Member(
        reaction,
        cluster=app.cluster,
        codec=app.codec,
        store=app.store(reaction.name),
        channels=channels,
        config=config,
        status=status,
        stopping=stopping,
    )
    introduce(reaction, app.store(reaction.name), channels)
    return member, status


def _channel(name: str, settings: Settings) -> Channel:
    if name == "email":
        return _mail(settings)
    if name == "text":
        return _text(settings)
    if name == "gateway":
        return _payments(settings)
    raise UsageError(f"there is no channel {name!r}; there are email, text and gateway")


def _mail(settings: Settings) -> Channel:
    # Each channel with what it needs: no HTTP client for a group that writes a file.
    if settings.smtp_url is not None:
        from consumers.channels.smtp import SmtpMail  # noqa: PLC0415 - see above

        return SmtpMail(settings.smtp_url.get_secret_value(), settings.mail_from)
    from consumers.channels.maildir import Maildir  # noqa: PLC0415 - see above

    return Maildir(settings.data_dir / "maildir", settings.mail_from)


def _text(settings: Settings) -> Channel:
    if settings.text_url is not None:
        from consumers.channels.http_text import HttpText  # noqa: PLC0415 - as above

        return HttpText(settings.text_url.get_secret_value())
    from consumers.channels.json_lines import JsonLinesText  # noqa: PLC0415 - as above

    return JsonLinesText(settings.data_dir / "texts.jsonl")


def _payments(settings: Settings) -> Channel:
    if settings.payment_url is None:
        raise UsageError(
            "no payment gateway is named: set CEV_PAYMENT_URL to its address; `cev gateway` runs a stand-in"
        )
    from consumers.channels.http_payments import HttpPayments  # noqa: PLC0415 - as above

    return HttpPayments(settings.payment_url.get_secret_value())


def _finish(runner: Runner, *, drained: bool, drain_s: float) -> None:
    code = 0
    for failure in runner.failures():
        failed = getattr(failure, "exit_code", 1)
        print_error(str(failure), failed)
        code = max(code, failed)
    if not drained:
        print_error(
            f"the drain deadline of {drain_s:g} s passed; what was in flight comes again next time", _KILLED
        )
        sys.stderr.flush()
        os._exit(max(code, _KILLED))
    if code:
        raise typer.Exit(code)
