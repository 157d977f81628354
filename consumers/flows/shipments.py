"""When an order is to be dispatched, in each flow (design §10). Pure.

direct           as soon as it is placed, or commanded
process          when the process manager commands it
collaboration    once it is placed and paid, whichever comes first: that is what the warehouse remembers
"""

from typing import NamedTuple

from consumers.flows import flow_of
from consumers.runtime.reaction import Context
from schemas.commands import DispatchProduct
from schemas.control import Flow
from schemas.errors import ConflictingOrder, Position
from schemas.facts import Fact, OrderPlaced, PaymentCaptured


class Due(NamedTuple):
    """An order to dispatch now.

    Attributes:
        order_id: which.
        address: where to; None only in a command that others wrote.
        deadline: the latest time for it, ms since the epoch; None means no limit.
        flow: of the order, for its result.
    """

    order_id: int
    address: str | None
    deadline: int | None
    flow: str


class Shipment(NamedTuple):
    """What is known of one order in flow `collaboration`.

    Attributes:
        address: where to; None until the order is known.
        deadline: the latest time for it, ms since the epoch; None means no limit.
        is_paid: whether the payment is known.
    """

    address: str | None = None
    deadline: int | None = None
    is_paid: bool = False

    @property
    def status(self) -> str:
        """`waiting for order`, `waiting for payment`, or `ready`."""
        if self.address is None:
            return "waiting for order"
        return "ready" if self.is_paid else "waiting for payment"

    def heard(self, message: OrderPlaced | PaymentCaptured, position: Position) -> "Shipment":
        """What is known after a message of this order; one that was heard before changes nothing.

        Raises:
            ConflictingOrder: the order was placed with another address.
        """
        if isinstance(message, PaymentCaptured):
            return self._replace(is_paid=True)
        if self.address not in (None, message.address):
            raise ConflictingOrder(
                "the order waits to be dispatched to another address; find out which one is right", position
            )
        return self._replace(address=message.address, deadline=message.dispatch_before)


def due(message: DispatchProduct | Fact, context: Context) -> Due | None:
    """What a message lets the warehouse dispatch; None if nothing.

    Raises:
        UnknownFlow: nobody can say whether to dispatch it.
        ConflictingOrder: see `Shipment`.
    """
    if isinstance(message, DispatchProduct):
        return Due(message.order_id, message.address, context.envelope.expires_at, message.flow)
    if isinstance(message, OrderPlaced):
        flow = flow_of(message, context)
        if flow is Flow.DIRECT:
            return Due(message.order_id, message.address, message.dispatch_before, message.flow)
        return _collaborate(message, context) if flow is Flow.COLLABORATION else None
    if isinstance(message, PaymentCaptured) and message.flow == Flow.COLLABORATION:
        return _collaborate(message, context)
    return None


def _collaborate(message: OrderPlaced | PaymentCaptured, context: Context) -> Due | None:
    before = context.state or Shipment()
    shipment = before.heard(message, context.position)
    if shipment != before:
        context.save(shipment)
    if shipment.address is None or not shipment.is_paid:
        return None
    return Due(message.order_id, shipment.address, shipment.deadline, message.flow)
