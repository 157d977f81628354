"""Deleting records that are no longer needed: commands, timers, dead letters and retries (design §5, "Kept").

Promises: facts, results and the control topic are never touched. These records stay: those younger than the
limit; those that their owner has not committed; dead letters that nobody has decided, and the commands and
timers that they are about; decisions about a letter that is still there. Only the beginnings of logs are
deleted, below what groups have committed, so no group loses an offset. A dry run deletes nothing. Killed
half-way, the same command goes on.

The order of topics matters: commands, timers and dead letters first, because where their logs then begin
decides what may be deleted from the retry topics.

I/O: Kafka (reads and deletes records), temporary databases.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import partial
from typing import NamedTuple

from confluent_kafka import TopicPartition
from confluent_kafka.admin import DeletedRecords  # type: ignore[attr-defined]  # public, imported without __all__

from clients.admin import Admin, Partition, Watermarks, partitions_of
from clients.config import Cluster
from clients.log_reader import LogRecord, scan
from databases.scratch import PositionSet, position_set
from operations import groups
from operations.cleaning.plan import YOUNG, Prefix, bound, command_stays, letter_stays, retry_stays
from operations.dead_letters import decisions
from operations.dead_letters.decision_index import decision_index
from schemas import dead_letters, topics
from schemas.errors import TopicMissing
from schemas.topics import Kind, Topic

CLEANED = (Kind.COMMAND, Kind.TIMER, Kind.DEAD_LETTER, Kind.RETRY)
"""The kinds of topics that may be cleaned, in the order of doing it."""


class CleanedTopic(NamedTuple):
    """The result for one topic.

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
        return sum(prefix.records for prefix in self.partitions.values())

    @property
    def left(self) -> int:
        """Offsets that stay, transaction markers among them."""
        return sum(self.ends[number] - prefix.upto for number, prefix in self.partitions.items())


class CleaningRun:
    """One run of `cev topics clean`.

    Args:
        cluster: where.
        catalogue: every topic.
        before: what is younger stays; ms since the epoch, UTC.
        dry_run: only report what would be deleted.
        stopping: whether to end after the topic in hand; asked now and then.

    Attributes:
        walked, total: offsets read so far, and in all; another thread may read them to show progress.
        cleaned: results of the topics that are done, in the order of `CLEANED`.
    """

    def __init__(
        self,
        cluster: Cluster,
        catalogue: Sequence[Topic],
        *,
        before: int,
        dry_run: bool,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._cluster = cluster
        self._catalogue = catalogue
        self._before = max(before, 0)
        self._dry_run = dry_run
        self._stopping = stopping
        self._admin = Admin(cluster)
        self._lows: dict[Partition, int] = {}
        self.walked = 0
        self.total = 0
        self.cleaned: list[CleanedTopic] = []

    def run(self) -> list[CleanedTopic]:
        """Clean every topic that may be cleaned, until asked to stop; returns `cleaned`.

        Raises:
            TopicMissing: `cev topics create` creates it.
            BrokerUnreachable, OperationFailed: it stopped; what is deleted is deleted.
        """
        states = self._admin.topics()
        if missing := [topic.name for topic in self._catalogue if topic.name not in states]:
            raise TopicMissing(f"topic {missing[0]} is missing; `cev topics create` creates it")
        names = [topic.name for topic in self._catalogue]
        watermarks = self._admin.watermarks(partitions_of(states, names))
        self._lows = {partition: marks.low for partition, marks in watermarks.items()}
        topics = [topic for kind in CLEANED for topic in self._catalogue if topic.kind is kind]
        self.total = sum(
            marks.stable - marks.low for topic in topics for marks in _of(topic, watermarks).values()
        )
        for topic in topics:
            result = None if self._stopping() else self._clean(topic, _of(topic, watermarks))
            if result is None:
                break
            self.cleaned.append(result)
        return self.cleaned

    def _clean(self, topic: Topic, watermarks: Mapping[Partition, Watermarks]) -> CleanedTopic | None:
        """None if somebody asked to stop before it was clear what may go: nothing is deleted then."""
        prefixes = self._bounds(topic, watermarks)
        if not self._check_records(topic, watermarks, prefixes):
            return None
        deletions = {
            partition: prefix.upto for partition, prefix in prefixes.items() if prefix.upto > prefix.low
        }
        if not self._dry_run:
            self._delete(deletions)
        self._lows |= deletions
        return CleanedTopic(
            topic,
            {number: prefix for (_, number), prefix in prefixes.items()},
            {number: marks.stable for (_, number), marks in watermarks.items()},
        )

    def _bounds(self, topic: Topic, watermarks: Mapping[Partition, Watermarks]) -> dict[Partition, Prefix]:
        owned = topic.kind is not Kind.DEAD_LETTER
        committed = groups.committed(self._admin, [topic.owner], watermarks)[topic.owner] if owned else {}
        young = self._admin.offsets_since(watermarks, self._before)
        prefixes = {}
        for partition, marks in watermarks.items():
            handled = committed[partition].offset if partition in committed else None
            limit = bound(marks.low, marks.stable, handled, young[partition], owned=owned)
            prefixes[partition] = Prefix(marks.low, limit.offset, limit.why)
        return prefixes

    def _check_records(
        self, topic: Topic, watermarks: Mapping[Partition, Watermarks], prefixes: Mapping[Partition, Prefix]
    ) -> bool:
        """Read every record that may be deleted: the broker's time index alone does not prove its age.

        Returns:
            Whether it came to the end; not if somebody asked to stop.
        """
        within = {
            partition: marks._replace(stable=prefixes[partition].upto)
            for partition, marks in watermarks.items()
            if prefixes[partition].upto > marks.low
        }
        with self._rule(topic) as reason_to_stay, closing(scan(self._cluster, within)) as records:
            for record in records:
                self.walked += 1
                young = record.timestamp >= self._before
                reason = YOUNG if young else reason_to_stay(record)
                prefixes[record.position.topic_partition].take(record.position.offset, reason)
                if all(prefixes[partition].closed for partition in within):
                    break
                if self._stopping():
                    return False
        return True

    @contextmanager
    def _rule(self, topic: Topic) -> Iterator[Callable[[LogRecord], str | None]]:
        """Says why a record of a topic must stay, or None."""
        if topic.kind is Kind.DEAD_LETTER:
            with decision_index() as index:
                decisions.read_index(index, self._admin, topic)
                yield lambda record: letter_stays(
                    decided=record.position in index, old=index.decided_before(record.position, self._before)
                )
        elif topic.kind is Kind.RETRY:
            letter_topic = topics.dead_letter_topic(topic.owner, topic.source or "")
            yield lambda record: retry_stays(record, letter_topic, self._lows)
        else:
            with position_set() as waiting:
                self._add_undecided(topic, waiting)
                yield lambda record: command_stays(record, waiting)

    def _add_undecided(self, topic: Topic, origins: PositionSet) -> None:
        """Add where on a command or timer topic the records lie whose dead letters nobody has decided."""
        name = topics.dead_letter_topic(topic.owner, topic.name)
        for dead_letter_topic in (candidate for candidate in self._catalogue if candidate.name == name):
            watermarks = self._admin.watermarks(partitions_of(self._admin.topics(), [name]))
            for letter in decisions.undecided(self._admin, dead_letter_topic, watermarks):
                origin = dead_letters.parse(letter.headers).origin
                if origin is not None and origin.topic == topic.name:
                    origins.add(origin)

    def _delete(self, deletions: Mapping[Partition, int]) -> None:
        for partition, offset in deletions.items():
            self._admin.ask(partial(self._delete_below, TopicPartition(*partition, offset)))

    def _delete_below(self, end: TopicPartition) -> Future[DeletedRecords]:
        [future] = self._admin.client.delete_records([end], request_timeout=self._admin.timeout_s).values()
        return future


def _of(topic: Topic, watermarks: Mapping[Partition, Watermarks]) -> dict[Partition, Watermarks]:
    return {partition: marks for partition, marks in watermarks.items() if partition[0] == topic.name}
