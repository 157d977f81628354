"""Resolving a payment of unknown outcome: an operator says what became of it.

Promises: the word is a record on the group's own retry topic, so it takes effect once, and is as durable as
the payment; it is refused unless the store says that the outcome is unknown. Whether that is still so when
the record is read, the reaction asks again.

I/O: Kafka (writes the retry topic), the group's store, read-only.
"""

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from clients.admin import Admin
from clients.config import Cluster
from clients.partitioner import partition_of
from clients.records import ProducerRecord
from consumers.flows.payment import Payment
from databases.address import StoreAddress
from databases.snapshot import reading
from databases.text import restored
from operations.dead_letters.writer import Writer
from operations.order_states import read_state
from schemas.decisions import PaymentResolved, resolve_headers
from schemas.errors import SafetyRefusal, UsageError
from schemas.framing import encode_key
from schemas.topics import CAPTURE_PAYMENTS, Topic, dead_letter_topic

RESOLVABLE = ("unknown", "unresolved")


class Written(NamedTuple):
    """Where an operator's word was written to."""

    topic: str
    partition: int


def resolve(
    cluster: Cluster, catalogue: Sequence[Topic], store: StoreAddress, resolved: PaymentResolved
) -> Written:
    """Write what became of a payment.

    Args:
        cluster: where.
        catalogue: the topics that there are.
        store: of the group that owns the payment.
        resolved: what became of it.

    Raises:
        UsageError: nothing is known of a payment of that order.
        SafetyRefusal: its outcome is known, or may still come about.
        Fenced, BrokerUnreachable, TopicMissing, NotAcknowledged, DependencyUnavailable.
    """
    whole = read_state(store, Payment, resolved.order_id)
    if whole is None:
        raise UsageError(f"nothing is known of a payment of order {resolved.order_id} in {store}")
    check(whole.state, resolved)
    name = dead_letter_topic(store.group, CAPTURE_PAYMENTS)
    topic = next(topic for topic in catalogue if topic.name == name)
    with Writer(cluster, topic) as writer:
        key = encode_key(resolved.order_id)
        partition = partition_of(key, writer.partitions)
        headers = resolve_headers(resolved, uuid.uuid4().hex)
        correlation = _correlation_id(store, resolved.order_id)
        if correlation is not None:
            headers.append(("ce_correlationid", correlation))
        writer.claim()
        writer.write([ProducerRecord(writer.retry_topic, key, None, headers, partition)])
        writer.until_seen(Admin(cluster))
        return Written(writer.retry_topic, partition)


def check(payment: Payment, resolved: PaymentResolved) -> None:
    """Whether an operator may say this about a payment.

    Raises:
        SafetyRefusal: its outcome is known, or may still come about.
    """
    subject = f"the payment of order {resolved.order_id}"
    if payment.status == "contradicted":
        outcome = payment.resolution.outcome if payment.resolution is not None else ""
        if resolved.outcome != outcome:
            raise SafetyRefusal(
                f"everybody has acted on it that {subject} {_verb(outcome)}: that stays. Settle the "
                f"difference with the gateway, then say `{outcome}` once more"
            )
        return
    if payment.status not in RESOLVABLE:
        raise SafetyRefusal(
            f"{subject} is {payment.status}: only one of unknown outcome can be resolved "
            "(`cev payments list --status unresolved`)"
        )


def _verb(outcome: str) -> str:
    return "failed" if outcome == "failed" else "was captured"


def _correlation_id(store: StoreAddress, order_id: int) -> str | None:
    """The order's correlation id, which the timer of the next inquiry carries."""
    query = "SELECT correlation_id FROM timers WHERE order_id = :order_id ORDER BY name"
    with reading(store) as snapshot:
        if snapshot is None:
            return None
        return next((restored(row[0]) for row in snapshot.rows(query, order_id=order_id)), None)
