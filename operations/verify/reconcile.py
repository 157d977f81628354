"""The verdict: what every order owes, and whether it was paid. Pure.

The rules, per record of an order and group that reads it (design §7, point 6):

    an effect with the record's content                      settled
    an undecided dead letter with the record's position      dead
    sent again, and the group has not come to it             unseen
    discarded by an operator                                 discarded
    none of it, and the group's committed offset is beyond   lost
    none of it, and it is not                                unseen

What was sent again and handled is judged by what came of it: an effect, or another dead letter with the same
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
    Effect,
    Evidence,
    Log,
    PackedPosition,
    Seen,
    log_of,
    offset_of,
    place,
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

LETTERS = {"dispatched": "d", "rejected": "r", "expired": "x"}
"""One letter per terminal outcome, as `Answer.outcomes` has them."""

_WAREHOUSE = "warehouse"
_MINDS = {"address": _WAREHOUSE, "email": "notification", "phone": "notification", "sale": "sales"}
"""Whose business each content is: what one group discarded is still the others' to compare."""


def reconcile(evidence: Evidence) -> Reconciliation:
    """Decide."""
    found = Findings()
    for order_id in evidence.commands.keys() | evidence.facts.keys():
        _judge_dispatch(evidence, found, order_id)
    for order_id, records in evidence.facts.items():
        _judge_notifications(evidence, found, order_id, records)
        _judge_sale(evidence, found, order_id, records)
    _judge_results(evidence, found)
    _judge_shadows(evidence, found)
    _judge_origins(evidence, found)
    _judge_unreadable(evidence, found)
    return conclude(evidence, found)


def _judge_dispatch(evidence: Evidence, found: Findings, order_id: int) -> None:
    records = (*evidence.commands.get(order_id, ()), *evidence.facts.get(order_id, ()))
    for content, group in _MINDS.items():
        standing = [record for record in records if record.place not in evidence.discarded[group]]
        if _disagree(standing, content):
            found.different.add(order_id)
    effect = _named(evidence, _WAREHOUSE, order_id, "dispatch")
    # A shadow fact alone: its command is missing, so nobody will ever decide.
    deciding = [record for record in records if record.decides] or list(records)
    states = [
        _state(evidence, _WAREHOUSE, record, settled=_settles(effect, record, record.address))
        for record in deciding
    ]
    if effect is None and max(states) == LOST and _command_may_be_gone(evidence, deciding):
        found.aged.add(order_id)
    elif effect is None:
        found.note(order_id, _WAREHOUSE, max(states))
    elif LOST in states:
        found.lost.add(order_id)
    decided = order_id in evidence.shadows
    looked_at = [record for record in records if record not in deciding]
    if LOST in [_state(evidence, _WAREHOUSE, record, settled=decided) for record in looked_at]:
        found.lost.add(order_id)


def _judge_notifications(
    evidence: Evidence, found: Findings, order_id: int, records: tuple[Seen, ...]
) -> None:
    states = []
    for record in records:
        for name, content in (("email", record.email), ("text", record.phone)):
            if content:
                effect = _named(evidence, "notification", order_id, name)
                finished = effect is not None and effect.outcome in ("done", "skipped")
                settled = finished and _settles(effect, record, content)
                states.append(_state(evidence, "notification", record, settled=settled))
    if not states:
        found.no_contact += 1
        return
    worst = max(states)
    found.notified += worst == SETTLED
    found.note(order_id, "notification", worst)


def _judge_sale(evidence: Evidence, found: Findings, order_id: int, records: tuple[Seen, ...]) -> None:
    effect = _named(evidence, "sales", order_id, "sale")
    worst = max(
        _state(evidence, "sales", record, settled=_settles(effect, record, record.sale)) for record in records
    )
    found.counted += effect is not None
    found.note(order_id, "sales", worst)


def _judge_results(evidence: Evidence, found: Findings) -> None:
    for order_id, rows in evidence.effects[_WAREHOUSE].items():
        effect, answer = rows[0], evidence.results.get(order_id)
        if answer is None:
            (found.lost if _passed(evidence, _WAREHOUSE, effect.place) else found.unseen).add(order_id)
        elif answer.outcomes[:1] != LETTERS.get(effect.outcome) or (
            effect.outcome == "dispatched" and answer.address != effect.content
        ):
            found.different.add(order_id)
    for order_id, answer in evidence.results.items():
        if len(answer.outcomes) > 1:
            found.duplicated.add(order_id)
        if order_id not in evidence.effects[_WAREHOUSE] and order_id not in found.lost:
            known = order_id in evidence.commands or order_id in evidence.facts
            (found.different if known else found.phantom).add(order_id)


def _judge_shadows(evidence: Evidence, found: Findings) -> None:
    for order_id, shadow in evidence.shadows.items():
        effect = _named(evidence, _WAREHOUSE, order_id, "dispatch")
        if effect is None:
            continue
        outcomes = {effect.outcome, shadow.outcome}
        # The two decisions were made at two times, so one of them may have been too late.
        if effect.content != shadow.content or (len(outcomes) > 1 and "expired" not in outcomes):
            found.different.add(order_id)


def _judge_origins(evidence: Evidence, found: Findings) -> None:
    for rows_by_order in evidence.effects.values():
        for order_id, rows in rows_by_order.items():
            for effect in rows:
                _judge_origin(evidence, found, order_id, effect)
    for order_id, effect in evidence.shadows.items():
        _judge_origin(evidence, found, order_id, effect)


def _judge_origin(evidence: Evidence, found: Findings, order_id: int, effect: Effect) -> None:
    commands, facts = evidence.commands.get(order_id, ()), evidence.facts.get(order_id, ())
    topic = topic_of(effect.place)
    if topic in RETRIES:
        # A record that was sent again lies here; its first place may be below the log's start by now, so
        # any record of the order may be meant.
        below = offset_of(effect.place) < evidence.starts.get(log_of(effect.place), 0)
        if not below and effect.place not in evidence.retried:
            found.phantom.add(order_id)
            return
        sources = (*commands, *facts)
    else:
        on_topic = {DISPATCH_PRODUCTS: commands, ORDERS: facts}.get(topic, ())
        sources = tuple(record for record in on_topic if record.place == effect.place)
    if sources:
        if all(_content(record, effect.name) != effect.content for record in sources):
            found.different.add(order_id)
    elif effect.place in evidence.unreadable:
        return  # the consumer could read it: it had a schema registry, or a newer version of the schemas
    elif topic in RETRIES or offset_of(effect.place) < evidence.starts.get(log_of(effect.place), 0):
        if not commands and not facts:
            found.aged.add(order_id)
    else:
        found.phantom.add(order_id)


def _judge_unreadable(evidence: Evidence, found: Findings) -> None:
    for group, topics in READS.items():
        explained = {
            effect.place
            for rows in (evidence.effects[group].values() if evidence.unreadable else ())
            for effect in rows
            if effect.place in evidence.unreadable
        }
        found.vanished.update(
            where
            for where in evidence.unreadable
            if topic_of(where) in topics
            and where not in explained
            # Sent again and not dead again: its group could read it, and we cannot.
            and where not in evidence.redriven[group]
            and _fate(evidence, group, where) == LOST
        )


def _state(evidence: Evidence, group: str, record: Seen, *, settled: bool) -> int:
    if settled:
        return SETTLED
    return _fate(evidence, group, record.place)


def _fate(evidence: Evidence, group: str, where: PackedPosition) -> int:
    """What became of a record that no effect shows."""
    if where in evidence.dead[group]:
        return DEAD
    again = evidence.redriven[group].get(where)
    if again is not None and not _passed(evidence, group, again):
        return UNSEEN
    if where in evidence.discarded[group]:
        return DISCARDED
    return LOST if _passed(evidence, group, where) else UNSEEN


def _command_may_be_gone(evidence: Evidence, deciding: Iterable[Seen]) -> bool:
    """Whether shadow facts are all that is left of an order because older commands were cleaned.

    An order's records have the same partition number on both topics (design §5).
    """
    return all(
        not record.decides and evidence.starts.get(_as_command(record.place), 0) > 0 for record in deciding
    )


def _as_command(where: PackedPosition) -> Log:
    return log_of(place(DISPATCH_PRODUCTS, where >> 8 & 0xFFFF, 0))


def _settles(effect: Effect | None, record: Seen, content: int) -> bool:
    """Whether an effect is what became of a record: its own, or one of a record that says the same.

    A record that says something else is a conflict: it owes a dead letter.
    """
    return effect is not None and (effect.place == record.place or effect.content == content)


def _passed(evidence: Evidence, group: str, where: PackedPosition) -> bool:
    return offset_of(where) < evidence.passed[group].get(log_of(where), 0)


def _named(evidence: Evidence, group: str, order_id: int, name: str) -> Effect | None:
    for effect in evidence.effects[group].get(order_id, ()):
        if effect.name == name:
            return effect
    return None


def _content(record: Seen, effect: str) -> int:
    return {"email": record.email, "text": record.phone, "sale": record.sale}.get(effect, record.address)


def _disagree(records: Iterable[Seen], content: str) -> bool:
    topics = [record for record in records if content == "address" or topic_of(record.place) == ORDERS]
    return len({getattr(record, content) for record in topics}) > 1
