"""One hostile record, and the means to make many: bytes by hand, order ids that never collide. Pure.

An end is text, the same in a table, a failing test and a comparison:

    dead letter: MalformedBody      put aside by this group, with this error
    rejected: the address is blank  refused by rule, with a result that gives the reason
    dispatched, done, counted ...   the group's normal effect
    only recorded                   a shadow decision: the order's command decides
    nothing                         the group owes this record nothing
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import avro_schemas
from schemas.commands import DispatchProduct
from schemas.errors import RecordError
from schemas.facts import OrderPlaced
from schemas.topics import DISPATCH_PRODUCTS, ORDERS, Message
from tests.support.kafka.wire import framed, key_of, long_of

HOME = "1 Streetford Road"
FIRST_ORDER = 7_000_000

DISPATCHED, EXPIRED, SHADOW, NOTHING = "dispatched", "expired", "only recorded", "nothing"
DONE, SKIPPED, COUNTED, GRANTED = "done", "skipped", "counted", "granted"
BLANK = "rejected: the address is blank"
NULL = "rejected: the address is null"
NORMAL = {
    DISPATCH_PRODUCTS: {"warehouse": DISPATCHED},
    ORDERS: {"warehouse": DISPATCHED, "notification": DONE, "sales": COUNTED, "loyalty": GRANTED},
}
"""The end of a good record, by topic and group."""

Headers = Sequence[tuple[str, bytes | None]]


class Case(NamedTuple):
    """A record, and how it must end.

    Attributes:
        name: what is hostile about it, in words.
        topic: where it lies.
        key: the record's key.
        body: the value; behind the registry's frame where there is a schema.
        headers: in their order.
        ends: its end by group, for every group that reads the topic.
        schema: the writer's schema as a registry has it, JSON; None for a value that names none.
        avro: whether a real registry takes the schema; some are no Avro at all.
    """

    name: str
    topic: str
    key: bytes | None
    body: bytes | None
    headers: Headers
    ends: Mapping[str, str]
    schema: str | None = None
    avro: bool = True

    def value(self, schema_id: int | None) -> bytes | None:
        """The record's value, where its schema has this id."""
        return self.body if schema_id is None else framed(schema_id, self.body or b"")


def dead(error: type[RecordError]) -> str:
    """The end of a record that is put aside."""
    return f"dead letter: {error.__name__}"


def too_long(characters: int) -> str:
    """The end of an order whose address is too long."""
    return f"rejected: the address has {characters} characters, 500 are allowed"


# -- Avro, by hand -----------------------------------------------------------------------------------------


def text(value: str | bytes) -> bytes:
    """An Avro string; bytes are taken as they are, text or not."""
    raw = value.encode() if isinstance(value, str) else value
    return long_of(len(raw)) + raw


def maybe(value: str | bytes | None) -> bytes:
    """A nullable Avro string."""
    return b"\x00" if value is None else b"\x02" + text(value)


def array(elements: Sequence[bytes]) -> bytes:
    """An Avro array in one block."""
    return (long_of(len(elements)) + b"".join(elements) if elements else b"") + b"\x00"


def item(product: str | bytes = "pen", quantity: int = 2, cents: int = 150) -> bytes:
    """One line of an order."""
    return text(product) + long_of(quantity) + long_of(cents)


def single(record: type[Message], body: bytes, version: int = -1) -> bytes:
    """The single-object encoding of a body of ours."""
    return b"\xc3\x01" + avro_schemas.versions(record)[version].fingerprint + body


FLOW = text("direct")
"""The last field of a `DispatchProduct`."""


def buy(address: str | bytes | None = HOME, epoch: int = 1) -> bytes:
    """A `DispatchProduct`."""
    return single(DispatchProduct, maybe(address) + long_of(epoch) + FLOW)


def placed(order_id: int, at: int, **encoded: bytes) -> bytes:
    """The body of an `OrderPlaced`; fields may be replaced by whatever bytes."""
    fields = {
        "order_id": long_of(order_id),
        "address": text(HOME),
        "placed_at": long_of(at),
        "customer": maybe("Ann"),
        "email": maybe("ann@example.org"),
        "phone": maybe(None),
        "currency": text("EUR"),
        "items": array([item()]),
        "dispatch_before": b"\x00",
        "mode_epoch": long_of(1),
        "shadow_of": b"\x00",
        "flow": text("direct"),
        "payment_method": maybe(None),
    }
    return b"".join((fields | encoded).values())


# -- many --------------------------------------------------------------------------------------------------

OWN_KEY = b"the order's own"


@dataclass
class Maker:
    """Collects cases; each is about an order of its own.

    Attributes:
        at: when good facts were placed, ms since the epoch, UTC.
        cases: what was made.
    """

    at: int
    cases: list[Case] = field(default_factory=list)

    @property
    def next_order(self) -> int:
        """The order id of the case that is made next."""
        return FIRST_ORDER + len(self.cases)

    def raw(
        self,
        name: str,
        topic: str,
        value: bytes | None,
        end: str,
        *,
        key: bytes | None = OWN_KEY,
        headers: Headers = (),
        schema: str | None = None,
        avro: bool = True,
    ) -> None:
        """A record of any bytes; it ends the same in every group."""
        key = key_of(self.next_order) if key is OWN_KEY else key
        ends = dict.fromkeys(NORMAL[topic], end)
        self.cases.append(Case(name, topic, key, value, headers, ends, schema, avro))

    def command(
        self,
        name: str,
        address: str | bytes | None = HOME,
        end: str = DISPATCHED,
        *,
        epoch: int = 1,
        order_id: int | None = None,
        headers: Headers = (),
    ) -> None:
        """A `DispatchProduct` with something odd about it."""
        key = key_of(self.next_order if order_id is None else order_id)
        self.raw(name, DISPATCH_PRODUCTS, buy(address, epoch), end, key=key, headers=headers)

    def fact(
        self,
        name: str,
        end: str | None = None,
        *,
        ends: Mapping[str, str] | None = None,
        order_id: int | None = None,
        headers: Headers = (),
        spoil: Callable[[bytes], bytes] = bytes,
        **encoded: bytes,
    ) -> None:
        """An `OrderPlaced` with something odd about it.

        Args:
            name: see `Case`.
            end: how it ends in every group; None is the normal effect.
            ends: what differs from that, by group.
            order_id: another one than the next.
            headers: see `Case`.
            spoil: what to do to the value.
            encoded: fields as bytes.
        """
        number = self.next_order if order_id is None else order_id
        value = spoil(single(OrderPlaced, placed(number, self.at, **encoded)))
        every = dict.fromkeys(NORMAL[ORDERS], end) if end is not None else NORMAL[ORDERS]
        self.cases.append(Case(name, ORDERS, key_of(number), value, headers, {**every, **(ends or {})}))
