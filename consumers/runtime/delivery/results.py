"""How deliveries ended. No I/O."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from clients.records import ProducerRecord
from consumers.runtime.plan import DeliveryTask
from consumers.runtime.records import Intention
from schemas.errors import Position, RecordError, Unreachable


@dataclass(slots=True)
class DeliveryResults:
    """How the deliveries of some records ended.

    Attributes:
        positions: the records, all of whose deliveries have ended.
        delivered: what was handed over and had no answer.
        answers: tasks that had one, each with it.
        result_records: what answers the records all of whose deliveries are done, each with its position.
        failed: tasks that failed, and why: the message, not the receiver, is at fault.
        remaining: tasks still to do, because their channel is down or their partition is no longer owned.
        outages: channels that are down, and why.
        answering: channels that took or refused something.
        retry_at: ms since the epoch; before it no channel that is down is probed again.
    """

    positions: set[Position] = field(default_factory=set)
    delivered: list[Intention] = field(default_factory=list)
    answers: list[tuple[DeliveryTask, str]] = field(default_factory=list)
    result_records: list[tuple[Position, ProducerRecord]] = field(default_factory=list)
    failed: list[tuple[DeliveryTask, RecordError]] = field(default_factory=list)
    remaining: list[DeliveryTask] = field(default_factory=list)
    outages: dict[str, Unreachable] = field(default_factory=dict)
    answering: set[str] = field(default_factory=set)
    retry_at: int = 0

    def of(self, positions: Collection[Position]) -> "DeliveryResults":
        """The same of some records alone."""
        return replace(
            self,
            positions={position for position in self.positions if position in positions},
            delivered=[done for done in self.delivered if done.origin in positions],
            answers=[(task, answer) for task, answer in self.answers if task.record.position in positions],
            result_records=[entry for entry in self.result_records if entry[0] in positions],
            failed=[(task, error) for task, error in self.failed if task.record.position in positions],
            remaining=[task for task in self.remaining if task.record.position in positions],
        )

    def add(self, other: "DeliveryResults") -> None:
        """Take over how other deliveries ended."""
        self.positions |= other.positions
        self.delivered += other.delivered
        self.answers += other.answers
        self.result_records += other.result_records
        self.failed += other.failed
        self.remaining += other.remaining
        self.answering |= other.answering
