"""Warehouse: dispatch an order, on a command or on the fact that it was placed.

reads   dispatch_products (command, owned by this group), orders (fact)
writes  dispatch_results

New reaction? Copy a file like this, edit the names, add a line to registry.py, write its test.
"""

from consumers.runtime.reaction import Context, Effect
from schemas import topics
from schemas.commands import MAX_ADDRESS, DispatchProduct
from schemas.facts import DispatchExpired, DispatchRejected, Fact, OrderPlaced, ProductDispatched

READS = (topics.DISPATCH_PRODUCTS, topics.ORDERS)
WRITES = (topics.DISPATCH_RESULTS,)


def react(message: DispatchProduct | OrderPlaced, context: Context) -> list[Fact]:
    """Dispatch, refuse or let expire; each is terminal and takes the effect key."""
    order_id, address = message.order_id, message.address
    deadline = message.dispatch_before if isinstance(message, OrderPlaced) else context.envelope.expires_at
    if address is None or (reason := _refusal(address)):
        reason = "the address is null" if address is None else reason
        context.record(Effect("dispatch", "rejected", input=address, detail=reason))
        return [DispatchRejected(order_id, reason, context.now)]
    if deadline is not None and context.past(deadline):
        context.record(Effect("dispatch", "expired", input=address))
        return [DispatchExpired(order_id, deadline, context.now)]
    context.record(Effect("dispatch", "dispatched", input=address))
    return [ProductDispatched(order_id, address, context.now)]


def _refusal(address: str) -> str:
    if not address.strip():
        return "the address is blank"
    if len(address) > MAX_ADDRESS:
        return f"the address has {len(address)} characters, {MAX_ADDRESS} are allowed"
    return ""
