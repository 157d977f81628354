"""Which results and dead letters Kafka is known to have (design §7, point 3).

I/O: Kafka, through the inlet that it is given.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from consumers.runtime.batch import Batch
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.records import Partition
from schemas.errors import Position


class CommittedOffsets:
    """What a passage knows of what was sent.

    Args:
        inlet: knows the group's committed offsets.
        upto: per partition, the offset below which results are known to be in Kafka; updated.
    """

    def __init__(self, inlet: GroupConsumer, upto: dict[Partition, int]) -> None:
        self._inlet = inlet
        self.upto = upto
        self._doubtful = False

    def has(self, where: Position) -> bool:
        """Whether what a record caused is known to be in Kafka."""
        return where.offset < self.upto.get(where[:2], 0)

    def missing(self, replays: Iterable[Position], haul: Batch) -> list[Position]:
        """Positions whose results neither Kafka has, asked of Kafka itself, nor we in hand.

        A member that was stopped and went on may hold records that another one has finished meanwhile; its
        own memory of what was sent is then too old.
        """
        in_hand = {where for where, _ in haul.results}
        wanted = [where for where in dict.fromkeys(replays) if where not in in_hand]
        self.ask({where[:2] for where in wanted})
        return [where for where in wanted if not self.has(where)]

    @contextmanager
    def doubt(self) -> Iterator[None]:
        """Around a transaction: whether one that fails was committed all the same, only Kafka knows."""
        self._doubtful = True
        yield
        self._doubtful = False

    def ask_if_doubtful(self, partitions: Iterable[Partition]) -> None:
        """Before a batch is carried on: find out what became of a transaction that seemed to fail."""
        if self._doubtful:
            self.ask(partitions)
            self._doubtful = False

    def ask(self, partitions: Iterable[Partition]) -> None:
        """Ask Kafka what the group has committed.

        Raises:
            BrokerUnreachable: the coordinator does not answer.
        """
        wanted = [*partitions]
        for each, committed in (self._inlet.committed(wanted) if wanted else {}).items():
            if committed is not None:
                self.upto[each] = max(self.upto.get(each, 0), committed.offset)
