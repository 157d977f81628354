"""`cev order place` for one order: place it, and wait for what becomes of it if asked to."""

from collections.abc import Mapping

import typer

from cli.common import AppContext
from cli.order.output import print_placed, print_placed_line
from producers.placing.order_ids import new_order_id
from producers.placing.placer import OrderPlacer
from producers.placing.request import OrderRequest

DEADLINE_S = 15.0
"""How long a single order may wait for its acknowledgement."""


def place_one(
    app: AppContext,
    fields: Mapping[str, object],
    *,
    wait: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Place one order and print where its records are.

    Args:
        app: settings and cluster.
        fields: the order's fields, as `OrderRequest.parse` takes them.
        wait: seconds to wait for its result; None: not at all.
        dry_run: check everything and write nothing.
        as_json: print one document.

    Raises:
        CommandEventError: the order is not valid, or could not be placed.
        typer.Exit: 1 if no good result came in time.
    """
    request = OrderRequest.parse(fields)
    order_id = new_order_id() if request.order_id is None else request.order_id
    placer = OrderPlacer(
        app.cluster, app.codec, currency=app.settings.currency, deadline_s=DEADLINE_S, live=False
    )
    with placer:
        if dry_run:
            print_placed(placer.prepare(request, order_id).dry_run_result(), as_json=as_json, dry_run=True)
        elif wait is None:
            print_placed(placer.place(request, order_id), as_json=as_json)
        else:
            _place_and_wait(app, placer, request, order_id, seconds=wait, as_json=as_json)


def _place_and_wait(
    app: AppContext,
    placer: OrderPlacer,
    request: OrderRequest,
    order_id: int,
    *,
    seconds: float,
    as_json: bool,
) -> None:
    from producers.placing.result_watch import ResultWatch  # noqa: PLC0415 - only who waits needs it

    fresh = request.order_id is None
    with ResultWatch(
        app.cluster, app.codec, order_id=order_id, address=request.address, fresh=fresh
    ) as watch:
        placed = placer.place(request, order_id)
        if not as_json:
            print_placed_line(placed)
        result = watch.wait(seconds)
    print_placed(placed, as_json=as_json, waited=(seconds, result))
    if result is None or not result.good:
        raise typer.Exit(1)
