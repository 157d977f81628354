"""The findings of the reconciliation, collected by `reconcile` and counted here. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from operations.verify.evidence import READS, Evidence, PackedPosition, text_of

SETTLED, DISCARDED, DEAD, UNSEEN, LOST = range(5)
"""What became of one record at one group, the worst last."""


class Reconciliation(NamedTuple):
    """The reconciliation; fields of design §9 and a few more. Lists hold order ids as text, sorted.

    Attributes:
        no_contact: facts that name neither e-mail nor phone, so that no notification is owed.
        unreadable: records on the source topics that cannot be decoded.
        dead: orders without their effect that an operator must decide about, at the warehouse.
        discarded: orders without their effect because an operator discarded them, at the warehouse.
        dead_by_group, discarded_by_group: the same per group.
        aged: orders that only a store knows any more: the source lies below the log's start.
        lost: also holds positions of unreadable records that vanished.
        unseen: not an error.
        removed: GROUP@TOPIC:PARTITION:FIRST-LAST, offsets that were deleted before the group read them.
        ok: whether lost, duplicated, phantom, different and removed are all empty.
    """

    accepted: int
    commands: int
    facts: int
    dispatched: int
    rejected: int
    expired: int
    dead: int
    discarded: int
    notified: int
    counted: int
    aged: int
    no_contact: int
    unreadable: int
    dead_by_group: dict[str, int]
    discarded_by_group: dict[str, int]
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    phantom: tuple[str, ...]
    different: tuple[str, ...]
    unseen: tuple[str, ...]
    removed: tuple[str, ...]
    ok: bool


@dataclass(slots=True)
class Findings:
    """Order ids by what is wrong with them, filled while reconciling.

    Attributes:
        vanished: positions of unreadable records without a dead letter.
        dead, discarded: per group.
        removed, notified, counted, no_contact: as in `Reconciliation`.
    """

    lost: set[int] = field(default_factory=set)
    vanished: set[PackedPosition] = field(default_factory=set)
    duplicated: set[int] = field(default_factory=set)
    phantom: set[int] = field(default_factory=set)
    different: set[int] = field(default_factory=set)
    unseen: set[int] = field(default_factory=set)
    aged: set[int] = field(default_factory=set)
    dead: dict[str, set[int]] = field(default_factory=lambda: {group: set() for group in READS})
    discarded: dict[str, set[int]] = field(default_factory=lambda: {group: set() for group in READS})
    removed: list[str] = field(default_factory=list)
    notified: int = 0
    counted: int = 0
    no_contact: int = 0

    def note(self, order_id: int, group: str, state: int) -> None:
        """Put an unsettled order into its list."""
        if state == LOST:
            self.lost.add(order_id)
        elif state == UNSEEN:
            self.unseen.add(order_id)
        elif state == DEAD:
            self.dead[group].add(order_id)
        elif state == DISCARDED:
            self.discarded[group].add(order_id)


def conclude(evidence: Evidence, findings: Findings) -> Reconciliation:
    """Count the findings."""
    outcomes = [rows[0].outcome for rows in evidence.effects["warehouse"].values()]
    lost = (*_texts(findings.lost), *(text_of(position) for position in sorted(findings.vanished)))
    return Reconciliation(
        accepted=len(evidence.commands.keys() | evidence.facts.keys()),
        commands=len(evidence.commands),
        facts=len(evidence.facts),
        dispatched=outcomes.count("dispatched"),
        rejected=outcomes.count("rejected"),
        expired=outcomes.count("expired"),
        dead=len(findings.dead["warehouse"]),
        discarded=len(findings.discarded["warehouse"]),
        notified=findings.notified,
        counted=findings.counted,
        aged=len(findings.aged),
        no_contact=findings.no_contact,
        unreadable=len(evidence.unreadable),
        dead_by_group={group: len(orders) for group, orders in findings.dead.items()},
        discarded_by_group={group: len(orders) for group, orders in findings.discarded.items()},
        lost=lost,
        duplicated=_texts(findings.duplicated),
        phantom=_texts(findings.phantom),
        different=_texts(findings.different),
        unseen=_texts(findings.unseen - findings.lost),
        removed=tuple(findings.removed),
        ok=not (lost or findings.duplicated or findings.phantom or findings.different or findings.removed),
    )


def _texts(order_ids: Iterable[int]) -> tuple[str, ...]:
    return tuple(str(order_id) for order_id in sorted(order_ids))
