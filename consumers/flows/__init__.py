"""Which flow an order was placed in (design §10). Pure."""

from consumers.runtime.reaction import Context
from schemas.control import Flow
from schemas.errors import UnknownFlow
from schemas.facts import OrderPlaced

_FLOWS = {flow.value: flow for flow in Flow}


def flow_of(order: OrderPlaced, context: Context) -> Flow:
    """Who coordinates an order: it says so itself, whatever flow is in force now.

    Raises:
        UnknownFlow: a flow of a later release, or of another writer.
    """
    flow = _FLOWS.get(order.flow)
    if flow is None:
        known = ", ".join(_FLOWS)
        raise UnknownFlow(
            f"order {order.order_id} is in flow {order.flow!r}; this release knows {known}", context.position
        )
    return flow
