"""A rollout is no poison: many records in a row of a schema that nobody here knows (design §7, point 7).

One such record is a stray; `IN_A_ROW` of them on one partition are a producer that was upgraded first. Then
the partition stands still at the first of them that is not committed, and the alarm `unknown-schema` says so.
Runs are counted per partition, across batches, and end with any other record. A partition that is known to
stand still (also from the time before a restart, by its alarm) stands still again at the next such record.

Pure: it is told what the records of each batch were, and says where to cut.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.runtime.records import FailedRecord, Item, Partition
from consumers.runtime.retry_policy import unknown_schema

IN_A_ROW = 10


class PausePoint(NamedTuple):
    """Where a partition stands still: the first offset that is left alone, and what schema is unknown."""

    offset: int
    words: str


@dataclass(slots=True)
class _Run:
    """Records of one unknown schema, one behind the other."""

    words: str
    last: int
    count: int


@dataclass(slots=True)
class UnknownSchemaDetector:
    """What a member remembers of unknown schemas.

    Attributes:
        standing: partitions that stand still.
    """

    standing: set[Partition] = field(default_factory=set)
    _runs: dict[Partition, _Run] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether anything is remembered, so that also a batch without failures must be looked through."""
        return bool(self._runs or self.standing)

    def look(self, items: Iterable[Item]) -> tuple[dict[Partition, PausePoint], set[Partition]]:
        """Look through a batch that was read for the first time.

        Args:
            items: its records, in order.

        Returns:
            Where to cut partitions, and which of those that stood still go on.
        """
        begun = set(self._runs) | self.standing
        cuts: dict[Partition, PausePoint] = {}
        moved: set[Partition] = set()
        firsts: dict[Partition, int] = {}
        for item in items:
            where = item.record.position
            partition = where[:2]
            words = unknown_schema(item.error) if type(item) is FailedRecord else None
            if partition in cuts:
                continue
            if words is None:
                if partition in begun:
                    moved |= {partition} & self.standing
                    self.forget([partition])
                firsts.pop(partition, None)
                continue
            begun.add(partition)
            count = self._count(partition, words, where.offset)
            firsts.setdefault(partition, where.offset)
            if count == 1:
                firsts[partition] = where.offset
            if count >= IN_A_ROW or partition in self.standing:
                cuts[partition] = PausePoint(firsts[partition], words)
        self.standing |= cuts.keys()
        return cuts, moved - cuts.keys()

    def _count(self, partition: Partition, words: str, offset: int) -> int:
        run = self._runs.get(partition)
        if run is None or run.words != words:
            run = self._runs[partition] = _Run(words, offset, 1)
        elif offset > run.last:
            # What is read once more, after a rewind, is not counted twice.
            run.last, run.count = offset, run.count + 1
        return run.count

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These are somebody else's now, or move on."""
        for each in partitions:
            self._runs.pop(each, None)
            self.standing.discard(each)

    def stood(self, partitions: Iterable[Partition]) -> None:
        """These stood still when they were last heard of."""
        self.standing |= set(partitions)
