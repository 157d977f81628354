"""Deleting what nobody needs any more from command, dead-letter and retry topics (design §5, "Kept").

Promises: never facts, results or the control topic; never a record younger than the limit, one that its owner
has not committed, a dead letter that nobody decided or the command that it is about, or a decision about a
letter that is still there. Only
beginnings of logs are deleted, below what groups have committed, so no group loses an offset. A rehearsal
deletes nothing. Killed half-way, the same command goes on.

The order is part of it: commands and dead letters first, and what their logs then begin with decides about
the retry topics.

I/O: Kafka (reads and deletes records).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import NamedTuple

from confluent_kafka import TopicPartition
from confluent_kafka.admin import DeletedRecords  # type: ignore[attr-defined]  # public, imported without __all__

from clients.admin import Admin, Partition, Watermarks, partitions_of
from clients.config import Cluster
from clients.log_reader import LogRecord, scan
from operations import groups
from operations.cleaning.plan import YOUNG, Prefix, bound, command_stays, letter_stays, retry_stays
from operations.dead_letters import decisions
from operations.dead_letters.decided import Decided
from schemas import dead_letters, topics
from schemas.errors import TopicMissing
from schemas.topics import Kind, Topic

CLEANED = (Kind.COMMAND, Kind.DEAD_LETTER, Kind.RETRY)
"""The kinds of topics that may be cleaned, in the order of doing it."""


class Cleaned(NamedTuple):
    """What became of one topic.

    Attributes:
        topic: its line in the catalogue.
        partitions: per partition number, how far its beginning was deleted, or would be.
        ends: per partition number, where it ends.
    """

    topic: Topic
    partitions: Mapping[int, Prefix]
    ends: Mapping[int, int]

    @property
    def deleted(self) -> int:
        """Records that were deleted, or would be."""
        return sum(each.records for each in self.partitions.values())

    @property
    def left(self) -> int:
        """Offsets that stay, transaction markers among them."""
        return sum(self.ends[number] - each.upto for number, each in self.partitions.items())


class Clean:
    """One run.

    Args:
        cluster: where.
        catalogue: every topic.
        before: what is younger stays; ms since the epoch, UTC.
        dry_run: only say what would be deleted.

    Attributes:
        walked, total: offsets that were looked at, and that there are; from another thread, how far it is.
    """

    def __init__(self, cluster: Cluster, catalogue: Sequence[Topic], *, before: int, dry_run: bool) -> None:
        self._cluster = cluster
        self._catalogue = catalogue
        self._before = max(before, 0)
        self._dry_run = dry_run
        self._admin = Admin(cluster)
        self._lows: dict[Partition, int] = {}
        self.walked = 0
        self.total = 0

    def run(self) -> list[Cleaned]:
        """Clean; what became of each topic, in the order of doing it.

        Raises:
            TopicMissing: `cev topics create` creates it.
            BrokerUnreachable, OperationFailed: it stopped; what is deleted is deleted.
        """
        found = self._admin.topics()
        if missing := [topic.name for topic in self._catalogue if topic.name not in found]:
            raise TopicMissing(f"topic {missing[0]} is missing; `cev topics create` creates it")
        edges = self._admin.edges(partitions_of(found, [topic.name for topic in self._catalogue]))
        self._lows = {each: edge.low for each, edge in edges.items()}
        topics = [topic for kind in CLEANED for topic in self._catalogue if topic.kind is kind]
        names = {topic.name for topic in topics}
        self.total = sum(edge.stable - edge.low for each, edge in edges.items() if each[0] in names)
        return [self._clean(topic, _of(topic, edges)) for topic in topics]

    def _clean(self, topic: Topic, edges: Mapping[Partition, Watermarks]) -> Cleaned:
        prefixes = self._bounds(topic, edges)
        self._look(topic, edges, prefixes)
        todo = {each: found.upto for each, found in prefixes.items() if found.upto > found.low}
        if not self._dry_run:
            self._delete(todo)
        self._lows |= todo
        return Cleaned(
            topic,
            {number: found for (_, number), found in prefixes.items()},
            {number: edge.stable for (_, number), edge in edges.items()},
        )

    def _bounds(self, topic: Topic, edges: Mapping[Partition, Watermarks]) -> dict[Partition, Prefix]:
        owned = topic.kind is not Kind.DEAD_LETTER
        handled = groups.committed(self._admin, [topic.owner], edges)[topic.owner] if owned else {}
        young = self._admin.since(edges, self._before)
        found = {}
        for each, edge in edges.items():
            committed = handled.get(each)
            offset = committed.offset if committed is not None else None
            limit = bound(edge.low, edge.stable, offset, young[each], owned=owned)
            found[each] = Prefix(edge.low, limit.offset, limit.why)
        return found

    def _look(
        self, topic: Topic, edges: Mapping[Partition, Watermarks], prefixes: Mapping[Partition, Prefix]
    ) -> None:
        """Look at every record that may go: the broker's index of times is a promise, this is a proof."""
        stays = self._rule(topic)
        within = {
            each: edge._replace(stable=prefixes[each].upto)
            for each, edge in edges.items()
            if prefixes[each].upto > edge.low
        }
        with closing(scan(self._cluster, within)) as entries:
            for entry in entries:
                self.walked += 1
                young = entry.timestamp >= self._before
                prefixes[entry.position.topic_partition].take(
                    entry.position.offset, YOUNG if young else stays(entry)
                )
                if all(prefixes[each].closed for each in within):
                    break

    def _rule(self, topic: Topic) -> Callable[[LogRecord], str | None]:
        if topic.kind is Kind.DEAD_LETTER:
            decided, old = Decided(), Decided()
            for made in decisions.made(self._admin, topic):
                decided.add(made.partition, made.offset)
                if made.entry.timestamp < self._before:
                    old.add(made.partition, made.offset)
            return lambda entry: letter_stays(entry, decided, old)
        if topic.kind is Kind.RETRY:
            letters = topics.dead_letters(topic.owner, topic.source or "")
            return lambda entry: retry_stays(entry, letters, self._lows)
        waiting = self._undecided(topic)
        return lambda entry: command_stays(entry, waiting)

    def _undecided(self, topic: Topic) -> Decided:
        """Where on a command topic the records lie whose dead letters nobody has decided."""
        name = topics.dead_letters(topic.owner, topic.name)
        letters = [each for each in self._catalogue if each.name == name]
        edges = self._admin.edges(partitions_of(self._admin.topics(), [name])) if letters else {}
        found = Decided()
        for letter in letters:
            for entry in decisions.undecided(self._admin, letter, edges):
                origin = dead_letters.parse(entry.headers).origin
                if origin is not None and origin.topic == topic.name:
                    found.add(origin.partition, origin.offset)
        return found

    def _delete(self, todo: Mapping[Partition, int]) -> None:
        for each, offset in todo.items():
            self._admin.ask(partial(self._deletion, TopicPartition(*each, offset)))

    def _deletion(self, where: TopicPartition) -> Future[DeletedRecords]:
        [asked] = self._admin.client.delete_records([where], request_timeout=self._admin.timeout_s).values()
        return asked


def _of(topic: Topic, edges: Mapping[Partition, Watermarks]) -> dict[Partition, Watermarks]:
    return {each: edge for each, edge in edges.items() if each[0] == topic.name}
