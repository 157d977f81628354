"""Finding dead letters: all of them that match, or the one at a position.

Promises: read_committed, no group joined, nothing committed; a list streams in constant memory, partition by
partition as the broker hands it over.

I/O: Kafka (reads dead-letter and retry topics), a temporary database through decision_index.py.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from clients.admin import Admin, Partition, Watermarks, partitions_of
from clients.config import Cluster
from clients.log_reader import LogRecord, first_records, scan
from operations.dead_letters import decisions
from operations.dead_letters.decision_index import decision_index
from schemas import dead_letters
from schemas.dead_letters import Reason
from schemas.decisions import Decision
from schemas.errors import OperationFailed, Position, TopicMissing, UsageError
from schemas.suggestions import did_you_mean
from schemas.topics import Kind, Topic

_PARTS = 3


class DeadLetter(NamedTuple):
    """A record that a group gave up.

    Attributes:
        topic: the dead-letter topic that it lies on; its owner is the group.
        record: the record there.
        order_id: the order that its key names, or None.
        reason: what its headers say.
        decision: what an operator decided about it; None if nothing, or where nobody asked.
    """

    topic: Topic
    record: LogRecord
    order_id: int | None
    reason: Reason
    decision: Decision | None = None


class Filter(NamedTuple):
    """Which dead letters are meant; None is any.

    Attributes:
        group: of this consumer group.
        topic: from this source topic, or on this dead-letter topic.
        error: whose error's class or message has this text, in whatever case.
        order_id: of this order.
        since, until: put aside at or after, and before, ms since the epoch, UTC.
        positions: one of these; none is any.
    """

    group: str | None = None
    topic: str | None = None
    error: str | None = None
    order_id: int | None = None
    since: int | None = None
    until: int | None = None
    positions: frozenset[Position] = frozenset()

    def wants_topic(self, topic: Topic) -> bool:
        """Whether a dead-letter topic can hold what is meant."""
        return (
            self.group in (None, topic.owner)
            and self.topic in (None, topic.name, topic.source)
            and (not self.positions or any(position.topic == topic.name for position in self.positions))
        )

    def matches(self, letter: DeadLetter) -> bool:
        """Whether one dead letter is meant."""
        at = letter.record.timestamp
        reason = f"{letter.reason.error or ''} {letter.reason.message or ''}".casefold()
        return (
            self.wants_topic(letter.topic)
            and self.order_id in (None, letter.order_id)
            and (not self.positions or letter.record.position in self.positions)
            and (self.error is None or self.error.casefold() in reason)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


def find_dead_letters(
    cluster: Cluster, catalogue: Sequence[Topic], wanted: Filter, *, every: bool = False
) -> Generator[DeadLetter, None, None]:
    """The dead letters that are meant, and that somebody must decide about.

    Args:
        cluster: where.
        catalogue: the topics that there are.
        wanted: which are meant.
        every: also those that are decided, each with its decision.

    Raises:
        UsageError: no dead-letter topic of the catalogue is meant.
        BrokerUnreachable, OperationFailed: reading stopped.
        TopicMissing: `cev topics create` creates it.
    """
    admin = Admin(cluster)
    topics, watermarks = topics_and_watermarks(admin, catalogue, wanted)
    with decision_index() as index:
        for topic in topics.values():
            decisions.read_index(index, admin, topic)
        for record in scan(cluster, watermarks):
            decision = index.get(record.position)
            letter = from_record(topics[record.position.topic], record)._replace(decision=decision)
            if (every or decision is None) and wanted.matches(letter):
                yield letter


def topics_and_watermarks(
    admin: Admin, catalogue: Sequence[Topic], wanted: Filter
) -> tuple[dict[str, Topic], dict[Partition, Watermarks]]:
    """The dead-letter topics that can hold what is meant, by name, and where they begin and end now.

    Raises:
        UsageError, BrokerUnreachable, OperationFailed, TopicMissing: as `find_dead_letters`.
    """
    known = [topic for topic in catalogue if topic.kind is Kind.DEAD_LETTER]
    topics = {topic.name: topic for topic in known if wanted.wants_topic(topic)}
    if not topics:
        raise UsageError(_none_wanted(known, wanted))
    states = admin.topics()
    if missing := sorted(set(topics) - set(states)):
        raise TopicMissing(f"topic {missing[0]} is missing; `cev topics create` creates it")
    return topics, admin.watermarks(partitions_of(states, topics))


def _none_wanted(known: Sequence[Topic], wanted: Filter) -> str:
    """Why no dead-letter topic can hold what is meant."""
    groups = {topic.owner for topic in known}
    if wanted.group is not None and wanted.group not in groups:
        meant = did_you_mean(wanted.group, groups) or f"; there are {', '.join(sorted(groups))}"
        return f"there is no group {wanted.group!r} with dead letters{meant}"
    names = {topic.name for topic in known} | {topic.source for topic in known if topic.source}
    if wanted.topic is not None and wanted.topic not in names:
        meant = did_you_mean(wanted.topic, names) or f"; there are {', '.join(sorted(names))}"
        return f"there are no dead letters of a topic {wanted.topic!r}{meant}"
    return "no dead-letter topic is of that group and topic; there are " + ", ".join(
        topic.name for topic in known
    )


def fetch(cluster: Cluster, catalogue: Sequence[Topic], text: str) -> DeadLetter:
    """The record at a position, as a dead letter; on a source topic it has no reason.

    Args:
        cluster: where.
        catalogue: the topics that may be named.
        text: `TOPIC:PARTITION:OFFSET`.

    Raises:
        UsageError: that is no position of the catalogue.
        TopicMissing, BrokerUnreachable: it cannot be looked up.
        OperationFailed: no record is there; the message says why.
    """
    position = parse_position(text)
    topic = next((topic for topic in catalogue if topic.name == position.topic), None)
    if topic is None:
        known = [topic.name for topic in catalogue if topic.kind is Kind.DEAD_LETTER]
        meant = did_you_mean(position.topic, known) or "; `cev dlq list` shows positions"
        raise UsageError(f"cev uses no topic {position.topic!r}{meant}")
    admin = Admin(cluster)
    partitions = partitions_of(admin.topics(), [topic.name])
    if not partitions:
        raise TopicMissing(f"topic {topic.name} is missing; `cev topics create` creates it")
    partition = position.topic_partition
    if partition not in partitions:
        raise UsageError(f"{topic.name} has partitions 0 to {len(partitions) - 1}, not {position.partition}")
    low, stable, _ = admin.watermarks([partition])[partition]
    if not low <= position.offset < stable:
        contents = f"it holds {low} to {stable - 1}" if stable > low else "it is empty"
        raise OperationFailed(f"no record is at {position}: {contents}")
    record = first_records(cluster, {partition: position.offset})[partition]
    if record is None or record.position.offset != position.offset:
        raise OperationFailed(
            f"no record is at {position}: a transaction's marker or a record that was never committed"
        )
    return from_record(topic, record)


def from_record(topic: Topic, record: LogRecord) -> DeadLetter:
    """A record of a dead-letter topic, with its order id and reason read."""
    reason = dead_letters.parse(record.headers)
    return DeadLetter(topic, record, dead_letters.order_id(record.key, reason), reason)


def parse_position(text: str) -> Position:
    """Read `TOPIC:PARTITION:OFFSET`.

    Raises:
        UsageError: it is not of that form.
    """
    parts = text.split(":")
    if len(parts) != _PARTS or not all(part.isascii() and part.isdecimal() for part in parts[1:]):
        raise UsageError(
            f"{text!r} is no position: write TOPIC:PARTITION:OFFSET, e.g. warehouse.orders.dlq:0:12"
        )
    return Position(parts[0], int(parts[1]), int(parts[2]))
