"""`cev order`: place one order, many from a file, or a load of made-up ones (design §9)."""

import secrets
from typing import Annotated

import typer

from cli.common import AppContext, command, world
from cli.order.output import placed_line, print_load, print_placed
from cli.order.rows import place_rows
from cli.output import JsonFlag
from cli.progress import progress
from producers.bulk.load_generator import LoadGenerator
from producers.bulk.row_reader import Format
from producers.bulk.sample_orders import sample_orders
from producers.placing.order_ids import new_order_id
from producers.placing.placer import OrderPlacer
from producers.placing.request import OrderRequest
from producers.placing.result_watch import ResultWatch
from schemas.errors import UsageError

app = typer.Typer(help="Place orders, in the mode in force.", no_args_is_help=True)

DEADLINE_S = 15.0
"""How long a single order may wait for its acknowledgement."""

_Address = Annotated[str | None, typer.Option(metavar="TEXT", help="Where to; the only field required.")]
_OrderId = Annotated[
    str | None,
    typer.Option(metavar="N", help="Any signed 64-bit number; made if not given.", show_default=False),
]
_Customer = Annotated[str | None, typer.Option(metavar="C", help="Who.")]
_Email = Annotated[str | None, typer.Option(metavar="E", help="Without it no mail is owed.")]
_Phone = Annotated[str | None, typer.Option(metavar="P", help="Without it no text message is owed.")]
_Item = Annotated[
    list[str] | None,
    typer.Option(metavar="PRODUCT:QUANTITY:UNIT_CENTS", help="What; may be repeated.", show_default=False),
]
_Expires = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Not to be dispatched later than in so many seconds.")
]
_Wait = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Wait so long for what becomes of it.", min=0)
]
_From = Annotated[
    str | None, typer.Option("--from", metavar="FILE", help="Many orders, a row each; - is standard input.")
]
_Format = Annotated[
    Format | None, typer.Option("--format", help="Of the rows; otherwise by the file's ending, - is jsonl.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, write nothing.")]


@command(app, "place", example='cev order place --address "1 Streetford Road" --item kettle:1:3499')
def place(
    ctx: typer.Context,
    *,
    order_id: _OrderId = None,
    address: _Address = None,
    customer: _Customer = None,
    email: _Email = None,
    phone: _Phone = None,
    item: _Item = None,
    expires_in: _Expires = None,
    wait: _Wait = None,
    source: _From = None,
    form: _Format = None,
    dry_run: _DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Place an order, or with --from many.

    Prints the order's id, its mode, and where its records lie, TOPIC:PARTITION@OFFSET, once the broker has
    acknowledged them. With --wait it ends with 1 if the order was rejected, expired, or not heard of in time.

    Rows have the keys or columns order_id, address, customer, email, phone, currency, items and expires_in;
    items are a list of {product, quantity, unit_price_cents} in JSON lines, and P:Q:C;P:Q:C in CSV. A row
    without an id gets one from its content, so a file that is run again, also with its bad rows mended,
    causes nothing twice.
    """
    fields = {
        "order_id": order_id,
        "address": address,
        "customer": customer,
        "email": email,
        "phone": phone,
        "items": item or None,
        "expires_in": expires_in,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    if source is not None:
        _refuse_single([*given, *(["wait"] if wait is not None else [])])
        place_rows(world(ctx), source, form, dry_run=dry_run, as_json=as_json)
    elif form is not None:
        raise UsageError("--format goes with --from")
    elif address is None:
        raise UsageError("an order needs --address; or give many with --from FILE")
    else:
        _place_one(world(ctx), OrderRequest.parse(given), wait=wait, dry_run=dry_run, as_json=as_json)


def _refuse_single(names: list[str]) -> None:
    if names:
        flags = ", ".join("--" + name.replace("_", "-").replace("items", "item") for name in names)
        raise UsageError(f"--from takes its orders from rows: it does not go with {flags}")


def _place_one(
    here: AppContext, request: OrderRequest, *, wait: float | None, dry_run: bool, as_json: bool
) -> None:
    order_id = new_order_id() if request.order_id is None else request.order_id
    placer = OrderPlacer(
        here.cluster, here.codec, currency=here.settings.currency, deadline_s=DEADLINE_S, live=False
    )
    with placer:
        if dry_run:
            print_placed(placer.prepare(request, order_id).rehearsed(), as_json=as_json, dry_run=True)
        elif wait is None:
            print_placed(placer.place(request, order_id), as_json=as_json)
        else:
            _place_and_wait(here, placer, request, order_id, seconds=wait, as_json=as_json)


def _place_and_wait(
    here: AppContext,
    placer: OrderPlacer,
    request: OrderRequest,
    order_id: int,
    *,
    seconds: float,
    as_json: bool,
) -> None:
    fresh = request.order_id is None
    with ResultWatch(
        here.cluster, here.codec, order_id=order_id, address=request.address, fresh=fresh
    ) as watch:
        placed = placer.place(request, order_id)
        if not as_json:
            placed_line(placed)
        result = watch.wait(seconds)
    print_placed(placed, as_json=as_json, waited=(seconds, result))
    if result is None or not result.good:
        raise typer.Exit(1)


@command(app, "load", example="cev order load --count 500 --rate 50 --seed 7")
def load(
    ctx: typer.Context,
    *,
    count: Annotated[int, typer.Option(metavar="N", help="How many orders.", min=1)],
    rate: Annotated[float, typer.Option(metavar="R", help="Orders a second; 0: as fast as it goes.", min=0)],
    seed: Annotated[
        int | None, typer.Option(metavar="S", help="Fixes what is ordered, not the ids.", show_default=False)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Place made-up orders at a steady rate, following the mode as it changes."""
    here = world(ctx)
    chosen = secrets.randbelow(10**6) if seed is None else seed
    with OrderPlacer(here.cluster, here.codec, currency=here.settings.currency) as placer:
        run = LoadGenerator(placer, rate=rate)
        with progress("placing", count, lambda: run.seen):
            loaded = run.run(sample_orders(chosen), count)
    print_load(loaded, seed=chosen, as_json=as_json)
    if loaded.error is not None:
        raise loaded.error
