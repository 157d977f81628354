"""Writing orders: [BUY] as a command, as a fact, or as both, in the mode in force (design §6).

An order service places an order in five lines:

    from producers import OrderPlacer, OrderRequest

    with OrderPlacer.connect("localhost:9092") as placer:
        placed = placer.place(OrderRequest(address="1 Streetford Road"))
        print(placed.order_id, placed.records)

The names below are the public ones. They are loaded when they are asked for, so that importing a pure module
of this package does not load a Kafka client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producers.outbox.outbox import Outbox
    from producers.placing.order_ids import new_order_id
    from producers.placing.pending_order import Placed
    from producers.placing.placer import OrderPlacer
    from producers.placing.request import OrderRequest
    from schemas.control import Mode
    from schemas.errors import CommandEventError, InvalidOrder, NotAcknowledged, Position
    from schemas.facts import Item

__all__ = [
    "CommandEventError",
    "InvalidOrder",
    "Item",
    "Mode",
    "NotAcknowledged",
    "OrderPlacer",
    "OrderRequest",
    "Outbox",
    "Placed",
    "Position",
    "new_order_id",
]

_HOMES = {
    "CommandEventError": "schemas.errors",
    "InvalidOrder": "schemas.errors",
    "Item": "schemas.facts",
    "Mode": "schemas.control",
    "NotAcknowledged": "schemas.errors",
    "OrderPlacer": "producers.placing.placer",
    "OrderRequest": "producers.placing.request",
    "Outbox": "producers.outbox.outbox",
    "Placed": "producers.placing.pending_order",
    "Position": "schemas.errors",
    "new_order_id": "producers.placing.order_ids",
}


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'producers' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
