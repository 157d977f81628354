"""Values for tests of the consuming side: records, decoded messages, a context, a policy. Pure.

What tests of one tier alone need stays in that tier; nothing here touches a broker, a file or a clock.
"""

from collections.abc import Sequence
from typing import Any

from clients.records import ProducerRecord
from consumers.registry import named
from consumers.runtime.contract import Outgoing
from consumers.runtime.decide import DecisionRules, Render
from consumers.runtime.reaction import AnyReaction, Context
from consumers.runtime.records import ConsumerRecord, Decoded
from schemas.commands import DispatchProduct
from schemas.envelope import Envelope, Headers
from schemas.errors import Position
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS

NOW = 1_800_000_000_000
FIRST_START = NOW - 3_600_000
DAY = 86_400_000


def order(**more: Any) -> OrderPlaced:
    """The fact of order 7, of epoch 1, as a reaction gets it."""
    return OrderPlaced(
        **{"order_id": 7, "address": "1 Streetford Road", "placed_at": NOW, "mode_epoch": 1, **more}
    )


def record(
    where: Position,
    *,
    key: bytes | None = b"k" * 8,
    value: bytes | None = b"v",
    headers: Headers | None = None,
    source: str | None = None,
) -> ConsumerRecord:
    """A record as it lay at a position."""
    return ConsumerRecord(where, source or where.topic, NOW, key, value, headers)


def command(
    order_id: int, address: str | None = "1 Streetford Road", *, at: int = 0, expires_at: int | None = None
) -> Decoded:
    """A `DispatchProduct` at an offset of the command topic."""
    where = Position(DISPATCH_PRODUCTS, 0, at)
    return decoded(where, DispatchProduct(order_id, address, 1), expires_at=expires_at)


def fact(order_id: int, address: str = "1 Streetford Road", *, at: int = 0, **more: Any) -> Decoded:
    """An `OrderPlaced` of epoch 1 at an offset of the fact topic."""
    fields = {"placed_at": NOW, "mode_epoch": 1, **more}
    return decoded(Position(ORDERS, 0, at), OrderPlaced(order_id, address, **fields))


def shadow(order_id: int, address: str = "1 Streetford Road", *, at: int = 0, **more: Any) -> Decoded:
    """The fact of an order that its command decides."""
    return fact(order_id, address, at=at, shadow_of=(DISPATCH_PRODUCTS,), **more)


def decoded(
    where: Position, message: DispatchProduct | OrderPlaced, *, expires_at: int | None = None
) -> Decoded:
    """A message that was read at a position."""
    envelope = Envelope(
        message_id=f"id-{where}", correlation_id=f"order-{message.order_id}", expires_at=expires_at
    )
    return Decoded(record(where, key=encode_key(message.order_id)), message.order_id, message, envelope)


def context(**more: Any) -> Context:
    """A context at `NOW`, an hour after the group's first start."""
    return Context(**{"now": NOW, "first_start_at": FIRST_START, **more})


def plain(answer: Outgoing, item: Decoded) -> ProducerRecord:
    """A result record whose value is readable in a failing test."""
    name = f"{item.order_id}/{type(answer).__name__}"
    return ProducerRecord(
        DISPATCH_RESULTS, encode_key(item.order_id), repr(answer).encode(), [("ce_id", name)]
    )


def policy(
    reaction: AnyReaction | str = "warehouse", *, act: bool = False, render: Render = plain
) -> DecisionRules:
    """A policy for a reaction of the registry, or for one made up by the test."""
    chosen = named(reaction) if isinstance(reaction, str) else reaction
    return DecisionRules(reaction=chosen, act_on_foreign=act, render=render)


def header(out: ProducerRecord, name: str) -> list[str | bytes | None]:
    """Every value that a record has under a header's name."""
    return [value for each, value in out.headers if each == name]


def offsets(items: Sequence[Decoded]) -> list[int]:
    """The offsets of messages, in their order."""
    return [item.record.position.offset for item in items]
