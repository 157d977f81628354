"""`cev gateway`: a payment gateway that charges nobody, for demos and tests.

I/O: signals, the log, stdout.
"""

import sys
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from broker.datadir import claim
from cli import output, tables
from cli.common import command, settings
from cli.signals import stop_on_signals
from clients.log import Log
from schemas.counting import counted
from schemas.money import amount

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.messages import Payment

commands = typer.Typer(rich_markup_mode=None)

_STAND_IN = "a stand-in for demos and tests: it charges nobody, and payment tokens decide what happens"


@command(
    commands,
    "gateway",
    examples=(
        "cev gateway",
        "cev gateway --port 0 --json",
        "cev gateway --list",
    ),
    cluster=False,
    logs_events=True,
)
def gateway(
    ctx: typer.Context,
    *,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen on; 0.0.0.0 is all of IPv4.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes any free one.")
    ] = 8090,
    slow: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How late the token tok_slow is answered.")
    ] = 3.0,
    failure_rate: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0, max=1, help="Share of requests, 0 to 1, that fail with HTTP 503."
        ),
    ] = 0.0,
    as_list: Annotated[
        bool, typer.Option("--list", help="Show what was charged, also while it runs, and start nothing.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Run a stand-in for a payment gateway until SIGTERM; it charges nobody.

    CEV_PAYMENT_URL names it to the consumers. What it has charged is kept in the data directory.
    """
    folder = settings(ctx).data_dir
    if as_list:
        _list(_charges(folder), as_json=as_json)
        return
    claim(folder)
    _serve(folder, host, port, slow_s=slow, failure_rate=failure_rate, as_json=as_json)


def _serve(
    folder: "Path", host: str, port: int, *, slow_s: float, failure_rate: float, as_json: bool
) -> None:
    from gateway.app import Faults  # noqa: PLC0415 - an HTTP server, which help and completion do without
    from gateway.server import listen, server, url_of  # noqa: PLC0415 - as above
    from gateway.store import PaymentStore  # noqa: PLC0415 - as above

    store = PaymentStore(folder)
    listening = listen(host, port)
    # uvicorn has its own handlers while it serves, and calls these at the end.
    stop_on_signals(Event())
    log = Log()
    log.warning("stand-in", why=_STAND_IN)

    def watch(route: str, key: str, status: int | None) -> None:
        log.info(route, key=key, status=status or "no answer")

    url = url_of(listening)
    if as_json:
        output.emit({"url": url, "store": str(store.path), "stand_in": True})
    else:
        output.console.print(f"payment gateway on {url}: {_STAND_IN}", soft_wrap=True)
    sys.stdout.flush()
    server(store, Faults(slow_s=slow_s, failure_rate=failure_rate), watch).run(sockets=[listening])
    store.close()


def _charges(folder: "Path") -> "list[Payment]":
    from gateway.store import FILE, PaymentStore  # noqa: PLC0415 - as above

    return PaymentStore(folder).charges() if (folder / FILE).exists() else []


def _list(charges: "list[Payment]", *, as_json: bool) -> None:
    if as_json:
        for payment in charges:
            output.emit(payment.charge())
        return
    right = ("amount", "refunded", "asked")
    table = tables.new_table(
        "key", "amount", "", "refunded", "asked", "reference", "method", right=right, drop=("asked",)
    )
    for payment in charges:
        request = payment.request
        table.add_row(
            tables.cell(request.key),
            amount(request.amount_cents, request.currency),
            request.currency,
            amount(payment.refunded_cents, request.currency) if payment.refunded_cents else "",
            f"{payment.asked:,}",
            tables.cell(payment.reference or ""),
            tables.cell(payment.token),
        )
    tables.print_table(table)
    output.log.print(counted(len(charges), "charge"), style="dim")
