"""A rollout is no poison: many records in a row of a schema that nobody here knows (invariant 9).

One such record is a stray; `IN_A_ROW` of them on one partition are a producer that was upgraded first. Then
the partition is paused at the first of them that is not settled, and the alarm `unknown-schema` says so. In
slow traffic that is one that was read earlier and still waits for its schema. One whose bounded wait ended
before the tenth came is a dead letter.

Runs are counted per partition, across batches, and end with any other record. A partition that is known to be
paused (also from the time before a restart, by its alarm) is paused again at the next such record.

A topic on which a member has seen nothing but one unknown kind (`unknown_topics`) is no poison either,
however its records are spread. From `IN_A_ROW` of them on its partitions are paused. Once anything else is
seen there they go on, and records of a type or frame that is unknown are poison.

Pure: it is given the records of each batch, and those that wait, and says where to pause.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.runtime.failures.unknown_topics import UnknownTopics, kind_of
from consumers.runtime.records import FailedRecord, Item, Partition
from consumers.runtime.retry_policy import unknown_schema

IN_A_ROW = 10


class PausePoint(NamedTuple):
    """Where a partition is paused: the first offset that is left alone, and which schema is unknown."""

    offset: int
    reason: str


@dataclass(slots=True)
class _Run:
    """Records of one unknown schema in a row.

    Attributes:
        reason: which schema is unknown.
        first, last: offsets of the first and the last record.
        count: how many there are.
    """

    reason: str
    first: int
    last: int
    count: int = 1


@dataclass(slots=True)
class UnknownSchemaDetector:
    """What a member remembers of unknown schemas.

    Attributes:
        paused: partitions that are paused at one.
    """

    paused: set[Partition] = field(default_factory=set)
    _runs: dict[Partition, _Run] = field(default_factory=dict)
    _topics: UnknownTopics = field(default_factory=UnknownTopics)
    _with_topic: set[Partition] = field(default_factory=set)

    @property
    def active(self) -> bool:
        """Whether a run or a pause is remembered, which a batch without failures may end."""
        return bool(self._runs or self.paused)

    def inspect(
        self, items: Sequence[Item], waiting: Iterable[Item] = ()
    ) -> tuple[dict[Partition, PausePoint], set[Partition]]:
        """Inspect a batch that was read for the first time.

        Args:
            items: its records, in order.
            waiting: records that were read earlier and are not settled.

        Returns:
            Where to pause partitions, and which of those that were paused go on.
        """
        if not self.active and not any(type(item) is FailedRecord for item in items):
            self._topics.known({item.record.position.topic for item in items})
            return {}, set()
        self._topics.note(items)
        resumed = self._release()
        remembered = set(self._runs) | self.paused
        pauses: dict[Partition, PausePoint] = {}
        first_offsets: dict[Partition, int] = {}
        for item in items:
            partition, offset = item.record.position.topic_partition, item.record.position.offset
            reason = self._reason(item)
            if partition in pauses:
                continue
            if reason is None:
                if partition in remembered:
                    resumed |= {partition} & self.paused
                    self.forget([partition])
                first_offsets.pop(partition, None)
                continue
            remembered.add(partition)
            count = self._count(partition, reason, offset)
            if count == 1 or partition not in first_offsets:
                first_offsets[partition] = offset
            whole = self._topics.count(partition[0]) >= IN_A_ROW
            if count >= IN_A_ROW or partition in self.paused or whole:
                pauses[partition] = PausePoint(first_offsets[partition], reason)
                self._with_topic |= {partition} if whole else set()
        if pauses:
            self._pause_at_waiting(pauses, waiting)
        self.paused |= pauses.keys()
        return pauses, resumed - pauses.keys()

    def _pause_at_waiting(self, pauses: dict[Partition, PausePoint], waiting: Iterable[Item]) -> None:
        """Pause at the first record of a run that waits, and wherever one waits of a topic that is paused."""
        for item in waiting:
            partition, offset = item.record.position.topic_partition, item.record.position.offset
            reason, whole = self._reason(item), self._topics.count(partition[0]) >= IN_A_ROW
            if reason is None or not (whole or partition in pauses):
                continue
            if whole or offset >= self._runs[partition].first:
                pause = pauses.setdefault(partition, PausePoint(offset, reason))
                pauses[partition] = pause._replace(offset=min(pause.offset, offset))
                self._with_topic |= {partition} if whole else set()

    def _reason(self, item: Item) -> str | None:
        """What is unknown of a record; None for other records, and for poison."""
        if type(item) is not FailedRecord:
            return None
        kind = kind_of(item) if self._topics.count(item.record.position.topic) else None
        return kind or unknown_schema(item.error)

    def _release(self) -> set[Partition]:
        """Let go what was paused because of its whole topic, on which something else was seen since."""
        released = {partition for partition in self._with_topic if not self._topics.count(partition[0])}
        self._with_topic -= released
        self.forget(released)
        return released

    def _count(self, partition: Partition, reason: str, offset: int) -> int:
        run = self._runs.get(partition)
        if run is None or run.reason != reason:
            run = self._runs[partition] = _Run(reason, offset, offset)
        elif offset > run.last:
            # A record that is read once more, after a seek back, is not counted twice.
            run.last, run.count = offset, run.count + 1
        return run.count

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that another member has now, or that go on."""
        for partition in partitions:
            self._runs.pop(partition, None)
            self.paused.discard(partition)

    def remember_paused(self, partitions: Iterable[Partition]) -> None:
        """Take over partitions that were paused before this member had them."""
        self.paused |= set(partitions)
