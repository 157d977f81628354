"""Topics on which a member has seen nothing but one unknown kind: somebody writes them in another way. Pure.

A kind is an unknown schema, a type that the topic does not carry, or values in no frame. Bodies without a
frame are of one kind, though some of them may look like frames of schema ids. Once anything else is seen on a
topic, it is an ordinary one for good.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from consumers.runtime.records import FailedRecord, Item, Partition
from consumers.runtime.retry_policy import NO_FRAME, unknown_kind

_MAX_KINDS = 100
"""Schema ids that are made up by bodies without a frame are few; more are no kind of anything."""


@dataclass(slots=True)
class _Unknown:
    """What was seen on such a topic.

    Attributes:
        kinds: which kinds; more than one only beside values in no frame.
        last: per partition, the offset of the last record.
        count: how many records.
    """

    kinds: set[str] = field(default_factory=set)
    last: dict[Partition, int] = field(default_factory=dict)
    count: int = 0

    @property
    def is_one_kind(self) -> bool:
        return len(self.kinds) == 1 or (NO_FRAME in self.kinds and len(self.kinds) <= _MAX_KINDS)


class UnknownTopics:
    """A member's memory of them."""

    def __init__(self) -> None:
        self._topics: dict[str, _Unknown | None] = {}

    def note(self, items: Iterable[Item]) -> None:
        """Take note of a batch; what is read once more is not counted twice."""
        for item in items:
            topic, _, offset = item.record.position
            if topic not in self._topics:
                self._topics[topic] = _Unknown()
            unknown = self._topics[topic]
            if unknown is None:
                continue
            kind, partition = kind_of(item), item.record.position.topic_partition
            if kind is None:
                self._topics[topic] = None
            elif offset > unknown.last.get(partition, -1):
                unknown.last[partition] = offset
                unknown.kinds.add(kind)
                unknown.count += 1

    def known(self, topics: Iterable[str]) -> None:
        """Take note of topics on which something else was seen."""
        self._topics |= dict.fromkeys(topics)

    def count(self, topic: str) -> int:
        """How many records of one unknown kind a topic has and nothing else; 0 for an ordinary topic."""
        unknown = self._topics.get(topic)
        return unknown.count if unknown is not None and unknown.is_one_kind else 0


def kind_of(item: Item) -> str | None:
    """The unknown kind of a record; None for others, and for what an operator sent again."""
    return unknown_kind(item.error) if type(item) is FailedRecord and not item.record.redriven else None
