"""What one step of the loop handles, and what becomes of it. No I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from consumers.runtime.delivery.outcomes import DeliveryOutcome
from consumers.runtime.delivery.results import DeliveryResults
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.plan import DeliveryTask, Plan
from consumers.runtime.records import Item, Partition
from consumers.runtime.retry_queue import UNTIL_DELIVERED, Key, key_of
from schemas.errors import Position


@dataclass(slots=True)
class Batch:
    """The records of one poll, and deliveries that have ended. An outage lets it come again.

    Attributes:
        polled: what one poll returned.
        delivered: how deliveries ended that began in earlier batches.
        asked: whether the poll asked for records.
        items: the polled records, decoded; None before.
        next_offsets: per partition, the offset after what was read.
        stored: whether the store has it, so that only the commit is left.
        retried: how many records that waited were decided about.
        effects, dead, duplicates, discarded: counts.
    """

    polled: PolledRecords
    delivered: DeliveryResults = field(default_factory=DeliveryResults)
    asked: bool = True
    items: list[Item] | None = None
    next_offsets: dict[Partition, int] = field(default_factory=dict)
    stored: bool = False
    retried: int = 0
    effects: int = 0
    dead: int = 0
    duplicates: int = 0
    discarded: int = 0


@dataclass(slots=True, kw_only=True)
class Step:
    """One batch on its way: who is decided about, who waits, and what was decided.

    Attributes:
        ready: records to decide about: those that waited and are due, then new ones.
        held: new records that wait behind others of their order.
        in_flight: records whose deliveries had not ended before this batch.
        results: how deliveries ended.
        ended: the records of those that have waited here since their deliveries began. Others were read again
            meanwhile: another member may have settled them, so they are decided about once more.
        outcome: what becomes of the records whose deliveries did not all succeed.
        plan: what was decided.
    """

    ready: Sequence[Item]
    held: Sequence[Item]
    in_flight: set[Position]
    results: DeliveryResults
    ended: set[Position]
    outcome: DeliveryOutcome
    plan: Plan = field(default_factory=Plan)

    def answers(self) -> list[tuple[DeliveryTask, str | None]]:
        """Deliveries that had an answer, each with it; None where nobody knows what became of it."""
        return [*self.results.answers, *((task, None) for task in self.outcome.unknown)]

    def waiting(self) -> list[Item]:
        """Records that wait from now on, each order's in their order."""
        waits = {task.record.position for task in self.plan.deliveries}
        waits |= {item.record.position for item in self.plan.waiting}
        ready = [item for item in self.ready if item.record.position in waits] if waits else []
        return [*ready, *self.held]

    def settled(self) -> Iterator[Position]:
        """Records about which nothing is left to do."""
        waits = {item.record.position for item in self.waiting()}
        yield from (item.record.position for item in self.ready if item.record.position not in waits)
        yield from self.ended - self.outcome.unsettled

    def until(self) -> dict[Key, int]:
        """Until when the orders of waiting records wait."""
        blocked = (self.plan.blocked, self.outcome.plan.blocked)
        until: dict[Key, int] = {order_id: at for orders in blocked for order_id, at in orders.items()}
        until |= {failed.position: failed.attempts.at for failed in self.plan.failed_attempts}
        until |= {task.order_id: UNTIL_DELIVERED for task in self.plan.deliveries}
        under_way = self.in_flight - self.results.positions
        reread = [item for item in self.held if item.record.position in under_way]
        return until | {key_of(item): UNTIL_DELIVERED for item in reread}
