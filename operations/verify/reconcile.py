"""The reconciliation: what every order owes, and whether it was done. Pure.

The rules, per record of an order and group that reads it (design §7, point 6):

    an effect with the record's content                      settled
    an undecided dead letter with the record's position      dead
    sent again, and the group has not come to it             unseen
    discarded by an operator                                 discarded
    none of it, and the group's committed offset is beyond   lost
    none of it, and it is not                                unseen
    below where the log begins, and the group was not there  removed

What was sent again and handled is settled by its outcome: an effect, or another dead letter with the same
first origin.

The sums close: accepted + aged = dispatched + rejected + expired + dead + discarded, plus the lost and the
unseen ones.

Decided here, where the design leaves it open: an effect whose result fact is missing although the group has
passed its source is `lost`; a result fact without an effect is `different` for an order that there is, and
`phantom` for one that there is not; a record that cannot be read is no order, but without a dead letter it is
`lost` too, by its position; a fact that owes no mail and no text counts as `no_contact`, not as `notified`; a
record that an operator discarded for a group is not compared in what concerns that group any more; a shadow
fact alone, where the log of commands was cut, is `aged`: what decided it may be gone.
"""

from collections.abc import Iterable

from operations.verify.evidence import (
    READS,
    RETRIES,
    Evidence,
    OrderRecord,
    PackedPartition,
    PackedPosition,
    StoredEffect,
    offset_of,
    pack,
    partition_of,
    text_of,
    topic_of,
)
from operations.verify.reconciliation import (
    DEAD,
    DISCARDED,
    LOST,
    SETTLED,
    UNSEEN,
    Findings,
    Reconciliation,
    conclude,
)
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

OUTCOME_CODES = {"dispatched": "d", "rejected": "r", "expired": "x"}
"""One letter per terminal outcome, as `OrderResults.outcomes` has them."""

_WAREHOUSE = "warehouse"
_GROUP_OF_CONTENT = {"address": _WAREHOUSE, "email": "notification", "phone": "notification", "sale": "sales"}
"""The group that handles each content: what one group discarded is still compared for the others."""


def reconcile(evidence: Evidence) -> Reconciliation:
    """Compare what every order owes with what was done."""
    findings = Findings()
    for order_id in evidence.commands.keys() | evidence.facts.keys():
        _check_dispatch(evidence, findings, order_id)
    for order_id, records in evidence.facts.items():
        _check_notifications(evidence, findings, order_id, records)
        _check_sale(evidence, findings, order_id, records)
    _check_results(evidence, findings)
    _check_shadows(evidence, findings)
    _check_origins(evidence, findings)
    _check_unreadable(evidence, findings)
    _check_removed(evidence, findings)
    return conclude(evidence, findings)


def _check_dispatch(evidence: Evidence, findings: Findings, order_id: int) -> None:
    records = (*evidence.commands.get(order_id, ()), *evidence.facts.get(order_id, ()))
    for content, group in _GROUP_OF_CONTENT.items():
        kept = [record for record in records if record.position not in evidence.discarded[group]]
        if _disagree(kept, content):
            findings.different.add(order_id)
    effect = _effect(evidence, _WAREHOUSE, order_id, "dispatch")
    # A shadow fact alone: its command is missing, so nobody ever decides.
    deciding = [record for record in records if record.decides] or list(records)
    states = [
        _state(evidence, _WAREHOUSE, record, settled=_settles(effect, record, record.address))
        for record in deciding
    ]
    if effect is None and max(states) == LOST and _command_may_be_gone(evidence, deciding):
        findings.aged.add(order_id)
    elif effect is None:
        findings.note(order_id, _WAREHOUSE, max(states))
    elif LOST in states:
        findings.lost.add(order_id)
    decided_in_shadow = order_id in evidence.shadows
    shadow_records = [record for record in records if record not in deciding]
    if LOST in [_state(evidence, _WAREHOUSE, record, settled=decided_in_shadow) for record in shadow_records]:
        findings.lost.add(order_id)


def _check_notifications(
    evidence: Evidence, findings: Findings, order_id: int, records: tuple[OrderRecord, ...]
) -> None:
    states = []
    for record in records:
        for name, content in (("email", record.email), ("text", record.phone)):
            if content:
                effect = _effect(evidence, "notification", order_id, name)
                finished = effect is not None and effect.outcome in ("done", "skipped")
                settled = finished and _settles(effect, record, content)
                states.append(_state(evidence, "notification", record, settled=settled))
    if not states:
        findings.no_contact += 1
        return
    worst = max(states)
    findings.notified += worst == SETTLED
    findings.note(order_id, "notification", worst)


def _check_sale(
    evidence: Evidence, findings: Findings, order_id: int, records: tuple[OrderRecord, ...]
) -> None:
    effect = _effect(evidence, "sales", order_id, "sale")
    worst = max(
        _state(evidence, "sales", record, settled=_settles(effect, record, record.sale)) for record in records
    )
    findings.counted += effect is not None
    findings.note(order_id, "sales", worst)


def _check_results(evidence: Evidence, findings: Findings) -> None:
    for order_id, rows in evidence.effects[_WAREHOUSE].items():
        effect, results = rows[0], evidence.results.get(order_id)
        if results is None:
            passed = _passed(evidence, _WAREHOUSE, effect.position)
            (findings.lost if passed else findings.unseen).add(order_id)
        elif results.outcomes[:1] != OUTCOME_CODES.get(effect.outcome) or (
            effect.outcome == "dispatched" and results.address != effect.content
        ):
            findings.different.add(order_id)
    for order_id, results in evidence.results.items():
        if len(results.outcomes) > 1:
            findings.duplicated.add(order_id)
        if order_id not in evidence.effects[_WAREHOUSE] and order_id not in findings.lost:
            known = order_id in evidence.commands or order_id in evidence.facts
            (findings.different if known else findings.phantom).add(order_id)


def _check_shadows(evidence: Evidence, findings: Findings) -> None:
    for order_id, shadow in evidence.shadows.items():
        effect = _effect(evidence, _WAREHOUSE, order_id, "dispatch")
        if effect is None:
            continue
        outcomes = {effect.outcome, shadow.outcome}
        # The two decisions were made at two times, so one of them may have been too late.
        if effect.content != shadow.content or (len(outcomes) > 1 and "expired" not in outcomes):
            findings.different.add(order_id)


def _check_origins(evidence: Evidence, findings: Findings) -> None:
    for rows_by_order in evidence.effects.values():
        for order_id, rows in rows_by_order.items():
            for effect in rows:
                _check_origin(evidence, findings, order_id, effect)
    for order_id, effect in evidence.shadows.items():
        _check_origin(evidence, findings, order_id, effect)


def _check_origin(evidence: Evidence, findings: Findings, order_id: int, effect: StoredEffect) -> None:
    commands, facts = evidence.commands.get(order_id, ()), evidence.facts.get(order_id, ())
    topic = topic_of(effect.position)
    if topic in RETRIES:
        # A record that was sent again lies here; its first position may be below the log's start by now, so
        # any record of the order may be meant.
        if not _below_start(evidence, effect.position) and effect.position not in evidence.retried:
            findings.phantom.add(order_id)
            return
        sources = (*commands, *facts)
    else:
        on_topic = {DISPATCH_PRODUCTS: commands, ORDERS: facts}.get(topic, ())
        sources = tuple(record for record in on_topic if record.position == effect.position)
    if sources:
        if all(_content(record, effect.name) != effect.content for record in sources):
            findings.different.add(order_id)
    elif effect.position in evidence.unreadable:
        return  # the consumer could read it: it had a schema registry, or a newer version of the schemas
    elif topic in RETRIES or _below_start(evidence, effect.position):
        if not commands and not facts:
            findings.aged.add(order_id)
    else:
        findings.phantom.add(order_id)


def _check_unreadable(evidence: Evidence, findings: Findings) -> None:
    for group, topics in READS.items():
        with_effect = {
            effect.position
            for rows in (evidence.effects[group].values() if evidence.unreadable else ())
            for effect in rows
            if effect.position in evidence.unreadable
        }
        findings.vanished.update(
            position
            for position in evidence.unreadable
            if topic_of(position) in topics
            and position not in with_effect
            # Sent again and not dead again: its group could read it, and we cannot.
            and position not in evidence.redriven[group]
            and _state_without_effect(evidence, group, position) == LOST
        )


def _check_removed(evidence: Evidence, findings: Findings) -> None:
    """What a group had not read and nobody can read any more: nothing tells how many orders there were."""
    findings.removed.extend(
        f"{group}@{text_of(partition | offset << 24)}-{evidence.starts[partition] - 1}"
        for group, offsets in evidence.latest.items()
        for partition, offset in sorted(offsets.items())
        if offset < evidence.starts.get(partition, 0)
    )


def _state(evidence: Evidence, group: str, record: OrderRecord, *, settled: bool) -> int:
    if settled:
        return SETTLED
    return _state_without_effect(evidence, group, record.position)


def _state_without_effect(evidence: Evidence, group: str, position: PackedPosition) -> int:
    """What became of a record that no effect shows."""
    if position in evidence.dead[group]:
        return DEAD
    latest = evidence.redriven[group].get(position)
    if latest is not None and not _passed(evidence, group, latest):
        return UNSEEN
    if position in evidence.discarded[group]:
        return DISCARDED
    return LOST if _passed(evidence, group, position) else UNSEEN


def _command_may_be_gone(evidence: Evidence, deciding: Iterable[OrderRecord]) -> bool:
    """Whether shadow facts are all that is left of an order because older commands were cleaned.

    An order's records have the same partition number on both topics (design §5).
    """
    return all(
        not record.decides and evidence.starts.get(_as_command(record.position), 0) > 0 for record in deciding
    )


def _as_command(position: PackedPosition) -> PackedPartition:
    return partition_of(pack(DISPATCH_PRODUCTS, position >> 8 & 0xFFFF, 0))


def _settles(effect: StoredEffect | None, record: OrderRecord, content: int) -> bool:
    """Whether an effect is what became of a record: its own, or one of a record that says the same.

    A record that says something else is a conflict: it owes a dead letter.
    """
    return effect is not None and (effect.position == record.position or effect.content == content)


def _passed(evidence: Evidence, group: str, position: PackedPosition) -> bool:
    return offset_of(position) < evidence.passed[group].get(partition_of(position), 0)


def _below_start(evidence: Evidence, position: PackedPosition) -> bool:
    return offset_of(position) < evidence.starts.get(partition_of(position), 0)


def _effect(evidence: Evidence, group: str, order_id: int, name: str) -> StoredEffect | None:
    for effect in evidence.effects[group].get(order_id, ()):
        if effect.name == name:
            return effect
    return None


def _content(record: OrderRecord, effect: str) -> int:
    return {"email": record.email, "text": record.phone, "sale": record.sale}.get(effect, record.address)


def _disagree(records: Iterable[OrderRecord], content: str) -> bool:
    topics = [record for record in records if content == "address" or topic_of(record.position) == ORDERS]
    return len({getattr(record, content) for record in topics}) > 1
