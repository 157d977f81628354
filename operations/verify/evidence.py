"""What the reconciliation compares: the records, effects and results of one order. Pure.

Contents are kept as 64-bit digests: two different texts look equal once in 10^19.

The contract that is taken for granted here, because stores and topics carry it: an effect's `input` is the
address (warehouse), the recipient (notification); a sale's `detail` has `currency` and `lines` of product,
quantity and amount in cents; a text of more than 1,000 characters is stored as a digest and its beginning.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from schemas.control import Flow
from schemas.errors import Position
from schemas.facts import Item
from schemas.topics import (
    CAPTURE_PAYMENTS,
    DISPATCH_PRODUCTS,
    DISPATCH_RESULTS,
    ORDERS,
    PAYMENTS,
    SEND_NOTIFICATIONS,
    retry_topic,
)

READS: Mapping[str, tuple[str, ...]] = {
    "warehouse": (DISPATCH_PRODUCTS, ORDERS, PAYMENTS),
    "notification": (SEND_NOTIFICATIONS, ORDERS, PAYMENTS, DISPATCH_RESULTS),
    "sales": (ORDERS,),
}
"""The groups of which it is known what they owe each order, and the topics that they owe it for."""

FLOW_READS: Mapping[str, tuple[str, ...]] = {
    "payments": (CAPTURE_PAYMENTS, ORDERS, DISPATCH_RESULTS),
    "fulfilment": (ORDERS, PAYMENTS, DISPATCH_RESULTS),
}
"""The groups that only an order in a flow owes something to, and the topics that they read of it."""

SOURCES = (DISPATCH_PRODUCTS, ORDERS)
"""Where an order begins."""

STEPS = (SEND_NOTIFICATIONS, DISPATCH_PRODUCTS, PAYMENTS, CAPTURE_PAYMENTS, ORDERS)
"""What is read of orders, in this order: the cause of a record is on a later topic, or was read before."""

Reads = Mapping[str, tuple[str, ...]]
"""Groups, and the topics of orders that each reads."""

_LONG_TEXT = 1_000
_KEPT = 500

Partition = tuple[str, int]
"""Topic and partition number."""


class Failure(NamedTuple):
    """What became of a record that a group could not handle.

    Attributes:
        dead: somebody must decide about its dead letter.
        discarded: an operator discarded it.
        redriven: where it lies on the retry topic since an operator sent it again; the last place of several.
    """

    dead: bool = False
    discarded: bool = False
    redriven: Position | None = None


class OrderRecord(NamedTuple):
    """One record about an order; contents are digests, 0 for none.

    Attributes:
        position: where it lies.
        address, email, phone, sale: digests; a command has an address only, of a mail its recipient.
        decides: whether the warehouse acts on it; a shadow fact is only looked at (design §6).
        flow: who coordinates the order, where the record says it.
        name: of a step of a flow: `capture`, `captured`, `failed`, `refund`, `refunded`, `not refunded`,
            `dispatched`, `rejected`, `expired`; of a mail that was commanded, the name of its effect.
        amount: digest of amount and currency, of an order in a flow, a capture, and what was captured.
        failures: by group, where one could not handle it.
    """

    position: Position
    address: int
    email: int = 0
    phone: int = 0
    sale: int = 0
    decides: bool = True
    flow: str = Flow.DIRECT.value
    name: str = ""
    amount: int = 0
    failures: Mapping[str, Failure] = {}


class StoredEffect(NamedTuple):
    """One row of a store.

    Attributes:
        name, outcome: as the store has them.
        content: digest of its input.
        position: of the record that it was made from.
        retried: whether a record lies there, if it is a retry topic.
        unreadable: whether a record lies there that cannot be decoded.
    """

    name: str
    outcome: str
    content: int
    position: Position
    retried: bool = False
    unreadable: bool = False


class OrderResult(NamedTuple):
    """One result fact: `dispatched`, `rejected` or `expired`, and the digest of a dispatch's address."""

    outcome: str
    address: int = 0


class OrderEvidence(NamedTuple):
    """Everything that was read about one order.

    Attributes:
        order_id: which.
        commands, facts: its readable records.
        effects: per group, its rows.
        shadow: the warehouse's shadow decision.
        results: its result facts, in the order of the log.
        steps: the records of its flow, on all other topics; of a direct order none.
    """

    order_id: int
    commands: tuple[OrderRecord, ...]
    facts: tuple[OrderRecord, ...]
    effects: Mapping[str, tuple[StoredEffect, ...]]
    shadow: StoredEffect | None
    results: tuple[OrderResult, ...]
    steps: tuple[OrderRecord, ...] = ()

    @property
    def flow(self) -> str:
        """Who coordinates it, as its fact says, or where there is none its command."""
        return next((record.flow for record in (*self.facts, *self.commands)), Flow.DIRECT.value)

    @property
    def is_in_flow(self) -> bool:
        """Whether several steps are owed; a flow that is not known here is judged as a direct one."""
        return self.flow in (Flow.COLLABORATION, Flow.PROCESS)

    def named(self, *names: str) -> tuple[OrderRecord, ...]:
        """Its steps of these names."""
        return tuple(step for step in self.steps if step.name in names)

    def effect(self, group: str, name: str) -> StoredEffect | None:
        """A row of a group's store."""
        return next((effect for effect in self.effects.get(group, ()) if effect.name == name), None)


class Offsets(NamedTuple):
    """How far groups and logs are.

    Attributes:
        passed: per group, its committed offset on each partition.
        starts: the lowest offset that each log still has.
        latest: as `passed`, asked after `starts`: a log that begins above it lost records unread.
    """

    passed: Mapping[str, Mapping[Partition, int]]
    starts: Mapping[Partition, int]
    latest: Mapping[str, Mapping[Partition, int]]


def retry_topics(reads: Reads) -> tuple[str, ...]:
    """The retry topics of groups."""
    return tuple(retry_topic(group, topic) for group, topics in reads.items() for topic in topics)


def digest(text: str | None) -> int:
    """64 bits of a content, signed as SQLite's integers are; 0 for none."""
    if not text:
        return 0 if text is None else 1
    data = text.encode("utf-8", "surrogatepass")
    if len(text) > _LONG_TEXT:
        # As stores keep it: the 128-bit digest of all of it, and how it begins.
        whole = blake2b(data, digest_size=16).hexdigest()
        data = f"blake2b:{whole} {text[:_KEPT]}".encode("utf-8", "surrogatepass")
    return _digest(data)


def digest_items(currency: str, items: tuple[Item, ...]) -> int:
    """64 bits of what an order's items amount to."""
    lines = [[item.product, item.quantity, item.quantity * item.unit_price_cents] for item in items]
    return digest_lines(currency, lines)


def digest_lines(currency: Any, lines: Any) -> int:
    """64 bits of a sale as the store has it: currency, and lines of product, quantity and amount."""
    return _digest(json.dumps([currency, lines]).encode())


def _digest(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), signed=True)
