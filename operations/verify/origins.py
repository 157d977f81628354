"""Whether what was done was asked for: an effect has a record, and says what that says. Pure."""

from collections.abc import Iterable

from operations.verify.evidence import (
    READS,
    SOURCES,
    Offsets,
    OrderEvidence,
    OrderRecord,
    Reads,
    StoredEffect,
    retry_topics,
)
from operations.verify.reconciliation import OrderFindings
from operations.verify.record_states import below_start, has_passed
from schemas.topics import DISPATCH_RESULTS, SEND_NOTIFICATIONS


def check_origin(
    order: OrderEvidence, offsets: Offsets, findings: OrderFindings, effect: StoredEffect, reads: Reads
) -> None:
    """Whether the record that an effect was made from is there; `reads` is its group and what that reads."""
    known = reads.keys() <= READS.keys()
    retried = effect.position.topic in retry_topics(reads)
    if not known and not retried and effect.position.topic not in SOURCES:
        return
    if retried and not below_start(offsets, effect.position) and not effect.retried:
        findings.faults.add("phantom")
        return
    # A record that was sent again lies on a retry topic; its first position may be below the log's start by
    # now, so any record of the order may be meant.
    records = (*order.commands, *order.facts, *order.steps)
    sources = [record for record in records if retried or record.position == effect.position]
    if sources:
        if known and not any(
            _content(record, effect.name) == effect.content for record in _saying(order, sources)
        ):
            findings.faults.add("different")
    elif effect.unreadable:
        return  # the consumer could read it: it had a schema registry, or a newer version of the schemas
    elif retried or below_start(offsets, effect.position):
        if not order.commands and not order.facts:
            findings.faults.add("aged")
    elif effect.position.topic != DISPATCH_RESULTS or has_passed(offsets, next(iter(reads)), effect.position):
        # Dispatch results were read before the stores: of a later one the effect alone may be known.
        findings.faults.add("phantom")


def _saying(order: OrderEvidence, sources: list[OrderRecord]) -> Iterable[OrderRecord]:
    """The records that say what an effect was made from: to whom is not said by a result, but by its fact."""
    silent = [record for record in sources if record.position.topic not in (*SOURCES, SEND_NOTIFICATIONS)]
    return (*sources, *order.facts) if silent else sources


def _content(record: OrderRecord, effect: str) -> int:
    if record.position.topic == SEND_NOTIFICATIONS:
        return record.address
    channel = effect.partition(":")[0]
    return {"email": record.email, "text": record.phone, "sale": record.sale}.get(channel, record.address)
