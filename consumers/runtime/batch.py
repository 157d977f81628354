"""One batch: what was polled, what of it is settled, and what it owes Kafka.

It lives from the poll to the commit, through as many passes as its failures need, and takes on what is polled
while they wait. None of it is stored: what it forgets comes again from Kafka and from the store.
"""

from dataclasses import dataclass, field

from clients.records import ProducerRecord
from consumers.runtime.failures.unknown_schemas import PausePoint
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.plan import DeadRecord, Plan
from consumers.runtime.records import Item, Partition
from schemas.errors import Position


@dataclass(slots=True)
class Batch:
    """One batch.

    Attributes:
        polled: everything that was polled, under the metadata of the latest poll (invariant 4).
        undecoded: of it, what is not decoded yet; None if nothing.
        next_offsets: per partition, the offset to commit when everything is settled; of what was decoded.
        unsettled: items that are not settled yet, in order.
        results: records to send, each with the position whose effect it reports.
        dead: dead letters to send, by position: a pass that is cut short and repeated finds them again.
        pauses: partitions that are paused at an unknown schema, behind what is handled here.
        stored: whether the store knows that everything is settled.
        effects, duplicates, discarded: counts.
    """

    polled: PolledRecords
    undecoded: PolledRecords | None
    next_offsets: dict[Partition, int] = field(default_factory=dict)
    unsettled: list[Item] = field(default_factory=list)
    results: list[tuple[Position, ProducerRecord]] = field(default_factory=list)
    dead: dict[Position, DeadRecord] = field(default_factory=dict)
    pauses: dict[Partition, PausePoint] = field(default_factory=dict)
    stored: bool = False
    effects: int = 0
    duplicates: int = 0
    discarded: int = 0

    @classmethod
    def of(cls, polled: PolledRecords) -> "Batch":
        """A batch of one poll, nothing of it decoded."""
        return cls(polled, polled)

    def add(self, polled: PolledRecords) -> None:
        """Take on another poll. Not after a pause: what lies behind it must wait."""
        self.polled = self.polled.extended_by(polled)
        self.undecoded = polled if self.undecoded is None else self.undecoded.extended_by(polled)
        self.stored = False

    def add_decoded(self, items: list[Item], pauses: dict[Partition, PausePoint]) -> None:
        """Take over what was undecoded.

        Args:
            items: its records, decoded.
            pauses: partitions whose records are left alone from an offset on.
        """
        if self.undecoded is None:
            return
        next_offsets = self.undecoded.next_offsets()
        if pauses:
            first = self.undecoded.first_offsets()
            next_offsets |= {partition: pause.offset for partition, pause in pauses.items()}
            next_offsets = {
                partition: offset for partition, offset in next_offsets.items() if offset > first[partition]
            }
            items = [item for item in items if not _is_left_alone(item.record.position, pauses)]
        self.next_offsets |= next_offsets
        self.unsettled += items
        self.pauses |= pauses
        self.undecoded = None

    def add_stored(self, plan: Plan) -> None:
        """Keep what a plan owes Kafka, once the store has it, until it is committed."""
        self.results += plan.results
        self.dead |= {dead.record.position: dead for dead in plan.dead}
        self.effects += len(plan.effects)
        self.duplicates += plan.duplicates
        self.discarded += plan.discarded

    def keep_only(self, owned: set[Partition]) -> None:
        """Forget what belongs to partitions that are not owned any more (invariant 4)."""
        self.polled = self.polled.only(owned)
        if self.undecoded is not None:
            self.undecoded = self.undecoded.only(owned)
        self.next_offsets = {
            partition: offset for partition, offset in self.next_offsets.items() if partition in owned
        }
        self.pauses = {partition: pause for partition, pause in self.pauses.items() if partition in owned}
        self.results = [result for result in self.results if result[0].topic_partition in owned]
        self.dead = {
            position: dead for position, dead in self.dead.items() if position.topic_partition in owned
        }
        self.unsettled = [item for item in self.unsettled if item.record.position.topic_partition in owned]


def _is_left_alone(position: Position, pauses: dict[Partition, PausePoint]) -> bool:
    pause = pauses.get(position.topic_partition)
    return pause is not None and position.offset >= pause.offset
