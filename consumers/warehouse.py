"""Warehouse: dispatch an order, on a command, on the fact that it was placed, or once it is paid too.

reads   dispatch_products (command, owned by this group), orders (fact), payments (result)
writes  dispatch_results

New reaction? Copy a file like this, edit the names, add a line to registry.py, write its test.
"""

from consumers.flows import shipments
from consumers.runtime.reaction import Context, Effect
from schemas import topics
from schemas.commands import MAX_ADDRESS, DispatchProduct
from schemas.facts import DispatchExpired, DispatchRejected, Fact, ProductDispatched

READS = (topics.DISPATCH_PRODUCTS, topics.ORDERS, topics.PAYMENTS)
WRITES = (topics.DISPATCH_RESULTS,)
STATE = shipments.Shipment


def react(message: DispatchProduct | Fact, context: Context) -> list[Fact]:
    """Dispatch, refuse or let expire; each is terminal and takes the effect key."""
    due = shipments.due(message, context)
    if due is None:
        return []
    order_id, address, deadline, flow = due
    if address is None or (reason := _refusal(address)):
        reason = "the address is null" if address is None else reason
        context.record(Effect("dispatch", "rejected", input=address, detail=reason))
        return [DispatchRejected(order_id, reason, context.now, flow)]
    if deadline is not None and context.past(deadline):
        context.record(Effect("dispatch", "expired", input=address))
        return [DispatchExpired(order_id, deadline, context.now, flow)]
    context.record(Effect("dispatch", "dispatched", input=address))
    return [ProductDispatched(order_id, address, context.now, flow)]


def _refusal(address: str) -> str:
    if not address.strip():
        return "the address is blank"
    if len(address) > MAX_ADDRESS:
        return f"the address has {len(address)} characters, {MAX_ADDRESS} are allowed"
    return ""
