"""What the reconciliation compares, in a compact form. Pure.

An order costs about 2 kB over all dictionaries and the lists of the reconciliation (measured: 100,000 facts
with two effects and a result each, 300 MB for the whole process, 10 s on two busy cores). Contents are kept
as 64-bit digests: two different texts look equal once in 10^19.

The contract that is taken for granted here, because stores and topics carry it: an effect's `input` is the
address (warehouse), the recipient (notification); a sale's `detail` has `currency` and `lines` of product,
quantity and amount in cents; a text of more than 1,000 characters is stored as a digest and its beginning.
"""

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from schemas.facts import Item
from schemas.topics import DISPATCH_PRODUCTS, ORDERS, retry_topic

READS: Mapping[str, tuple[str, ...]] = {
    "warehouse": (DISPATCH_PRODUCTS, ORDERS),
    "notification": (ORDERS,),
    "sales": (ORDERS,),
}
"""The groups whose work is checked, and what each owes something for."""

SOURCES = (DISPATCH_PRODUCTS, ORDERS)
RETRIES = tuple(retry_topic(group, topic) for group, topics in READS.items() for topic in topics)

_LOGS = (*SOURCES, *RETRIES)
_CODES = {name: code for code, name in enumerate(_LOGS)}
_UNKNOWN = 255
_LONG_TEXT = 1_000
_KEPT = 500

PackedPosition = int
"""Topic, partition and offset in one number: `offset << 24 | partition << 8 | topic`; see `pack`."""

PackedPartition = int
"""Topic and partition in one number: the low 24 bits of a packed position."""


class OrderRecord(NamedTuple):
    """One record about an order, on either topic; contents are digests, 0 for none.

    Attributes:
        position: where it lies.
        address, email, phone, sale: digests; a command has an address only.
        decides: whether the warehouse acts on it; a shadow fact is only looked at (design §6).
    """

    position: PackedPosition
    address: int
    email: int = 0
    phone: int = 0
    sale: int = 0
    decides: bool = True


class StoredEffect(NamedTuple):
    """One row of a store: its name and outcome, the digest of its input, the position of its record."""

    name: str
    outcome: str
    content: int
    position: PackedPosition


class OrderResults(NamedTuple):
    """The result facts of one order: their outcomes, one letter each, and the last dispatch's address."""

    outcomes: str
    address: int = 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that was read.

    Attributes:
        commands, facts: readable records by order id.
        unreadable: positions of records that cannot be decoded.
        results: result facts by order id.
        dead: per group, the first origins of its undecided dead letters.
        discarded: per group, the first origins of dead letters that an operator discarded.
        redriven: per group, first origins of dead letters that were sent again, and where they lie now.
        retried: every position on a retry topic that holds a record.
        passed: per group, its committed offset on each log.
        starts: the lowest offset that each log still has.
        latest: as `passed`, asked after `starts`: a log that begins above it lost records unread.
        effects: per group, rows by order id.
        shadows: the warehouse's shadow decisions by order id.
    """

    commands: Mapping[int, tuple[OrderRecord, ...]]
    facts: Mapping[int, tuple[OrderRecord, ...]]
    unreadable: AbstractSet[PackedPosition]
    results: Mapping[int, OrderResults]
    dead: Mapping[str, AbstractSet[PackedPosition]]
    discarded: Mapping[str, AbstractSet[PackedPosition]]
    redriven: Mapping[str, Mapping[PackedPosition, PackedPosition]]
    retried: AbstractSet[PackedPosition]
    passed: Mapping[str, Mapping[PackedPartition, int]]
    starts: Mapping[PackedPartition, int]
    latest: Mapping[str, Mapping[PackedPartition, int]]
    effects: Mapping[str, Mapping[int, tuple[StoredEffect, ...]]]
    shadows: Mapping[int, StoredEffect]


def pack(topic: str, partition: int, offset: int) -> PackedPosition:
    """Pack a position; a topic that nobody here reads gets a code of its own that matches nothing."""
    return offset << 24 | partition << 8 | _CODES.get(topic, _UNKNOWN)


def partition_of(position: PackedPosition) -> PackedPartition:
    """The topic and partition of a position."""
    return position & 0xFFFFFF


def offset_of(position: PackedPosition) -> int:
    """The offset of a position."""
    return position >> 24


def topic_of(position: PackedPosition) -> str:
    """The topic of a position; empty if it is one that nobody here reads."""
    code = position & 0xFF
    return _LOGS[code] if code < len(_LOGS) else ""


def text_of(position: PackedPosition) -> str:
    """A position as an operator writes it: TOPIC:PARTITION:OFFSET."""
    return f"{topic_of(position) or '?'}:{position >> 8 & 0xFFFF}:{offset_of(position)}"


def digest(text: str | None) -> int:
    """64 bits of a content; 0 for none."""
    if not text:
        return 0 if text is None else 1
    data = text.encode("utf-8", "surrogatepass")
    if len(text) > _LONG_TEXT:
        # As stores keep it: the 128-bit digest of all of it, and how it begins.
        whole = blake2b(data, digest_size=16).hexdigest()
        data = f"blake2b:{whole} {text[:_KEPT]}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest())


def digest_items(currency: str, items: tuple[Item, ...]) -> int:
    """64 bits of what an order's items amount to."""
    lines = [[item.product, item.quantity, item.quantity * item.unit_price_cents] for item in items]
    return digest_lines(currency, lines)


def digest_lines(currency: Any, lines: Any) -> int:
    """64 bits of a sale as the store has it: currency, and lines of product, quantity and amount."""
    return int.from_bytes(blake2b(json.dumps([currency, lines]).encode(), digest_size=8).digest())
