"""`cev relay`: publish an order service's outbox until told to stop (design §9).

The first SIGTERM or SIGINT finishes the batch that is on its way; a second one ends at once.

I/O: signals, the log.
"""

import time
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Annotated, Any

import typer

from cli import output
from cli.common import AppContext, app_context, command, print_error, settings
from cli.logs import counts_every_s
from cli.settings import Settings
from cli.signals import stop_on_signals
from clients.log import Log
from consumers.runtime.health_server import listen
from producers.outbox.batch_publisher import BatchPublisher
from producers.outbox.queue import OutboxQueue
from producers.outbox.relay import Relay, RelayStatus
from schemas.errors import UsageError
from schemas.times import now_ms

_DAY_MS = 86_400_000


commands = typer.Typer(rich_markup_mode=None)


@command(
    commands,
    "relay",
    examples=(
        "cev relay",
        "cev relay --until-idle 0",
        "cev relay --retry-refused",
    ),
    logs_events=True,
)
def relay(
    ctx: typer.Context,
    *,
    until_idle: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, help="Stop once no row has waited for so many seconds; 0 stops at once."
        ),
    ] = None,
    retry_refused: Annotated[
        bool, typer.Option("--retry-refused", help="First queue the rows again that Kafka refused.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Publish the rows of an order service's outbox until SIGTERM.

    CEV_OUTBOX_URL names the outbox. One relay of an outbox publishes; the others stand by and take over. It
    exits with 1 if Kafka has refused rows for good: they are kept, and later rows of the same orders wait
    behind them.
    """
    url = outbox_url(settings(ctx))
    queue = OutboxQueue(url)  # connects later: a wrong setting is reported first, whatever runs
    app = app_context(ctx)
    outbox_id = queue.identity()
    batches = BatchPublisher(app.cluster, outbox_id)
    batches.check()
    if retry_refused:
        Log().info("refused rows wait again", rows=queue.retry_refused())
    stopping, status = Event(), RelayStatus()
    stop_on_signals(stopping)
    Log().info("starting", outbox=str(queue.address))
    began = time.monotonic()
    work = Relay(
        queue,
        batches,
        status,
        stopping=stopping.is_set,
        watch=Lines(status),
        clean_after_ms=int(app.settings.clean_after_d * _DAY_MS),
        until_idle_s=until_idle,
    )
    server = _serve(app, status)
    work.run()
    if server is not None:
        server()
    _report(status, outbox_id, seconds=time.monotonic() - began, as_json=as_json)


def outbox_url(chosen: Settings) -> str:
    """Where the outbox is.

    Raises:
        UsageError: no setting says it.
    """
    if chosen.outbox_url is None:
        raise UsageError(
            "no outbox is named: set CEV_OUTBOX_URL to the order service's database, "
            "postgresql://user:password@host/database or sqlite:///path"
        )
    return chosen.outbox_url.get_secret_value()


def answer(status: RelayStatus, path: str) -> tuple[int, dict[str, Any]]:
    """What the health server says: ready is who publishes, or could take over at once; pure."""
    if path == "/health/live":
        return 200, {"live": True}
    if path == "/health/ready":
        body = {"ready": status.ready, "role": status.role, "outage": status.outage, **_lag(status)}
        return (200 if status.ready else 503), body
    return 404, {"error": "there are /health/live and /health/ready"}


def _serve(app: AppContext, status: RelayStatus) -> Callable[[], None] | None:
    if app.settings.health_port is None:
        return None
    server = listen(app.settings.health_port, partial(answer, status), app.settings.health_host)
    Log().info("health server", port=server.server_port)
    return server.shutdown


class Lines:
    """What a relay logs while it runs: every change at once, and its counts now and then."""

    def __init__(self, status: RelayStatus, clock: Callable[[], float] = time.monotonic) -> None:
        self._status = status
        self._clock = clock
        self._every_s = counts_every_s()
        self._due = clock() + self._every_s
        self._role = status.role
        self._outage: str | None = None
        self._counts: tuple[int, int] = (0, 0)
        self._refused = 0
        self._log = Log()

    def __call__(self) -> None:
        """Log what is new."""
        status = self._status
        if status.role != self._role:
            self._role = status.role
            self._log.info(status.role)
        if status.outage is not None and status.outage != self._outage:
            self._log.warning("waiting", why=status.outage)
        elif status.outage is None and self._outage is not None:
            self._log.info("going on", after=self._outage)
        self._outage = status.outage
        if status.backlog.refused > self._refused:
            self._log.error(
                "rows refused for good",
                rows=status.backlog.refused,
                why="cev_outbox has their errors; later rows of their orders wait",
            )
        self._refused = status.backlog.refused
        now, counts = self._clock(), (status.published, status.backlog.rows)
        if now >= self._due and counts != self._counts:
            self._counts, self._due = counts, now + self._every_s
            self._log.info("running", published=status.published, **_lag(status))


def _sentence(status: RelayStatus) -> str:
    oldest = _lag(status)["oldest_age_s"]
    age = f", the oldest for {oldest:,.0f} s" if oldest is not None else ""
    return f"published {status.published:,}, {status.backlog.rows:,} wait{age}"


def _lag(status: RelayStatus) -> dict[str, Any]:
    rows, oldest_at, refused = status.backlog
    age = round(max(0, now_ms() - oldest_at) / 1000, 1) if oldest_at is not None else None
    return {"lag": rows, "oldest_age_s": age, "refused": refused}


def _report(status: RelayStatus, outbox_id: str, *, seconds: float, as_json: bool) -> None:
    if as_json:
        document = {"outbox": outbox_id, "published": status.published, **_lag(status)}
        output.emit({**document, "cleaned": status.cleaned, "seconds": round(seconds, 3)})
    else:
        output.console.print(_sentence(status))
    if status.backlog.refused:
        print_error(f"rows refused for good: {status.backlog.refused:,}; cev_outbox keeps them", 1)
        raise typer.Exit(1)
