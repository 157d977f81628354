"""[BUY]: the records to write for an order in the mode in force (design §6). Pure.

    command    DispatchProduct
    shadow     DispatchProduct and OrderPlaced, to be written in one transaction
    event      OrderPlaced

The order's records name the path that decides it: the fact of a shadow order has the command's topic in
`shadow_of`. This is the only place where a mode becomes records; it sends nothing.
"""

import random
from typing import NamedTuple

from producers.placing.request import OrderRequest
from schemas.commands import DispatchProduct
from schemas.control import Flow, Mode
from schemas.envelope import Envelope, to_headers
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.times import rfc3339
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

SOURCE = "order-service"
"""The component that writes orders, in `ce_source`; the catalogue names it as the owner of the facts."""


class UnencodedRecord(NamedTuple):
    """A record whose value is not encoded yet.

    Attributes:
        topic: to write it to.
        key: the order id as Kafka's Long serde writes it, 8 bytes.
        message: the value.
        headers: names and texts.
    """

    topic: str
    key: bytes
    message: DispatchProduct | OrderPlaced
    headers: list[tuple[str, str]]


class OrderMetadata(NamedTuple):
    """The time and the random ids of an order's records.

    Attributes:
        now: when the order was accepted, in milliseconds since the epoch, UTC.
        at: the same as RFC 3339 text.
        command_id, fact_id: `ce_id` of the two possible records.
        traceparent: W3C trace context, the same on both.
    """

    now: int
    at: str
    command_id: str
    fact_id: str
    traceparent: str


class MetadataSource:
    """Generates metadata. Thread-safe: a race for the cached text makes it anew, and changes no value."""

    def __init__(self) -> None:
        self._cached = (0, rfc3339(0))

    def metadata(self, now: int) -> OrderMetadata:
        """Metadata for an order that is accepted at `now`, in milliseconds since the epoch, UTC."""
        cached = self._cached
        if cached[0] != now:
            cached = self._cached = (now, rfc3339(now))
        # One draw for all ids: three draws cost 2 us, a tenth of placing an order. W3C Trace Context §3.2.2
        # forbids ids of only zeros, which 64 random bits are once in 10**19 orders.
        bits = random.randbytes(56).hex()
        trace = f"00-{bits[64:96]}-{bits[96:112]}-01"
        return OrderMetadata(now, cached[1], bits[:32], bits[32:64], trace)


def correlation_id(order_id: int) -> str:
    """The correlation id of everything that one order causes."""
    return f"order-{order_id}"


def render_order(
    request: OrderRequest,
    *,
    order_id: int,
    mode: Mode,
    flow: Flow,
    epoch: int,
    currency: str,
    metadata: OrderMetadata,
) -> tuple[UnencodedRecord, ...]:
    """The records of one order.

    Args:
        request: the order; its own `order_id` is not read.
        order_id: the id to place it under.
        mode: the mode in force.
        flow: its flow; only the fact of mode event has another than direct.
        epoch: the mode's number; at least 1 for any mode that writes facts.
        currency: of an order that names none.
        metadata: its time and ids.

    Returns:
        One record or, in shadow, two: the command first.
    """
    deadline, key = _deadline(request, metadata.now), encode_key(order_id)
    records = []
    if mode is not Mode.EVENT:
        command = DispatchProduct(order_id, request.address, epoch)
        headers = _headers(order_id, metadata, metadata.command_id, "DispatchProduct", deadline)
        records.append(UnencodedRecord(DISPATCH_PRODUCTS, key, command, headers))
    if mode is not Mode.COMMAND:
        fact = OrderPlaced(
            order_id=order_id,
            address=request.address,
            placed_at=metadata.now,
            customer=request.customer,
            email=request.email,
            phone=request.phone,
            currency=request.currency or currency,
            items=request.items,
            dispatch_before=deadline,
            mode_epoch=epoch,
            shadow_of=(DISPATCH_PRODUCTS,) if mode is Mode.SHADOW else (),
            flow=flow.value,
            payment_method=request.pay,
        )
        headers = _headers(order_id, metadata, metadata.fact_id, "OrderPlaced", None)
        records.append(UnencodedRecord(ORDERS, key, fact, headers))
    return tuple(records)


def _deadline(request: OrderRequest, now: int) -> int | None:
    return None if request.expires_in is None else now + max(round(request.expires_in * 1000), 1)


def _headers(
    order_id: int, metadata: OrderMetadata, message_id: str, record: str, expires_at: int | None
) -> list[tuple[str, str]]:
    envelope = Envelope(
        message_id=message_id,
        correlation_id=correlation_id(order_id),
        expires_at=expires_at,
        traceparent=metadata.traceparent,
    )
    return to_headers(envelope, record=record, source=SOURCE, at=metadata.at)
