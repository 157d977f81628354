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
fact alone, where the log of commands was cut, is `aged`: what decided it may be gone. What an order in a flow
owes is in flows.py.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from operations.verify.evidence import (
    FLOW_READS,
    READS,
    Failure,
    Offsets,
    OrderEvidence,
    OrderRecord,
    Reads,
)
from operations.verify.flows import check_flow, dispatch_state, is_finished, mail_states
from operations.verify.origins import check_origin
from operations.verify.reconciliation import (
    LOST,
    SETTLED,
    Findings,
    OrderFindings,
    Reconciliation,
)
from operations.verify.record_states import (
    failure_of,
    has_passed,
    settles,
    state_of,
    state_without_effect,
)
from schemas.errors import Position
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

_WAREHOUSE = "warehouse"
_GROUP_OF_CONTENT = {"address": _WAREHOUSE, "email": "notification", "phone": "notification", "sale": "sales"}
"""The group that handles each content: what one group discarded is still compared for the others."""


class Evidence(Protocol):
    """What was read, as a workspace hands it out."""

    def orders(self) -> Iterator[OrderEvidence]:
        """Everything about each order, by order id."""

    def unexplained(self, group: str) -> Iterator[tuple[Position, Failure]]:
        """Where records lie that we cannot decode and that have no effect in a group, with their failure."""

    def unreadable(self) -> dict[str, int]:
        """How many records cannot be decoded, by the name of the error."""


def reconcile(
    evidence: Evidence, offsets: Offsets, dead_letters: Mapping[str, int], reads: Reads = READS
) -> Reconciliation:
    """Compare what every order owes with what was done.

    Args:
        evidence: what was read; its orders are looked at one by one.
        offsets: how far groups and logs are.
        dead_letters: per group, how many nobody has decided about; only reported.
        reads: the groups whose work is compared; of those outside `READS` nobody knows what they owe.
    """
    findings = Findings(unreadable=evidence.unreadable(), dead_letters=dict(dead_letters))
    for order in evidence.orders():
        findings.add(order, check_order(order, offsets, reads))
    for group, topics in reads.items():
        for position, failure in evidence.unexplained(group):
            if position.topic in topics and _is_lost(offsets, group, position, failure):
                findings.vanished.add(position)
    findings.removed.extend(_removed(offsets))
    return findings.conclude()


def check_order(order: OrderEvidence, offsets: Offsets, reads: Reads = READS) -> OrderFindings:
    """What is to be said about one order."""
    findings = OrderFindings()
    if order.steps or order.is_in_flow:
        check_flow(order, offsets, findings)
    if order.commands or order.facts:
        _check_dispatch(order, offsets, findings)
    if order.facts:
        _check_notifications(order, offsets, findings)
        _check_sale(order, offsets, findings)
    _check_results(order, offsets, findings)
    _check_shadow(order, findings)
    for group, effects in order.effects.items():
        for effect in effects:
            check_origin(order, offsets, findings, effect, {group: reads[group]})
    if order.shadow is not None:
        check_origin(order, offsets, findings, order.shadow, {_WAREHOUSE: reads[_WAREHOUSE]})
    for group in reads.keys() - READS.keys() - FLOW_READS.keys():
        _check_reaction(order, offsets, findings, group, reads[group])
    return findings


def _check_reaction(
    order: OrderEvidence, offsets: Offsets, findings: OrderFindings, group: str, topics: Collection[str]
) -> None:
    """A reaction of which nobody here knows what it owes: perhaps nothing, so no order can be lost."""
    if group in order.effects:
        findings.reactions.add(group)
        return
    for record in (*order.commands, *order.facts):
        state = state_of(offsets, group, record, settled=record.position.topic not in topics)
        if state != LOST:
            findings.note(group, state)


def _check_dispatch(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    records = (*order.commands, *order.facts)
    for content, group in _GROUP_OF_CONTENT.items():
        if _disagree((record for record in records if not failure_of(record, group).discarded), content):
            findings.faults.add("different")
    effect = order.effect(_WAREHOUSE, "dispatch")
    if order.is_in_flow:
        if effect is None:
            findings.note(_WAREHOUSE, dispatch_state(order, offsets))
        return
    # A shadow fact alone: its command is missing, so nobody ever decides.
    deciding = [record for record in records if record.decides] or list(records)
    states = [
        state_of(offsets, _WAREHOUSE, record, settled=settles(effect, record, record.address))
        for record in deciding
    ]
    if effect is None and max(states) == LOST and _command_may_be_gone(offsets, deciding):
        findings.faults.add("aged")
    elif effect is None:
        findings.note(_WAREHOUSE, max(states))
    elif LOST in states:
        findings.faults.add("lost")
    decided_in_shadow = order.shadow is not None
    shadow_records = [record for record in records if record not in deciding]
    if LOST in [
        state_of(offsets, _WAREHOUSE, record, settled=decided_in_shadow) for record in shadow_records
    ]:
        findings.faults.add("lost")


def _check_notifications(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    states = mail_states(order, offsets) if order.is_in_flow else []
    for record in () if order.is_in_flow else order.facts:
        for name, content in (("email", record.email), ("text", record.phone)):
            if content:
                effect = order.effect("notification", name)
                settled = is_finished(effect) and settles(effect, record, content)
                states.append(state_of(offsets, "notification", record, settled=settled))
    if not states:
        findings.no_contact = True
        return
    worst = max(states)
    findings.notified = worst == SETTLED
    effects = (order.effect("notification", name) for name in ("email", "text"))
    findings.skipped = findings.notified and any(
        effect is not None and effect.outcome == "skipped" for effect in effects
    )
    findings.note("notification", worst)


def _check_sale(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    effect = order.effect("sales", "sale")
    findings.counted = effect is not None
    findings.note(
        "sales",
        max(
            state_of(offsets, "sales", record, settled=settles(effect, record, record.sale))
            for record in order.facts
        ),
    )


def _check_results(order: OrderEvidence, offsets: Offsets, findings: OrderFindings) -> None:
    effects, results = order.effects.get(_WAREHOUSE, ()), order.results
    if effects and not results:
        passed = has_passed(offsets, _WAREHOUSE, effects[0].position)
        findings.faults.add("lost" if passed else "unseen")
    elif effects and (
        results[0].outcome != effects[0].outcome
        or (effects[0].outcome == "dispatched" and results[0].address != effects[0].content)
    ):
        findings.faults.add("different")
    if len(results) > 1:
        findings.faults.add("duplicated")
    if results and not effects and "lost" not in findings.faults:
        findings.faults.add("different" if order.commands or order.facts else "phantom")


def _check_shadow(order: OrderEvidence, findings: OrderFindings) -> None:
    effect, shadow = order.effect(_WAREHOUSE, "dispatch"), order.shadow
    if effect is None or shadow is None:
        return
    outcomes = {effect.outcome, shadow.outcome}
    # The two decisions were made at two times, so one of them may have been too late.
    if effect.content != shadow.content or (len(outcomes) > 1 and "expired" not in outcomes):
        findings.faults.add("different")


def _is_lost(offsets: Offsets, group: str, position: Position, failure: Failure) -> bool:
    """Whether a record that cannot be read has vanished."""
    # Sent again and not dead again: its group could read it, and we cannot.
    return failure.redriven is None and state_without_effect(offsets, group, position, failure) == LOST


def _removed(offsets: Offsets) -> Iterator[str]:
    """What a group had not read and nobody can read any more: nothing tells how many orders there were."""
    for group, committed in offsets.latest.items():
        for (topic, number), offset in sorted(committed.items()):
            start = offsets.starts.get((topic, number), 0)
            if offset < start:
                yield f"{group}@{topic}:{number}:{offset}-{start - 1}"


def _command_may_be_gone(offsets: Offsets, deciding: Iterable[OrderRecord]) -> bool:
    """Whether shadow facts are all that is left of an order because older commands were cleaned.

    An order's records have the same partition number on both topics (design §5).
    """
    return all(
        not record.decides and offsets.starts.get((DISPATCH_PRODUCTS, record.position.partition), 0) > 0
        for record in deciding
    )


def _disagree(records: Iterable[OrderRecord], content: str) -> bool:
    topics = [record for record in records if content == "address" or record.position.topic == ORDERS]
    return len({getattr(record, content) for record in topics}) > 1
