"""The effects of the reactions, read from their stores.

Rows come one by one, by order id; sums are per product and day, or per customer. Effects of a reaction that
this file does not know are shown as they are stored.

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


class RecordedEffect(NamedTuple):
    """One row of a store's `effects`, by its columns; `at` in ms since the epoch, UTC."""

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


def read_effects(
    name: StoreAddress, *, order_id: int | None = None, outcome: str | None = None
) -> Iterator[RecordedEffect]:
    """Effects by order id; nothing if there is no store.

    Args:
        name: the group's store.
        order_id: only this order's.
        outcome: only effects that ended so.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    filters = {"order_id": order_id, "outcome": outcome}
    bound = {column: value for column, value in filters.items() if value is not None}
    conditions = [f"{column} = :{column}" for column in bound]
    # Only names of columns are put into the text; values are bound.
    query = (
        f"SELECT {_COLUMNS} FROM effects {'WHERE' if conditions else ''} {' AND '.join(conditions)} "  # noqa: S608 - see above
        "ORDER BY order_id, effect"
    )
    with reading(name) as store:
        if store is not None:
            for row in store.rows(query, **bound):
                yield _restored(RecordedEffect(*row))


def _restored(row: RecordedEffect) -> RecordedEffect:
    return row._replace(
        effect=restored(row.effect),
        input=None if row.input is None else restored(row.input),
        detail=None if row.detail is None else restored(row.detail),
        message_id=restored(row.message_id),
    )


def documents(reaction: str, effects: Iterator[RecordedEffect]) -> Iterator[dict[str, Any]]:
    """Effects as design §9 prints them with `--json`, one document per line."""
    if reaction == "loyalty":
        for total in points(effects):
            yield total._asdict()
        return
    shape = {"warehouse": _dispatch, "notification": _notice, "sales": _sale}.get(reaction, _plain)
    for effect in effects:
        yield from shape(effect)


def sales(effects: Iterator[RecordedEffect]) -> list[Sales]:
    """Sums per day, product and currency, oldest day first; memory grows with products and days only."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for effect in effects:
        sale = _detail(effect)
        day = rfc3339(sale.get("placed_at", effect.at))[:10]
        for product, quantity, amount in sale.get("lines", []):
            line = sums.setdefault((day, product, sale.get("currency", "")), [0, 0, 0])
            line[0] += quantity
            line[1] += amount
            line[2] += 1
    return [
        Sales(day, product, currency, units, amount, orders)
        for (day, product, currency), (units, amount, orders) in sorted(sums.items())
    ]


def points(effects: Iterator[RecordedEffect]) -> list[Points]:
    """Points per customer, most points first."""
    sums: dict[str, list[int]] = {}
    for effect in effects:
        grant = _detail(effect)
        line = sums.setdefault(str(grant.get("customer", "")), [0, 0])
        line[0] += grant.get("points", 0)
        line[1] += 1
    ranked = sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    return [Points(customer, earned, orders) for customer, (earned, orders) in ranked]


def _dispatch(effect: RecordedEffect) -> Iterator[dict[str, Any]]:
    yield {
        "order_id": str(effect.order_id),
        "outcome": effect.outcome,
        "address": effect.input,
        "via": effect.via,
        "message_id": effect.message_id,
        "at": rfc3339(effect.at),
        **({"reason": effect.detail} if effect.detail else {}),
    }


def _notice(effect: RecordedEffect) -> Iterator[dict[str, Any]]:
    yield {
        "order_id": str(effect.order_id),
        "channel": effect.effect,
        "recipient": effect.input,
        "state": effect.outcome,
        "at": rfc3339(effect.at),
    }


def _sale(effect: RecordedEffect) -> Iterator[dict[str, Any]]:
    sale = _detail(effect)
    for product, quantity, amount in sale.get("lines", []):
        yield {
            "order_id": str(effect.order_id),
            "product": product,
            "quantity": quantity,
            "amount_cents": amount,
            "currency": sale.get("currency"),
            "at": rfc3339(effect.at),
            "placed_at": rfc3339(sale.get("placed_at", effect.at)),
        }


def _plain(effect: RecordedEffect) -> Iterator[dict[str, Any]]:
    yield effect._asdict() | {"order_id": str(effect.order_id), "at": rfc3339(effect.at)}


def _detail(effect: RecordedEffect) -> dict[str, Any]:
    detail = json.loads(effect.detail) if effect.detail else {}
    return detail if isinstance(detail, dict) else {}
