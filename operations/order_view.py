"""How orders stand, read from the store of tracking; and how far tracking has come.

I/O: stores, read-only; Kafka (admin client) for the second.
"""

from collections.abc import Iterator
from heapq import nlargest
from typing import Any, NamedTuple

from clients.admin import Admin, partitions_of
from clients.config import Cluster
from consumers.flows.order_view import Order, SeenFact
from consumers.registry import named
from consumers.runtime.order_states import from_json
from databases.address import StoreAddress
from databases.snapshot import reading
from operations import groups
from operations.groups import EMPTY
from schemas.times import rfc3339

GROUP = "tracking"
_TIMES = frozenset(
    {
        *("placed_at", "dispatch_before", "dispatched_at", "rejected_at", "deadline", "expired_at"),
        *("captured_at", "failed_at", "refunded_at"),
    }
)
_ASK_S = 5.0


class ListedOrder(NamedTuple):
    """One order of a list.

    Attributes:
        order_id: which.
        status: as it was stored with the last of its facts.
        order: what is known of it.
    """

    order_id: int
    status: str
    order: Order

    @property
    def updated_at(self) -> int:
        """When the last of its facts was recorded, ms since the epoch."""
        return self.order.facts[-1].recorded_at


class TrackingLag(NamedTuple):
    """Whether tracking runs, and how many records it has still to read."""

    members: int
    behind: int


def read_order(address: StoreAddress, order_id: int) -> Order | None:
    """What is known of an order; None if nothing.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    rows = _rows(address, "WHERE order_id = :order_id", order_id=order_id)
    return next((listed.order for listed in rows), None)


def read_orders(
    address: StoreAddress, *, limit: int, status: str | None = None, since: int | None = None
) -> list[ListedOrder]:
    """Orders, the one with the newest fact first; memory grows with the limit alone.

    Args:
        address: the store of tracking.
        limit: how many at most.
        status: only these.
        since: only orders with a fact that was recorded at this time or later, ms since the epoch.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    rows = _rows(address) if status is None else _rows(address, "WHERE status = :status", status=status)
    young = (listed for listed in rows if since is None or listed.updated_at >= since)
    return nlargest(limit, young, key=lambda listed: (listed.updated_at, listed.order_id))


def _rows(address: StoreAddress, which: str = "", **values: object) -> Iterator[ListedOrder]:
    with reading(address) as store:
        # A store that was last opened by an older program lacks the table.
        if store is None or not store.has("order_states"):
            return
        query = f"SELECT order_id, status, state FROM order_states {which}"  # noqa: S608 - names of our own
        for order_id, status, text in store.rows(query, **values):
            order = from_json(Order, text)
            if order.facts:
                yield ListedOrder(order_id, status, order)


def read_lag(cluster: Cluster) -> TrackingLag:
    """How far tracking has come.

    Raises:
        BrokerUnreachable, OperationFailed: the broker does not say.
    """
    admin = Admin(cluster, timeout_s=_ASK_S)
    partitions = partitions_of(admin.topics(), named(GROUP).reads)
    committed = groups.committed(admin, [GROUP], partitions)[GROUP]
    members = groups.members(admin, [GROUP]).get(GROUP, EMPTY).members
    behind = 0
    for partition, marks in admin.watermarks(partitions).items():
        start = committed[partition].offset if partition in committed else marks.low
        behind += max(0, marks.stable - max(start, marks.low))
    return TrackingLag(members, behind)


def document(order_id: int, order: Order) -> dict[str, Any]:
    """An order with all of its facts, as `--json` prints it."""
    return {
        "order_id": str(order_id),
        "status": order.status,
        "flow": order.flow,
        "placed": order.is_placed,
        "contradictions": list(order.contradictions),
        "facts": [_fact(fact) for fact in order.facts],
    }


def line(listed: ListedOrder) -> dict[str, Any]:
    """One order of a list, as `--json` prints it."""
    return {
        "order_id": str(listed.order_id),
        "status": listed.status,
        "flow": listed.order.flow,
        "placed": listed.order.is_placed,
        "facts": len(listed.order.facts),
        "updated_at": rfc3339(listed.updated_at),
    }


def _fact(fact: SeenFact) -> dict[str, Any]:
    return {
        "type": fact.type,
        "recorded_at": rfc3339(fact.recorded_at),
        "topic": fact.topic,
        "partition": fact.partition,
        "offset": fact.offset,
        "says": {
            name: rfc3339(value) if name in _TIMES and value is not None else value
            for name, value in fact.says.items()
        },
    }
