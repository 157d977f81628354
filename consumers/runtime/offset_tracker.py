"""Per partition, what was read, what of it is not settled yet, and so which offset may be committed.

A record is settled once nothing is to be done about it any more: its effect is stored, or it is a duplicate,
or its dead letter is decided. The offset to commit is the lowest one that is not settled (invariant 5), so a
record that waits holds back the commit of its own partition and nothing else.

Pure: values that do not change; a step that fails leaves the tracker that it began with.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from consumers.runtime.records import Partition
from schemas.errors import Position


class _Window(NamedTuple):
    """What is known of one partition.

    Attributes:
        committed: the offset that was committed last, or where reading began.
        next_offset: the offset after the last one that was read.
        unsettled: offsets below it that wait.
    """

    committed: int
    next_offset: int
    unsettled: frozenset[int] = frozenset()

    @property
    def lowest(self) -> int:
        return min(self.unsettled, default=self.next_offset)


@dataclass(frozen=True, slots=True)
class OffsetTracker:
    """The partitions of one member."""

    _windows: Mapping[Partition, _Window] = field(default_factory=dict)

    @property
    def partitions(self) -> set[Partition]:
        """The partitions that are tracked."""
        return set(self._windows)

    def begin(self, offsets: Mapping[Partition, int]) -> "OffsetTracker":
        """With these partitions, each read from an offset on; what was known of them is forgotten."""
        return OffsetTracker(
            {**self._windows, **{partition: _Window(offset, offset) for partition, offset in offsets.items()}}
        )

    def forget(self, partitions: Collection[Partition]) -> "OffsetTracker":
        """Without these partitions."""
        return OffsetTracker({key: window for key, window in self._windows.items() if key not in partitions})

    def rewind(self, offsets: Mapping[Partition, int]) -> "OffsetTracker":
        """As if these partitions had been read up to an offset only."""
        windows = dict(self._windows)
        for partition, offset in offsets.items():
            if (window := windows.get(partition)) is not None and offset < window.next_offset:
                unsettled = frozenset(waits for waits in window.unsettled if waits < offset)
                windows[partition] = window._replace(next_offset=offset, unsettled=unsettled)
        return OffsetTracker(windows)

    def after(
        self,
        next_offsets: Mapping[Partition, int],
        *,
        settled: Iterable[Position] = (),
        unsettled: Iterable[Position] = (),
    ) -> "OffsetTracker":
        """After one step.

        Args:
            next_offsets: per partition, the offset after what was read.
            settled: positions that wait no more.
            unsettled: positions that wait from now on; the last word about a position that is in both.

        Positions of partitions that are not tracked are passed over: another member has them now.
        """
        windows = dict(self._windows)
        for partition, offset in next_offsets.items():
            if (window := windows.get(partition)) is not None and offset > window.next_offset:
                windows[partition] = window._replace(next_offset=offset)
        # Mostly nothing waited, and then thousands of settled positions change nothing.
        any_waited = any(window.unsettled for window in windows.values())
        for partition, offsets in _by_partition(settled if any_waited else ()).items():
            if (window := windows.get(partition)) is not None:
                windows[partition] = window._replace(unsettled=window.unsettled - offsets)
        for partition, offsets in _by_partition(unsettled).items():
            if (window := windows.get(partition)) is not None:
                windows[partition] = window._replace(unsettled=window.unsettled | offsets)
        return OffsetTracker(windows)

    def after_commit(self, offsets: Mapping[Partition, int]) -> "OffsetTracker":
        """Once these offsets are committed."""
        windows = dict(self._windows)
        for partition, offset in offsets.items():
            if (window := windows.get(partition)) is not None:
                windows[partition] = window._replace(committed=max(offset, window.committed))
        return OffsetTracker(windows)

    def lowest_unsettled(self) -> dict[Partition, int]:
        """Per partition, the offset below which everything is settled."""
        return {partition: window.lowest for partition, window in self._windows.items()}

    def to_commit(self) -> dict[Partition, int]:
        """The partitions that came on since their last commit, and the offset to commit."""
        return {
            partition: window.lowest
            for partition, window in self._windows.items()
            if window.lowest > window.committed
        }

    def committed(self) -> dict[Partition, int]:
        """Per partition, the offset that was committed last, or where reading began."""
        return {partition: window.committed for partition, window in self._windows.items()}

    def is_behind(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Whether more was read than the tracker knows of."""
        return any(
            offset > self._windows[partition].next_offset
            for partition, offset in next_offsets.items()
            if partition in self._windows
        )

    def ahead_of(self, limit: int) -> set[Partition]:
        """Partitions that were read further than this many offsets beyond what can be committed."""
        return {
            partition
            for partition, window in self._windows.items()
            if window.unsettled and window.next_offset - window.lowest > limit
        }


def _by_partition(positions: Iterable[Position]) -> dict[Partition, frozenset[int]]:
    offsets: dict[Partition, set[int]] = {}
    for position in positions:
        offsets.setdefault(position.topic_partition, set()).add(position.offset)
    return {partition: frozenset(numbers) for partition, numbers in offsets.items()}
