"""The findings of the reconciliation, collected by `reconcile` and counted here. Pure."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from operations.verify.evidence import READS, OrderEvidence
from schemas.errors import Position

SETTLED, DISCARDED, DEAD, UNSEEN, LOST = range(5)
"""What became of one record at one group, the worst last."""

_LISTED = ("lost", "duplicated", "phantom", "different", "unseen", "unpaid", "unresolved")


class OrderIds(Collection[str]):
    """Order ids as text, in their order: 8 bytes for each, however many there are.

    Args:
        order_ids: which.
        more: what is listed behind them, as text.
    """

    def __init__(self, order_ids: Iterable[int] = (), more: Iterable[str] = ()) -> None:
        self._order_ids = array("q", order_ids)
        self._more = tuple(more)

    def append(self, order_id: int) -> None:
        """One more."""
        self._order_ids.append(order_id)

    def followed_by(self, more: Iterable[str]) -> "OrderIds":
        """The same, with something behind them."""
        return OrderIds(self._order_ids, more)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OrderIds | tuple) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __len__(self) -> int:
        return len(self._order_ids) + len(self._more)

    def __contains__(self, text: object) -> bool:
        return any(text == listed for listed in self)

    def __iter__(self) -> Iterator[str]:
        yield from map(str, self._order_ids)
        yield from self._more

    def __repr__(self) -> str:
        return f"OrderIds{tuple(self)}"


class Reconciliation(NamedTuple):
    """The reconciliation; fields of design §9 and a few more. Lists hold order ids as text, sorted.

    Attributes:
        notified: facts whose mails and texts are done or skipped.
        skipped: of these, the ones with a mail or text that was skipped as old news, and never sent.
        no_contact: facts that name neither e-mail nor phone, so that no notification is owed.
        unreadable: records of orders and results that cannot be decoded.
        unreadable_by_error: the same by the name of the error.
        dead: orders without their effect that an operator must decide about, at the warehouse.
        discarded: orders without their effect because an operator discarded them, at the warehouse.
        dead_by_group, discarded_by_group: the same per group.
        dead_letters: per group, how many dead letters nobody has decided about; of one order there may be
            several, and of a record that is no order one as well.
        reactions: for each further reaction, how many orders have an effect of it.
        aged: orders that only a store knows any more: the source lies below the log's start.
        lost: also holds positions of unreadable records that vanished.
        in_flows: orders in a flow, whose steps somebody coordinates.
        captured, payment_failed, refunded: orders with such a payment.
        unpaid: of the lost, orders whose payment was asked for or owed, and has no outcome.
        unresolved: orders of which nobody knows yet whether money moved; not an error.
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
    skipped: int
    counted: int
    aged: int
    no_contact: int
    unreadable: int
    unreadable_by_error: dict[str, int]
    dead_by_group: dict[str, int]
    discarded_by_group: dict[str, int]
    dead_letters: dict[str, int]
    reactions: dict[str, int]
    in_flows: int
    captured: int
    payment_failed: int
    refunded: int
    lost: Collection[str]
    duplicated: Collection[str]
    phantom: Collection[str]
    different: Collection[str]
    unseen: Collection[str]
    unpaid: Collection[str]
    unresolved: Collection[str]
    removed: tuple[str, ...]
    ok: bool


@dataclass(slots=True)
class OrderFindings:
    """What is to be said about one order.

    Attributes:
        faults: of the lists of `Reconciliation`, and `aged`.
        dead, discarded: the groups that it is so for.
        reactions: the groups outside `READS` that have an effect of it.
        steps: names of the records of its flow.
        in_flow: whether it is in one.
        notified, skipped, counted, no_contact: as in `Reconciliation`.
    """

    faults: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    discarded: set[str] = field(default_factory=set)
    reactions: set[str] = field(default_factory=set)
    steps: set[str] = field(default_factory=set)
    in_flow: bool = False
    notified: bool = False
    skipped: bool = False
    counted: bool = False
    no_contact: bool = False

    def note(self, group: str, state: int) -> None:
        """Say what became of the order at a group, if it is not settled."""
        if state == LOST:
            self.faults.add("lost")
        elif state == UNSEEN:
            self.faults.add("unseen")
        elif state == DEAD:
            self.dead.add(group)
        elif state == DISCARDED:
            self.discarded.add(group)


@dataclass(slots=True, kw_only=True)
class Findings:
    """The findings about all orders, filled while reconciling.

    Attributes:
        unreadable: how many records cannot be decoded, by the name of the error.
        dead_letters, removed: as in `Reconciliation`.
        vanished: positions of unreadable records without a dead letter.
        listed: order ids by what is wrong with them.
        counts: how many orders, by the field of `Reconciliation`.
        dead, discarded, reactions: how many orders, per group.
    """

    unreadable: dict[str, int]
    dead_letters: dict[str, int]
    vanished: set[Position] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    listed: dict[str, OrderIds] = field(default_factory=lambda: {name: OrderIds() for name in _LISTED})
    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(READS, 0)))
    discarded: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(READS, 0)))
    reactions: Counter[str] = field(default_factory=Counter)

    def add(self, order: OrderEvidence, findings: OrderFindings) -> None:
        """Count one order; they come by order id."""
        self.counts["commands"] += bool(order.commands)
        self.counts["facts"] += bool(order.facts)
        self.counts["accepted"] += bool(order.commands or order.facts)
        for effect in order.effects.get("warehouse", ())[:1]:
            self.counts[effect.outcome] += 1
        self.counts["notified"] += findings.notified
        self.counts["skipped"] += findings.skipped
        self.counts["counted"] += findings.counted
        self.counts["no_contact"] += findings.no_contact
        self.counts["in_flows"] += findings.in_flow
        for step in findings.steps & {"captured", "failed", "refunded"}:
            self.counts["payment_failed" if step == "failed" else step] += 1
        self.reactions.update(findings.reactions)
        if findings.faults or findings.dead or findings.discarded:
            self._add_faults(order.order_id, findings)

    def _add_faults(self, order_id: int, findings: OrderFindings) -> None:
        self.counts["aged"] += "aged" in findings.faults
        self.dead.update(findings.dead)
        self.discarded.update(findings.discarded)
        for name in findings.faults - {"aged"}:
            if name != "unseen" or "lost" not in findings.faults:
                self.listed[name].append(order_id)

    def conclude(self) -> Reconciliation:
        """The outcome."""
        lost = self.listed["lost"].followed_by(map(str, sorted(self.vanished)))
        duplicated, phantom, different, unseen, unpaid, unresolved = (
            self.listed[name] for name in _LISTED[1:]
        )
        return Reconciliation(
            accepted=self.counts["accepted"],
            commands=self.counts["commands"],
            facts=self.counts["facts"],
            dispatched=self.counts["dispatched"],
            rejected=self.counts["rejected"],
            expired=self.counts["expired"],
            dead=self.dead["warehouse"],
            discarded=self.discarded["warehouse"],
            notified=self.counts["notified"],
            skipped=self.counts["skipped"],
            counted=self.counts["counted"],
            aged=self.counts["aged"],
            no_contact=self.counts["no_contact"],
            unreadable=sum(self.unreadable.values()),
            unreadable_by_error=self.unreadable,
            dead_by_group=dict(self.dead),
            discarded_by_group=dict(self.discarded),
            dead_letters=self.dead_letters,
            reactions=dict(self.reactions),
            in_flows=self.counts["in_flows"],
            captured=self.counts["captured"],
            payment_failed=self.counts["payment_failed"],
            refunded=self.counts["refunded"],
            lost=lost,
            duplicated=duplicated,
            phantom=phantom,
            different=different,
            unseen=unseen,
            unpaid=unpaid,
            unresolved=unresolved,
            removed=tuple(self.removed),
            ok=not (lost or duplicated or phantom or different or self.removed),
        )
