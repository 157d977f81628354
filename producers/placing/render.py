"""[BUY]: an order, in the mode in force, becomes the records to write (design §6). Pure.

    command    DispatchProduct
    shadow     DispatchProduct and OrderPlaced, to be written in one transaction
    event      OrderPlaced

The order says itself which path decides it: the fact of a shadow order names the command's topic in
`shadow_of`. This is the only place where a mode becomes records; it sends nothing.
"""

import random
from typing import NamedTuple

from producers.placing.request import OrderRequest
from schemas.commands import DispatchProduct
from schemas.control import Mode
from schemas.envelope import Envelope, to_headers
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.times import rfc3339
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

SOURCE = "order-service"
"""The component that writes orders, in `ce_source`; the catalogue names it as the owner of the facts."""


class UnencodedRecord(NamedTuple):
    """One record to write.

    Attributes:
        topic: where to.
        key: the order id as Kafka's Long serde writes it, 8 bytes.
        message: the value, before encoding.
        headers: name and text.
    """

    topic: str
    key: bytes
    message: DispatchProduct | OrderPlaced
    headers: list[tuple[str, str]]


class OrderMetadata(NamedTuple):
    """What the world adds to an order: time and random ids.

    Attributes:
        now: milliseconds since the epoch, UTC.
        at: the same as RFC 3339 text, which serves all orders of that millisecond.
        command_id, fact_id: `ce_id` of the two possible records.
        traceparent: W3C trace context, the same on both.
    """

    now: int
    at: str
    command_id: str
    fact_id: str
    traceparent: str


class MetadataSource:
    """Makes stamps. Not thread-safe in its text cache only: a race costs time, never truth."""

    def __init__(self) -> None:
        self._cached = (0, rfc3339(0))

    def stamp(self, now: int) -> OrderMetadata:
        """A stamp for an order that is accepted at `now`, in milliseconds since the epoch."""
        cached = self._cached
        if cached[0] != now:
            cached = self._cached = (now, rfc3339(now))
        # All randomness of an order in one draw: three draws cost 2 us, a tenth of placing it. W3C Trace
        # Context §3.2.2 forbids ids of zeros only, which 64 random bits are once in 10**19 orders.
        bits = random.randbytes(56).hex()
        trace = f"00-{bits[64:96]}-{bits[96:112]}-01"
        return OrderMetadata(now, cached[1], bits[:32], bits[32:64], trace)


def correlation_id(order_id: int) -> str:
    """What ties together everything that one order causes."""
    return f"order-{order_id}"


def render_order(
    request: OrderRequest, *, order_id: int, mode: Mode, epoch: int, currency: str, stamp: OrderMetadata
) -> tuple[UnencodedRecord, ...]:
    """The records of one order.

    Args:
        request: the order; its own `order_id` has been looked at already.
        order_id: the one that it is placed under.
        mode: the mode in force.
        epoch: the mode's number; at least 1 for any mode that writes facts.
        currency: of an order that names none.
        stamp: time and ids.

    Returns:
        One record or, in shadow, two: the command first.
    """
    deadline = None
    if request.expires_in is not None:
        deadline = stamp.now + max(round(request.expires_in * 1000), 1)
    key = encode_key(order_id)
    records = []
    if mode is not Mode.EVENT:
        command = DispatchProduct(order_id, request.address, epoch)
        headers = _headers(order_id, stamp, stamp.command_id, "DispatchProduct", deadline)
        records.append(UnencodedRecord(DISPATCH_PRODUCTS, key, command, headers))
    if mode is not Mode.COMMAND:
        fact = OrderPlaced(
            order_id=order_id,
            address=request.address,
            placed_at=stamp.now,
            customer=request.customer,
            email=request.email,
            phone=request.phone,
            currency=request.currency or currency,
            items=request.items,
            dispatch_before=deadline,
            mode_epoch=epoch,
            shadow_of=(DISPATCH_PRODUCTS,) if mode is Mode.SHADOW else (),
        )
        headers = _headers(order_id, stamp, stamp.fact_id, "OrderPlaced", None)
        records.append(UnencodedRecord(ORDERS, key, fact, headers))
    return tuple(records)


def _headers(
    order_id: int, stamp: OrderMetadata, message_id: str, record: str, expires_at: int | None
) -> list[tuple[str, str]]:
    envelope = Envelope(
        message_id=message_id,
        correlation_id=correlation_id(order_id),
        expires_at=expires_at,
        traceparent=stamp.traceparent,
    )
    return to_headers(envelope, record=record, source=SOURCE, at=stamp.at)
