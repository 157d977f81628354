"""`cev order load`: made-up orders at a steady rate."""

import secrets

from cli.common import AppContext
from cli.order.output import print_load
from cli.progress import progress
from producers.bulk.load_generator import LoadGenerator
from producers.bulk.sample_orders import sample_orders
from producers.placing.placer import OrderPlacer


def place_load(app: AppContext, *, count: int, rate: float, seed: int | None, as_json: bool) -> None:
    """Place made-up orders and print how many were placed, and in which modes.

    Args:
        app: settings and cluster.
        count: how many.
        rate: orders per second; 0 is unlimited.
        seed: fixes what is ordered; None takes a random one.
        as_json: print one document.

    Raises:
        CommandEventError: the cluster cannot be used, or was lost on the way; what was placed is
            printed first.
    """
    chosen = secrets.randbelow(10**6) if seed is None else seed
    with OrderPlacer(app.cluster, app.codec, currency=app.settings.currency) as placer:
        generator = LoadGenerator(placer, rate=rate)
        with progress("placing", count, lambda: generator.seen):
            result = generator.run(sample_orders(chosen), count)
    print_load(result, seed=chosen, as_json=as_json)
    if result.error is not None:
        raise result.error
