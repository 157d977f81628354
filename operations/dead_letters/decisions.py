"""Finding what operators decided: the retry topic that belongs to a dead-letter topic, read to its end.

Promises: read_committed, no group joined, nothing committed. A letter counts as decided only when the record
that decides it is committed; of two that decide the same the first counts. A dead-letter topic without its
retry topic has no decisions. Memory grows with the decisions: about 130 bytes for each.

I/O: Kafka (reads retry and dead-letter topics).
"""

import time
from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple

from clients.admin import Admin, Partition, Watermarks, partitions_of
from clients.log_reader import STALL_S, LogRecord, scan
from schemas import decisions
from schemas.decisions import Decision
from schemas.errors import DeadlinePassed, Position
from schemas.topics import Topic, retry_topic

POLL_INTERVAL_S = 0.1

PartitionOffset = tuple[int, int]
"""Partition number and offset: where a record lies on a topic that is known."""


class DecisionRecord(NamedTuple):
    """The record that decides a dead letter, and where that letter lies."""

    partition: int
    offset: int
    record: LogRecord

    @property
    def letter(self) -> PartitionOffset:
        """Where the dead letter lies on its topic."""
        return self.partition, self.offset

    @property
    def decision(self) -> Decision:
        """What was decided."""
        return decisions.parse(self.record.headers, self.record.timestamp)


def retry_of(topic: Topic) -> str:
    """The name of the retry topic that belongs to a dead-letter topic."""
    return retry_topic(topic.owner, topic.source or "")


def read_decisions(
    admin: Admin,
    topic: Topic,
    *,
    watermarks: Mapping[Partition, Watermarks] | None = None,
    stall_s: float = STALL_S,
) -> Iterator[DecisionRecord]:
    """Every decision about the letters of a dead-letter topic, in the order of each partition.

    Args:
        admin: the cluster.
        topic: the dead-letter topic.
        watermarks: of its retry topic, where they are known; otherwise they are asked for now.
        stall_s: longest time without progress.

    Raises:
        BrokerUnreachable, OperationFailed: reading stopped.
    """
    if watermarks is None:
        watermarks = admin.watermarks(partitions_of(admin.topics(), [retry_of(topic)]))
    for record in scan(admin.cluster, watermarks, stall_s=stall_s):
        letter = decisions.decided_letter(record.headers, topic.name)
        if letter is not None:
            yield DecisionRecord(*letter, record)


def decided(admin: Admin, topic: Topic, *, stall_s: float = STALL_S) -> set[PartitionOffset]:
    """Which letters of a dead-letter topic are decided; raises as `read_decisions`."""
    return {decision.letter for decision in read_decisions(admin, topic, stall_s=stall_s)}


def decided_for_sure(admin: Admin, topic: Topic) -> set[PartitionOffset]:
    """As `decided`, for a caller that is about to decide: nothing that is written may still be hidden.

    An open transaction hides what is committed behind it. The caller has ended its own by claiming its
    transactional id; one of anybody else on a retry topic is not ours to end.

    Raises:
        DeadlinePassed: somebody's transaction stays open.
        BrokerUnreachable, OperationFailed: reading stopped.
    """
    partitions = partitions_of(admin.topics(), [retry_of(topic)])
    deadline = time.monotonic() + admin.timeout_s
    while True:
        watermarks = admin.watermarks(partitions)
        hidden = [partition for partition, marks in watermarks.items() if marks.stable < marks.high]
        if not hidden:
            break
        if time.monotonic() > deadline:
            raise DeadlinePassed(
                f"{hidden[0][0]}:{hidden[0][1]} has an open transaction that hides what was decided: who "
                "else writes there? Nothing was done; try again when it has ended"
            )
        time.sleep(POLL_INTERVAL_S)
    return {decision.letter for decision in read_decisions(admin, topic, watermarks=watermarks)}


def decisions_by_letter(admin: Admin, topic: Topic) -> dict[PartitionOffset, Decision]:
    """Every decision about a dead-letter topic, by where the letter lies; raises as `read_decisions`.

    Decisions of one run share their texts, so each costs about 300 bytes.
    """
    by_letter: dict[PartitionOffset, Decision] = {}
    texts: dict[str | None, str | None] = {}
    for record in read_decisions(admin, topic):
        decision = record.decision
        by, why, run = (texts.setdefault(text, text) for text in (decision.by, decision.why, decision.run))
        by_letter.setdefault(record.letter, Decision(decision.how, by, why, decision.at, run))
    return by_letter


def decision_about(admin: Admin, topic: Topic, position: Position) -> Decision | None:
    """What was decided about one dead letter; None if nothing; raises as `read_decisions`."""
    letter = (position.partition, position.offset)
    return next((record.decision for record in read_decisions(admin, topic) if record.letter == letter), None)


def undecided(
    admin: Admin, topic: Topic, watermarks: Mapping[Partition, Watermarks], *, stall_s: float = STALL_S
) -> Generator[LogRecord, None, None]:
    """The letters of a dead-letter topic that somebody must decide about.

    Args:
        admin: the cluster.
        topic: the dead-letter topic.
        watermarks: of its partitions; asked for before this call, so that no later decision is missed.
        stall_s: longest time without progress.

    Raises:
        BrokerUnreachable, OperationFailed: reading stopped.
    """
    known = decided(admin, topic, stall_s=stall_s)
    for record in scan(admin.cluster, watermarks, stall_s=stall_s):
        if (record.position.partition, record.position.offset) not in known:
            yield record
