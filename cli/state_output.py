"""What `cev process` and `cev payments` share: lists of orders' states, and one state with its history."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from cli import output, tables
from cli.tables import Table, cell
from databases.address import StoreAddress
from operations import effects, order_states
from operations.order_states import ListedState, WholeState
from schemas.counting import counted
from schemas.errors import OperationFailed, UsageError
from schemas.suggestions import did_you_mean
from schemas.times import rfc3339

_PAGE = 1_000


class Listing(NamedTuple):
    """Which states a command lists.

    Attributes:
        store: of their group.
        statuses: all that there are.
        noun: what they are the states of.
        plural: as `counted`.
    """

    store: StoreAddress
    statuses: Collection[str]
    noun: str
    plural: str = ""


def show_list(listing: Listing, status: str | None, *, as_json: bool) -> None:
    """List states, what changed last first.

    Args:
        listing: which.
        status: only those of that name; None for all.
        as_json: a line for each, instead of a table.

    Raises:
        UsageError: there is no such status; the message names the one that was meant, or all.
    """
    if status is not None and status not in listing.statuses:
        meant = did_you_mean(status, listing.statuses) or f"; there are {', '.join(listing.statuses)}"
        raise UsageError(f"there is no status {status!r}{meant}")
    states = order_states.read_states(listing.store, status=status)
    if as_json:
        for state in states:
            output.emit(fields(state))
    else:
        _print_list(states, listing)


def none_of(order_id: int, noun: str, store: StoreAddress, *, other: str) -> OperationFailed:
    """Why there is no state of an order.

    Args:
        order_id: whose.
        noun: what it would be the state of.
        store: of the group.
        other: where an order is that has none, e.g. `in flow direct`.
    """
    missing = f"there is no {noun} of order {order_id}"
    if not effects.exists(store):
        return OperationFailed(f"{missing}: {store.group} never ran with {store}")
    return OperationFailed(
        f"{missing}: it is {other}, was never placed, or {store.group} has not come to it (`cev status`)"
    )


def fields(state: ListedState) -> dict[str, Any]:
    """A state as `--json` lists it."""
    return {
        "order_id": str(state.order_id),
        "status": state.status,
        "changed_at": rfc3339(state.changed_at),
        "changes": state.changes,
    }


def history(whole: WholeState) -> dict[str, Any]:
    """How a state came about and what waits, as `--json` shows it."""
    return {
        "history": [{**change._asdict(), "at": rfc3339(change.at)} for change in whole.changes],
        "timers": [{"name": timer.name, "due_at": rfc3339(timer.due_at)} for timer in whole.timers],
    }


def _print_list(states: Iterator[ListedState], listing: Listing) -> None:
    """States in pages, so that a store of any size is shown in constant memory."""
    count = 0
    table = _page()
    for count, state in enumerate(states, 1):
        table.add_row(str(state.order_id), state.status, rfc3339(state.changed_at), f"{state.changes}")
        if count % _PAGE == 0:
            tables.print_table(table)
            table = _page()
    if table.row_count or not count:
        tables.print_table(table)
    output.log.print(counted(count, listing.noun, listing.plural), style="dim")


def print_whole(whole: WholeState, summary: Table) -> None:
    """A state for people: its name, what it says, and how it came about."""
    listed = whole.listed
    since = f"[dim]since {rfc3339(listed.changed_at)}[/dim]"
    output.console.print(f"order [bold]{listed.order_id}[/bold]  {listed.status}  {since}", soft_wrap=True)
    tables.print_table(summary)
    steps = tables.new_table("at", "status", "because of", "record", drop=("record",))
    for change in whole.changes:
        record = f"{change.topic}:{change.partition}:{change.offset}"
        steps.add_row(rfc3339(change.at), cell(change.status), cell(change.message), cell(record))
    output.console.print()
    tables.print_table(steps)


def _page() -> Table:
    return tables.new_table(
        "order", "status", "since", "changes", right=("order", "changes"), drop=("changes",)
    )
