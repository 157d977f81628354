"""The one catalogue of topics: name, kind, records, owner, partitions (design §5).

Nothing else in the project spells a topic's name. Partition counts never change: a key's partition is part
of the contract.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from schemas.commands import CapturePayment, Command, DispatchProduct, RefundPayment, SendNotification
from schemas.control import ModeChanged
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    Fact,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from schemas.timers import TimerDue

Message = Command | Fact | ModeChanged | TimerDue
"""Every value that a topic of ours can carry."""

DISPATCH_PRODUCTS = "dispatch_products"
CAPTURE_PAYMENTS = "capture_payments"
SEND_NOTIFICATIONS = "send_notifications"
ORDERS = "orders"
PAYMENTS = "payments"
DISPATCH_RESULTS = "dispatch_results"
ORDER_MODE = "order_mode"
PAYMENTS_TIMERS = "payments.timers"
FULFILMENT_TIMERS = "fulfilment.timers"

PARTITIONS = 6
MAX_RECORD_BYTES = 1_048_588
"""Kafka's own default for a topic's `max.message.bytes`."""
MAX_DEAD_LETTER_BYTES = 8 * 1024 * 1024
"""Room for the largest source record plus the headers that say why it died."""

_GROUP = re.compile(r"[a-z][a-z0-9-]*\Z")


class Kind(StrEnum):
    """What a topic is for; it decides who may read it, and which alarms it can raise."""

    COMMAND = "command"
    FACT = "fact"
    RESULT = "result"
    CONTROL = "control"
    TIMER = "timer"
    DEAD_LETTER = "dead-letter"
    RETRY = "retry"


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic of the catalogue.

    Attributes:
        name: as Kafka knows it.
        kind: see `Kind`.
        records: the message types that it carries; empty where it carries other topics' bytes.
        owner: the one group that reads a command, timer, retry or dead-letter topic; the writer of a fact.
        partitions: fixed for ever.
        source: the topic whose bytes a dead-letter or retry topic carries.
    """

    name: str
    kind: Kind
    records: tuple[type[Message], ...]
    owner: str
    partitions: int = PARTITIONS
    source: str | None = None

    @property
    def config(self) -> dict[str, str]:
        """Topic settings that the cluster must have: time and size never delete what nobody handled.

        Facts have the broker's time, because the clocks of their writers may be wrong.
        """
        spare = self.kind in (Kind.DEAD_LETTER, Kind.RETRY)
        stamped = {"message.timestamp.type": "LogAppendTime"} if self.kind is Kind.FACT else {}
        return stamped | {
            "cleanup.policy": "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "max.message.bytes": str(MAX_DEAD_LETTER_BYTES if spare else MAX_RECORD_BYTES),
        }


CATALOGUE: tuple[Topic, ...] = (
    Topic(name=DISPATCH_PRODUCTS, kind=Kind.COMMAND, records=(DispatchProduct,), owner="warehouse"),
    Topic(
        name=CAPTURE_PAYMENTS, kind=Kind.COMMAND, records=(CapturePayment, RefundPayment), owner="payments"
    ),
    Topic(name=SEND_NOTIFICATIONS, kind=Kind.COMMAND, records=(SendNotification,), owner="notification"),
    Topic(name=ORDERS, kind=Kind.FACT, records=(OrderPlaced,), owner="order-service"),
    Topic(
        name=DISPATCH_RESULTS,
        kind=Kind.RESULT,
        records=(ProductDispatched, DispatchRejected, DispatchExpired),
        owner="warehouse",
    ),
    Topic(
        name=PAYMENTS,
        kind=Kind.RESULT,
        records=(PaymentCaptured, PaymentFailed, PaymentRefunded, RefundFailed),
        owner="payments",
    ),
    Topic(name=PAYMENTS_TIMERS, kind=Kind.TIMER, records=(TimerDue,), owner="payments"),
    Topic(name=FULFILMENT_TIMERS, kind=Kind.TIMER, records=(TimerDue,), owner="fulfilment"),
    Topic(name=ORDER_MODE, kind=Kind.CONTROL, records=(ModeChanged,), owner="operators", partitions=1),
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in CATALOGUE}


def dead_letter_topic(group: str, source: str) -> str:
    """The name of a group's dead-letter topic for one source topic."""
    return f"{_checked(group)}.{source}.dlq"


def retry_topic(group: str, source: str) -> str:
    """The name of a group's retry topic for one source topic."""
    return f"{_checked(group)}.{source}.retry"


def source_of(topic: str) -> str:
    """The topic whose records a retry topic carries; every other topic's own name."""
    return topic.split(".", 1)[1].removesuffix(".retry") if topic.endswith(".retry") else topic


def derived(readers: Iterable[tuple[str, Iterable[str]]]) -> tuple[Topic, ...]:
    """The dead-letter and retry topics that these consumer groups need.

    Args:
        readers: pairs of a group id and the source topics that it reads.

    Returns:
        Two topics for each group and source, in the order given.

    Raises:
        ValueError: a group id does not match `[a-z][a-z0-9-]*`, so that two names could collide.
    """
    return tuple(
        Topic(name=name(group, source), kind=kind, records=(), owner=group, source=source)
        for group, sources in readers
        for source in sources
        for kind, name in ((Kind.DEAD_LETTER, dead_letter_topic), (Kind.RETRY, retry_topic))
    )


def _checked(group: str) -> str:
    if not _GROUP.match(group):
        raise ValueError(f"group id {group!r} must be a lower-case letter, then letters, digits or hyphens")
    return group
