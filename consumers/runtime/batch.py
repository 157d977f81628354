"""A batch in hand: what was read, what of it is settled, and what it owes Kafka.

It lives from the reading to the commit, through as many passes as its failures need, and takes on what is
read while they wait. None of it is stored, for what it forgets comes again from Kafka and from the store.
"""

from dataclasses import dataclass, field

from clients.records import ProducerRecord
from consumers.runtime.failures.unknown_schemas import PausePoint
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.plan import DeadRecord
from consumers.runtime.records import Item, Partition
from schemas.errors import Position


@dataclass(slots=True)
class Batch:
    """One batch.

    Attributes:
        reading: everything that was read.
        fresh: of it, what nobody has looked at yet; None if there is nothing new.
        positions: per partition, the offset to commit when everything is settled; of what was looked at.
        todo: what is not settled yet.
        results: records to send, each with the position that they answer.
        dead: dead letters to send, by position: a pass that is cut short and repeated finds them again.
        cuts: partitions that stand still at an unknown schema, behind what is handled here.
        stored: whether the store knows that everything is settled.
        effects, duplicates, discarded: counts.
    """

    reading: PolledRecords
    fresh: PolledRecords | None
    positions: dict[Partition, int] = field(default_factory=dict)
    todo: list[Item] = field(default_factory=list)
    results: list[tuple[Position, ProducerRecord]] = field(default_factory=list)
    dead: dict[Position, DeadRecord] = field(default_factory=dict)
    cuts: dict[Partition, PausePoint] = field(default_factory=dict)
    stored: bool = False
    effects: int = 0
    duplicates: int = 0
    discarded: int = 0

    @classmethod
    def of(cls, reading: PolledRecords) -> "Batch":
        """A reading that nobody has looked at yet."""
        return cls(reading, reading)

    def take_on(self, more: PolledRecords) -> None:
        """Read on: this belongs to the batch too. Not behind a cut, for what lies there must wait."""
        self.reading = self.reading.extended_by(more)
        self.fresh = more if self.fresh is None else self.fresh.extended_by(more)
        self.stored = False

    def looked(self, items: list[Item], cuts: dict[Partition, PausePoint]) -> None:
        """What is fresh was taken apart.

        Args:
            items: what it is.
            cuts: where it is left alone from an offset on.
        """
        if self.fresh is None:
            return
        ends = self.fresh.next_offsets()
        if cuts:
            first = self.fresh.first_offsets()
            ends |= {each: cut.offset for each, cut in cuts.items()}
            ends = {each: end for each, end in ends.items() if end > first[each]}
            items = [item for item in items if not _cut_off(item.record.position, cuts)]
        self.positions |= ends
        self.todo += items
        self.cuts |= cuts
        self.fresh = None

    def narrow(self, held: set[Partition]) -> None:
        """Forget what belongs to partitions that are not ours any more."""
        self.reading = self.reading.only(held)
        if self.fresh is not None:
            self.fresh = self.fresh.only(held)
        self.positions = {each: at for each, at in self.positions.items() if each in held}
        self.cuts = {each: cut for each, cut in self.cuts.items() if each in held}
        self.results = [each for each in self.results if each[0][:2] in held]
        self.dead = {where: each for where, each in self.dead.items() if where[:2] in held}
        self.todo = [item for item in self.todo if item.record.position[:2] in held]


def _cut_off(where: Position, cuts: dict[Partition, PausePoint]) -> bool:
    cut = cuts.get(where[:2])
    return cut is not None and where.offset >= cut.offset
