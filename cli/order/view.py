"""`cev order status` and `cev order list`: how orders stand, for people and programs.

I/O: the store of tracking, read-only; Kafka where an order is not known.
"""

import time
from typing import TYPE_CHECKING, Any

from cli import output, tables
from cli.common import app_for, store_of
from consumers.flows.order_view import STATUSES, Order, SeenFact
from operations import effects, order_view
from operations.order_view import GROUP, ListedOrder
from schemas.counting import counted
from schemas.errors import CommandEventError, DeadlinePassed, OperationFailed, UsageError
from schemas.money import amount
from schemas.suggestions import did_you_mean
from schemas.times import rfc3339

if TYPE_CHECKING:
    from cli.settings import Settings

_POLL_S = 0.2
_GOOD, _BAD = ("dispatched", "refunded"), ("contradictory", "refund failed")


def parse_status(text: str) -> str:
    """A status as it is called; hyphens may stand for blanks.

    Raises:
        UsageError: there is no such status.
    """
    status = text.lower().replace("-", " ")
    if status not in STATUSES:
        meant = did_you_mean(status, STATUSES) or f"; there are {', '.join(STATUSES)}"
        raise UsageError(f"there is no state {text!r}{meant}")
    return status


def show_status(
    settings: "Settings",
    order_id: int,
    *,
    at: int | None,
    wait: str | None,
    timeout_s: float,
    as_json: bool,
) -> None:
    """Print what is known of an order.

    Args:
        settings: where the store and the cluster are.
        order_id: which.
        at: what was known at this time, ms since the epoch; None is now.
        wait: wait until it has this status.
        timeout_s: for so many seconds at most.
        as_json: print one document.

    Raises:
        OperationFailed: nothing is known of it; the message says why.
        DeadlinePassed: it has another status; which, is printed.
    """
    order = _wait_for(settings, order_id, wait, timeout_s)
    if order is None:
        raise OperationFailed(_why_unknown(settings, order_id))
    if at is not None:
        order = order.until(at)
        if not order.facts:
            raise OperationFailed(f"nothing had been recorded of order {order_id} at {rfc3339(at)}")
    if as_json:
        output.emit(order_view.document(order_id, order))
    else:
        _print_order(order_id, order)
    if wait is not None and order.status != wait:
        raise DeadlinePassed(f"order {order_id} is {order.status}, and not {wait} after {timeout_s:g} s")


def _wait_for(settings: "Settings", order_id: int, wait: str | None, timeout_s: float) -> Order | None:
    store = store_of(GROUP, settings)
    deadline = time.monotonic() + timeout_s
    while True:
        order = order_view.read_order(store, order_id)
        is_there = order is not None and order.status == wait
        if wait is None or is_there or time.monotonic() >= deadline:
            return order
        time.sleep(_POLL_S)


def _why_unknown(settings: "Settings", order_id: int) -> str:
    unknown = f"nothing is known of order {order_id}"
    store = store_of(GROUP, settings)
    if not effects.exists(store):
        place = "data directory" if store.path is not None else "database"
        return f"{unknown}: tracking never ran with this {place}; start `cev consume tracking`"
    try:
        members, behind = order_view.read_lag(app_for(settings).cluster)
    except CommandEventError as error:
        return f"{unknown}, nor whether tracking has read everything: {error}"
    if not behind:
        return (
            f"{unknown}: tracking has read every fact that there is; an order that is placed as a command "
            "has none before the warehouse is done with it"
        )
    records = counted(behind, "record")
    if members:
        return f"{unknown} yet: tracking has still to read {records}; ask again in a moment"
    return f"{unknown}: tracking does not run, and has still to read {records}; start `cev consume tracking`"


def show_list(
    settings: "Settings", *, status: str | None, since: int | None, limit: int, as_json: bool
) -> None:
    """Print orders, the one with the newest fact first; arguments as `order_view.read_orders`."""
    orders = order_view.read_orders(store_of(GROUP, settings), limit=limit, status=status, since=since)
    if as_json:
        for listed in orders:
            output.emit(order_view.line(listed))
        return
    tables.print_table(_list_table(orders))
    more = "; there may be more" if len(orders) == limit else ""
    output.log.print(f"{counted(len(orders), 'order')}{more}", style="dim")


def _print_order(order_id: int, order: Order) -> None:
    flow = f"  [dim]flow[/dim] {tables.cell(order.flow)}"
    output.console.print(f"[bold]{order_id}[/bold]  {_styled(order.status)}{flow}", soft_wrap=True)
    table = tables.new_table("recorded at", "fact", "record", "says", drop=("record",), prose=("says",))
    for fact in order.facts:
        record = f"{fact.topic}:{fact.partition}@{fact.offset}"
        table.add_row(rfc3339(fact.recorded_at), fact.type, tables.cell(record), tables.cell(_says(fact)))
    tables.print_table(table)
    for contradiction in order.contradictions:
        tables.warn(f"these facts cannot all be true: {contradiction}")
    if not order.is_placed:
        output.log.print(
            "no OrderPlaced is known: it was placed as a command, or the fact is late", style="dim"
        )


def _list_table(orders: list[ListedOrder]) -> tables.Table:
    table = tables.new_table(
        *("order", "state", "flow", "facts", "last fact at"), right=("order", "facts"), drop=("facts", "flow")
    )
    for listed in orders:
        flow = tables.cell(listed.order.flow)
        facts = f"{len(listed.order.facts):,}"
        table.add_row(str(listed.order_id), _styled(listed.status), flow, facts, rfc3339(listed.updated_at))
    return table


def _styled(status: str) -> str:
    colour = "green" if status in _GOOD else "red" if status in _BAD else ""
    return f"[{colour}]{status}[/{colour}]" if colour else status


def _says(fact: SeenFact) -> str:
    says = fact.says
    if "items" in says:
        total = sum(quantity * cents for _, quantity, cents in says["items"])
        lines = counted(len(says["items"]), "line")
        return f"{amount(total, says['currency'])} {says['currency']}, {lines}, to {says['address']}"
    if "amount_cents" in says:
        return f"{amount(says['amount_cents'], says['currency'])} {says['currency']}, {says['reference']}"
    return _short(says)


def _short(says: dict[str, Any]) -> str:
    if "deadline" in says:
        return f"it was to leave by {rfc3339(says['deadline'])}"
    return str(says["reason"]) if "reason" in says else f"to {says['address']}"
