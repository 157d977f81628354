"""`cev order load`: made-up orders at a steady rate."""

import secrets
from itertools import islice

from cli.common import AppContext
from cli.order.output import print_load
from cli.progress import progress
from cli.signals import Interruption
from producers.bulk.load_generator import LoadGenerator, paced
from producers.bulk.sample_orders import sample_orders
from producers.placing.placer import OrderPlacer


def place_load(
    app: AppContext, *, count: int, rate: float, seed: int | None, pay: str | None, as_json: bool
) -> None:
    """Place made-up orders and print how many were placed, and in which modes, however it ends.

    Args:
        app: settings and cluster.
        count: how many.
        rate: orders per second; 0 is unlimited.
        seed: fixes what is ordered; None takes a random one.
        pay: the payment token of every order; None: they have none.
        as_json: print one document.

    Raises:
        InvalidOrder: the payment token breaks its rule.
        CommandEventError: the cluster cannot be used, or was lost on the way; what was placed is
            printed first.
        typer.Exit: 130 or 143, a signal ended it.
    """
    chosen = secrets.randbelow(10**6) if seed is None else seed
    orders = paced(islice(sample_orders(chosen, pay=pay), count), rate)
    with OrderPlacer(app.cluster, app.codec, currency=app.settings.currency) as placer:
        generator = LoadGenerator(placer)
        with Interruption() as interruption, progress("placing", count, lambda: generator.seen):
            generator.run(interruption.until_asked(orders))
    result = generator.result
    print_load(result, seed=chosen, stopped_at=count if interruption.asked() else None, as_json=as_json)
    interruption.end()
    if result.error is not None:
        raise result.error
