"""Deciding about dead letters: sending them to their group once more, or discarding them.

Promises:

- it takes only letters that are there when the run begins, none that come later or fail again;
- only the group that failed gets a record again, on its own retry topic; key, value and headers stay as they
  were (but for the names that decisions own), and the order per key too;
- a letter that is decided is passed over, by this run, the same run after a crash, and one beside it;
- a dry run writes nothing and fences no other run;
- memory does not grow with the number of letters.

I/O: Kafka (reads dead-letter and retry topics, writes retry topics), a temporary database through
decision_index.py.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from clients.admin import Admin, Partition, Watermarks
from clients.config import MAX_MESSAGE_BYTES, Cluster
from clients.log_reader import scan
from clients.partitioner import partition_of
from clients.records import ProducerRecord
from operations import groups
from operations.dead_letters import decisions, listing
from operations.dead_letters.decision_index import DecisionIndex, decision_index
from operations.dead_letters.listing import DeadLetter, Filter
from operations.dead_letters.writer import Writer
from schemas.decisions import DecisionKind, Run, discard_headers, redrive_headers
from schemas.errors import Position, UsageError
from schemas.topics import Kind, Topic

DECIDED = "decided before"
POSITION_ONLY = "only the position is known, there is nothing to send"
TOO_LARGE = "too large to be sent with its headers"

_BATCH = 400
_BATCH_BYTES = 4 * 1024 * 1024
_BATCHES_A_SECOND = 4
_LOOK_S = 0.1
# A record's own framing, and room for a new reason: if it fails again, it must fit on the dead-letter topic.
_OVERHEAD = 16 * 1024
_HEADER_OVERHEAD = 16
_UNDELIVERABLE = "Undeliverable"


class RedriveRequest(NamedTuple):
    """The decision that an operator asks for.

    Attributes:
        how: whether letters are redriven or discarded.
        by: who asks, as user@host.
        why: the reason; may be empty for `redriven`.
        rate: most letters per second; 0 is unlimited.
        dry_run: only count what would be done.
    """

    how: DecisionKind
    by: str
    why: str = ""
    rate: float = 0
    dry_run: bool = False


@dataclass(slots=True)
class RedriveProgress:
    """How far a run is, and its results.

    Attributes:
        selected: letters that were meant.
        done: of these, decided by this run; in a dry run none.
        skipped: of these, passed over, by reason.
        groups: letters per group that were, or would be, decided by this run.
        walked, total: offsets read so far, and in all.
    """

    selected: int = 0
    done: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    walked: int = 0
    total: int = 0


class Redrive:
    """One run of an operator's command.

    Args:
        cluster: where.
        catalogue: the topics that there are.
        wanted: which letters are meant.
        request: what is decided about them.
        stopping: whether to end after the letters in hand; asked now and then.
        chosen: told of each letter that this run decides, or would decide.

    Attributes:
        id: names the run in what it writes.
        progress: how far it is; another thread may read it.
    """

    def __init__(
        self,
        cluster: Cluster,
        catalogue: Sequence[Topic],
        wanted: Filter,
        request: RedriveRequest,
        *,
        stopping: Callable[[], bool] = lambda: False,
        chosen: Callable[[DeadLetter], None] = lambda _letter: None,
    ) -> None:
        self._cluster = cluster
        self._catalogue = catalogue
        self._wanted = wanted
        self._request = request
        self._stopping = stopping
        self._chosen = chosen
        self._admin = Admin(cluster)
        self.id = uuid.uuid4().hex
        self._run = Run(self.id, request.by, request.why)
        self.progress = RedriveProgress()
        self._started_at = time.monotonic()

    def run(self) -> RedriveProgress:
        """Decide about every letter that is meant and lies there now.

        Raises:
            UsageError: no dead-letter topic is meant.
            Fenced: another run took over; what this one did is done.
            BrokerUnreachable, NotAcknowledged, OperationFailed, DeadlinePassed: it stopped; the same
                command goes on.
            TopicMissing: `cev topics create` creates it.
        """
        topics, watermarks = listing.topics_and_watermarks(self._admin, self._catalogue, self._wanted)
        parts = [(topic, _within(watermarks, name, self._wanted)) for name, topic in topics.items()]
        self.progress.total = sum(marks.stable - marks.low for _, part in parts for marks in part.values())
        # The rate counts from here, over all topics: a pause between two topics is made up for.
        self._started_at = time.monotonic()
        for topic, part in parts:
            if self._stopping():
                break
            if part and self._request.dry_run:
                self._count(topic, part)
            elif part:
                self._decide(topic, part)
        return self.progress

    def _count(self, topic: Topic, watermarks: dict[Partition, Watermarks]) -> None:
        with decision_index() as known:
            decisions.read_index(known, self._admin, topic)
            for letter in self._matching(topic, watermarks):
                self._is_to_do(letter, known)

    def _decide(self, topic: Topic, watermarks: dict[Partition, Watermarks]) -> None:
        with Writer(self._cluster, topic) as writer, decision_index() as known:
            writer.claim()
            decisions.read_index_for_sure(known, self._admin, topic)
            batch: list[ProducerRecord] = []
            size = 0
            for letter in self._matching(topic, watermarks):
                if self._is_to_do(letter, known):
                    batch.append(self._record(letter, writer))
                    size += _size(letter)
                    if len(batch) >= self._batch_limit() or size >= _BATCH_BYTES:
                        self._write(writer, batch)
                        batch, size = [], 0
            self._write(writer, batch)
            writer.until_seen(self._admin)

    def _matching(self, topic: Topic, watermarks: dict[Partition, Watermarks]) -> Iterator[DeadLetter]:
        for record in scan(self._cluster, watermarks):
            self.progress.walked += 1
            letter = listing.from_record(topic, record)
            if self._wanted.matches(letter):
                yield letter
            if self._stopping():
                return

    def _is_to_do(self, letter: DeadLetter, known: DecisionIndex) -> bool:
        self.progress.selected += 1
        obstacle = DECIDED if letter.record.position in known else self._unable(letter)
        if obstacle is None:
            self.progress.groups[letter.topic.owner] += 1
            self._chosen(letter)
        else:
            self.progress.skipped[obstacle] += 1
        return obstacle is None

    def _unable(self, letter: DeadLetter) -> str | None:
        if self._request.how == "discarded":
            return None
        if position_only(letter):
            return POSITION_ONLY
        return TOO_LARGE if _size(letter) > MAX_MESSAGE_BYTES else None

    def _record(self, letter: DeadLetter, writer: Writer) -> ProducerRecord:
        record = letter.record
        # Where the group's own producer would put it, so that the order per key is that of the dead letters.
        partition = record.position.partition
        if record.key is not None:
            partition = partition_of(record.key, writer.partitions)
        if self._request.how == "discarded":
            headers, value = discard_headers(record.headers, record.position, self._run), None
        else:
            headers, value = redrive_headers(record.headers, record.position, self._run), record.value
        return ProducerRecord(writer.retry_topic, record.key, value, headers, partition % writer.partitions)

    def _write(self, writer: Writer, batch: Sequence[ProducerRecord]) -> None:
        if not batch:
            return
        if self._request.rate:
            due = self._started_at + self.progress.done / self._request.rate
            while (left := due - time.monotonic()) > 0:
                if self._stopping():
                    return
                time.sleep(min(left, _LOOK_S))
        writer.write(batch)
        self.progress.done += len(batch)

    def _batch_limit(self) -> int:
        rate = self._request.rate
        return max(1, min(_BATCH, int(rate / _BATCHES_A_SECOND))) if rate else _BATCH


def positions_of(cluster: Cluster, catalogue: Sequence[Topic], texts: Sequence[str]) -> frozenset[Position]:
    """The positions of dead letters that an operator named one by one.

    Raises:
        UsageError: one is no position, or not on a dead-letter topic.
        OperationFailed: nothing lies there; the message says why.
        TopicMissing, BrokerUnreachable: it cannot be looked up.
    """
    dead_letters = [listing.fetch(cluster, catalogue, text) for text in texts]
    for letter in dead_letters:
        if letter.topic.kind is not Kind.DEAD_LETTER:
            raise UsageError(f"{letter.record.position} is no dead letter; `cev dlq list` shows them")
    return frozenset(letter.record.position for letter in dead_letters)


def position_only(letter: DeadLetter) -> bool:
    """Whether the client could not even hand the record to its group: there is nothing but its position."""
    record, error = letter.record, letter.reason.error
    nothing = record.key is None and record.value is None
    return nothing and (error is None or error.rpartition(".")[2] == _UNDELIVERABLE)


def missing_member_warning(cluster: Cluster, catalogue: Sequence[Topic], group: str) -> str | None:
    """A warning if no live member of a group reads its retry topics; None if one does.

    Raises:
        BrokerUnreachable, OperationFailed: the broker does not say.
    """
    members = groups.members(Admin(cluster), [group])[group]
    retry_topics = {topic.name for topic in catalogue if topic.kind is Kind.RETRY and topic.owner == group}
    if members.topics & retry_topics:
        return None
    return f"{group} has no live member that takes them: they wait until `cev consume {group}` runs"


def _within(
    watermarks: Mapping[Partition, Watermarks], name: str, wanted: Filter
) -> dict[Partition, Watermarks]:
    """The partitions of a topic that hold something, cut to what the positions asked for need."""
    partitions = {
        partition: marks
        for partition, marks in watermarks.items()
        if partition[0] == name and marks.stable > marks.low
    }
    if not wanted.positions:
        return partitions
    offsets_of: dict[Partition, list[int]] = {}
    for position in wanted.positions:
        offsets_of.setdefault(position.topic_partition, []).append(position.offset)
    return {
        partition: marks._replace(
            low=max(marks.low, min(offsets)), stable=min(marks.stable, max(offsets) + 1)
        )
        for partition, offsets in offsets_of.items()
        if (marks := partitions.get(partition)) is not None
    }


def _size(letter: DeadLetter) -> int:
    """At least what a record takes that carries this letter."""
    record = letter.record
    headers = sum(len(name) + len(value or b"") + _HEADER_OVERHEAD for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _OVERHEAD
