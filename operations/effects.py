"""What the reactions have done, as their stores say.

Rows come one by one, by order id; sums are made by product and day, or by customer. A reaction that this
file has never heard of shows its effects as they are stored.

I/O: stores, read-only.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from databases.address import StoreAddress
from databases.snapshot import reading
from databases.text import restored
from schemas.times import rfc3339

_COLUMNS = "order_id, effect, outcome, input, detail, via, message_id, at"


class Made(NamedTuple):
    """One effect: who made what of which record, and how it ended; `at` in ms, UTC."""

    order_id: int
    effect: str
    outcome: str
    input: str | None
    detail: str | None
    via: str
    message_id: str
    at: int


class Sales(NamedTuple):
    """What was sold of one product on one day (UTC, the day of the order) in one currency."""

    day: str
    product: str
    currency: str
    units: int
    amount_cents: int
    orders: int


class Points(NamedTuple):
    """What one customer has earned, with how many orders."""

    customer: str
    points: int
    orders: int


def exists(name: StoreAddress) -> bool:
    """Whether the group ever ran with this store."""
    with reading(name) as store:
        return store is not None


def made(name: StoreAddress, *, order_id: int | None = None, outcome: str | None = None) -> Iterator[Made]:
    """Effects by order id; nothing if there is no store.

    Args:
        name: the group's store.
        order_id: only this order's.
        outcome: only effects that ended so.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    asked = {"order_id": order_id, "outcome": outcome}
    wanted = {column: value for column, value in asked.items() if value is not None}
    where = [f"{column} = :{column}" for column in wanted]
    # Only names of columns are put into the text; values are bound.
    query = (
        f"SELECT {_COLUMNS} FROM effects {'WHERE' if where else ''} {' AND '.join(where)} "  # noqa: S608 - see above
        "ORDER BY order_id, effect"
    )
    with reading(name) as store:
        if store is not None:
            for row in store.rows(query, **wanted):
                yield _as_it_was(Made(*row))


def _as_it_was(each: Made) -> Made:
    return each._replace(
        effect=restored(each.effect),
        input=None if each.input is None else restored(each.input),
        detail=None if each.detail is None else restored(each.detail),
        message_id=restored(each.message_id),
    )


def documents(reaction: str, effects: Iterator[Made]) -> Iterator[dict[str, Any]]:
    """Effects as design §9 prints them with `--json`, one document per line."""
    if reaction == "loyalty":
        for each in points(effects):
            yield each._asdict()
        return
    shape = {"warehouse": _dispatch, "notification": _notice, "sales": _sale}.get(reaction, _plain)
    for effect in effects:
        yield from shape(effect)


def sales(effects: Iterator[Made]) -> list[Sales]:
    """Sums per day, product and currency, oldest day first; memory grows with products and days only."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for each in effects:
        sale = _detail(each)
        day = rfc3339(sale.get("placed_at", each.at))[:10]
        for product, quantity, amount in sale.get("lines", []):
            line = sums.setdefault((day, product, sale.get("currency", "")), [0, 0, 0])
            line[0] += quantity
            line[1] += amount
            line[2] += 1
    return [
        Sales(day, product, currency, units, amount, orders)
        for (day, product, currency), (units, amount, orders) in sorted(sums.items())
    ]


def points(effects: Iterator[Made]) -> list[Points]:
    """Points per customer, most points first."""
    sums: dict[str, list[int]] = {}
    for each in effects:
        grant = _detail(each)
        line = sums.setdefault(str(grant.get("customer", "")), [0, 0])
        line[0] += grant.get("points", 0)
        line[1] += 1
    ranked = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return [Points(customer, earned, orders) for customer, (earned, orders) in ranked]


def _dispatch(each: Made) -> Iterator[dict[str, Any]]:
    yield {
        "order_id": str(each.order_id),
        "outcome": each.outcome,
        "address": each.input,
        "via": each.via,
        "message_id": each.message_id,
        "at": rfc3339(each.at),
        **({"reason": each.detail} if each.detail else {}),
    }


def _notice(each: Made) -> Iterator[dict[str, Any]]:
    yield {
        "order_id": str(each.order_id),
        "channel": each.effect,
        "recipient": each.input,
        "state": each.outcome,
        "at": rfc3339(each.at),
    }


def _sale(each: Made) -> Iterator[dict[str, Any]]:
    sale = _detail(each)
    for product, quantity, amount in sale.get("lines", []):
        yield {
            "order_id": str(each.order_id),
            "product": product,
            "quantity": quantity,
            "amount_cents": amount,
            "currency": sale.get("currency"),
            "at": rfc3339(each.at),
            "placed_at": rfc3339(sale.get("placed_at", each.at)),
        }


def _plain(each: Made) -> Iterator[dict[str, Any]]:
    yield each._asdict() | {"order_id": str(each.order_id), "at": rfc3339(each.at)}


def _detail(each: Made) -> dict[str, Any]:
    found = json.loads(each.detail) if each.detail else {}
    return found if isinstance(found, dict) else {}
