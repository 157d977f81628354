"""Finding what operators decided: the retry topic that belongs to a dead-letter topic, read to its end.

Promises: read_committed, no group joined, nothing committed. A letter counts as decided only when the record
that decides it is committed; of two that decide the same the first counts. A dead-letter topic without its
retry topic has no decisions. Memory does not grow with the decisions (decision_index.py).

I/O: Kafka (reads retry and dead-letter topics), a temporary database through decision_index.py.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple

from clients.admin import Admin, Partition, Watermarks, partitions_of
from clients.log_reader import STALL_S, LogRecord, scan
from operations.dead_letters.decision_index import DecisionIndex, decision_index
from schemas import decisions
from schemas.decisions import Decision
from schemas.errors import DeadlinePassed, Position
from schemas.topics import Topic, retry_topic

POLL_INTERVAL_S = 0.1


class DecisionRecord(NamedTuple):
    """The record that decides a dead letter, and where that letter lies."""

    letter: Position
    record: LogRecord

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
            yield DecisionRecord(Position(topic.name, *letter), record)


def read_index(
    index: DecisionIndex,
    admin: Admin,
    topic: Topic,
    *,
    watermarks: Mapping[Partition, Watermarks] | None = None,
    stall_s: float = STALL_S,
) -> None:
    """Add every decision about a dead-letter topic to an index; arguments and errors as `read_decisions`."""
    for record in read_decisions(admin, topic, watermarks=watermarks, stall_s=stall_s):
        index.add(record.letter, record.decision)


def read_index_for_sure(index: DecisionIndex, admin: Admin, topic: Topic) -> None:
    """As `read_index`, for a caller that is about to decide: nothing that is written may still be hidden.

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
    read_index(index, admin, topic, watermarks=watermarks)


def decision_about(admin: Admin, topic: Topic, position: Position) -> Decision | None:
    """What was decided about one dead letter; None if nothing; raises as `read_decisions`."""
    return next(
        (record.decision for record in read_decisions(admin, topic) if record.letter == position), None
    )


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
    with decision_index() as index:
        read_index(index, admin, topic, stall_s=stall_s)
        for record in scan(admin.cluster, watermarks, stall_s=stall_s):
            if record.position not in index:
                yield record
