"""`cev order`: place one order, many from a file, or a load of made-up ones; show how they stand (design §9).

What places them is imported by the command that is called: one order needs neither rows nor a load generator.
"""

from typing import Annotated, Literal

import typer

from cli.common import app_context, command, new_group, settings
from cli.completion import order_statuses
from cli.output import JsonFlag
from schemas.errors import UsageError
from schemas.times import now_ms

commands = new_group("Place orders in the mode in force, and show how they stand.")

_Address = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Where to deliver; the only required field of an order.")
]
_OrderId = Annotated[
    str | None, typer.Option(metavar="N", help="Any signed 64-bit number; a new one if not given.")
]
_Customer = Annotated[str | None, typer.Option(metavar="NAME", help="Customer name.")]
_Email = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="E-mail address; without one no mail is sent.")
]
_Phone = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Phone number; without one no text message is sent.")
]
_Item = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PRODUCT:QUANTITY:UNIT_CENTS",
        help="A line of the order, its price in the smallest unit of the currency; may be repeated.",
    ),
]
_Expires = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Do not dispatch later than so many seconds from now.")
]
_Pay = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="Token of the payment gateway, such as tok_ok; never card data."),
]
_Wait = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Wait for the result, at most so many seconds.", min=0)
]
_From = Annotated[
    str | None,
    typer.Option("--from", metavar="FILE", help="Place many orders, one per row; - reads standard input."),
]
_Format = Annotated[
    Literal["jsonl", "csv"] | None,
    typer.Option(
        "--format",
        help="Format of the rows; by default the file's extension decides, or how standard input begins.",
    ),
]
_Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Encoding of the rows, such as cp1252; by default UTF-8, or what a byte order mark says.",
    ),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")]

_WAIT_S = 30.0


@command(
    commands,
    "place",
    examples=(
        'cev order place --address "1 Streetford Road" --item kettle:1:3499',
        'cev order place --address "1 Old Street" --email anna@example.com --wait 10',
        "cev order place --from orders.csv --dry-run",
        "cev order place --from - --format jsonl --json",
    ),
    logs_events=True,
)
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
    pay: _Pay = None,
    wait: _Wait = None,
    source: _From = None,
    form: _Format = None,
    encoding: _Encoding = None,
    dry_run: _DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Place one order, or with --from many.

    Once the broker has acknowledged an order, prints its id, its mode, and where its records lie, each as
    TOPIC:PARTITION@OFFSET. With --wait, exits with 1 if it was rejected or has expired, or hears no result.

    Rows have the keys or columns order_id, address, customer, email, phone, currency, items, expires_in and
    pay, in JSON objects, lines or an array, or in CSV. items is a list of {product, quantity,
    unit_price_cents}; in CSV it is P:Q:C;P:Q:C. A row without an id gets one that is made from its content,
    so placing a file again, also after mending its bad rows, places no order twice.
    """
    given = _given(
        order_id=order_id,
        address=address,
        customer=customer,
        email=email,
        phone=phone,
        items=item or None,
        expires_in=expires_in,
        pay=pay,
    )
    if source is not None:
        _refuse_single([*given, *(["wait"] if wait is not None else [])])
        from cli.order.rows import place_rows  # noqa: PLC0415 - see the module's head

        place_rows(app_context(ctx), source, form, encoding, dry_run=dry_run, as_json=as_json)
        return
    _refuse_of_rows(format=form, encoding=encoding)
    if address is None:
        raise UsageError("an order needs --address; or give many with --from FILE")
    from cli.order.place import place_one  # noqa: PLC0415 - the same

    place_one(app_context(ctx), given, wait=wait, dry_run=dry_run, as_json=as_json)


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _refuse_of_rows(**flags: str | None) -> None:
    for name, value in flags.items():
        if value is not None:
            raise UsageError(f"--{name} goes with --from")


def _refuse_single(names: list[str]) -> None:
    if names:
        flags = ", ".join("--" + name.replace("_", "-").replace("items", "item") for name in names)
        raise UsageError(f"--from takes its orders from rows: it does not go with {flags}")


@command(
    commands,
    "load",
    examples=(
        "cev order load --count 500 --rate 50 --seed 7",
        "cev order load --count 10000 --rate 0 --pay tok_ok",
    ),
    logs_events=True,
)
def load(
    ctx: typer.Context,
    *,
    count: Annotated[int, typer.Option(metavar="N", help="Number of orders.", min=1)],
    rate: Annotated[
        float, typer.Option(metavar="N", help="Maximum orders per second; 0 is unlimited.", min=0)
    ],
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Makes what is ordered repeatable; the ids are new.")
    ] = None,
    pay: _Pay = None,
    as_json: JsonFlag = False,
) -> None:
    """Place made-up orders at a steady rate, following the mode as it changes."""
    from cli.order.load import place_load  # noqa: PLC0415 - see the module's head

    place_load(app_context(ctx), count=count, rate=rate, seed=seed, pay=pay, as_json=as_json)


@command(
    commands,
    "status",
    examples=(
        "cev order status 12004",
        "cev order status 12004 --at 15m",
        "cev order status 12004 --wait dispatched --timeout 10 --json",
    ),
)
def status(
    ctx: typer.Context,
    order_id: Annotated[
        int, typer.Argument(metavar="ORDER_ID", min=-(2**63), max=2**63 - 1, help="Which order.")
    ],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Show what had been recorded by then: RFC 3339, or an age such as 15m."
        ),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Wait until the order is so.", autocompletion=order_statuses),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long --wait waits; by default 30.", min=0)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show how an order stands, and every fact of it.

    Reads the store of `cev consume tracking`, which keeps all facts of the topics orders, payments and
    dispatch_results. Exits with 1 if nothing is known of the order, or if it is not as --wait says in time.
    """
    if wait is not None and at is not None:
        raise UsageError("--wait looks ahead and --at looks back: give one of them")
    if wait is None and timeout is not None:
        raise UsageError("--timeout goes with --wait")
    from cli.order import view  # noqa: PLC0415 - see the module's head
    from operations.moments import parse_moment  # noqa: PLC0415 - the same

    view.show_status(
        settings(ctx),
        order_id,
        at=None if at is None else parse_moment(at, now_ms()),
        wait=None if wait is None else view.parse_status(wait),
        timeout_s=_WAIT_S if timeout is None else timeout,
        as_json=as_json,
    )


@command(
    commands,
    "list",
    examples=(
        "cev order list",
        "cev order list --state rejected --since 1d",
        "cev order list --limit 1000 --json",
    ),
    cluster=False,
)
def list_orders(
    ctx: typer.Context,
    *,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="Only orders that are so.", autocompletion=order_statuses),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only with a fact from this time on: RFC 3339, or an age such as 15m."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="List at most N.", min=1)] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List orders and how they stand, the one with the newest fact first.

    Reads the store of `cev consume tracking`; works without a broker.
    """
    from cli.order import view  # noqa: PLC0415 - see the module's head
    from operations.moments import parse_moment  # noqa: PLC0415 - the same

    view.show_list(
        settings(ctx),
        status=None if state is None else view.parse_status(state),
        since=None if since is None else parse_moment(since, now_ms()),
        limit=limit,
        as_json=as_json,
    )
