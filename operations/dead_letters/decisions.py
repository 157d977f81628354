"""Finding what operators decided: the retry topic that belongs to a dead-letter topic, read to its end.

Promises: read_committed, no group joined, nothing committed. A letter counts as decided only when the record
that decides it is committed; of two that decide the same the first counts. A dead-letter topic without its
retry topic has no decisions.

I/O: Kafka (reads retry and dead-letter topics).
"""

import time
from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple

from clients.admin import Admin, Partition, Watermarks, partitions_of
from clients.log_reader import STALL_S, LogRecord, scan
from operations.dead_letters.decided import Decided
from schemas import decisions
from schemas.decisions import Decision
from schemas.errors import DeadlinePassed, Position
from schemas.topics import Topic, retries

_LOOK_S = 0.1


class Made(NamedTuple):
    """A decision about one dead letter: which, what, and the record that says so."""

    partition: int
    offset: int
    entry: LogRecord

    @property
    def decision(self) -> Decision:
        """What was decided."""
        return decisions.parse(self.entry.headers, self.entry.timestamp)


def retry_of(topic: Topic) -> str:
    """The name of the retry topic that belongs to a dead-letter topic."""
    return retries(topic.owner, topic.source or "")


def made(
    admin: Admin,
    topic: Topic,
    *,
    edges: Mapping[Partition, Watermarks] | None = None,
    stall_s: float = STALL_S,
) -> Iterator[Made]:
    """Every decision about the letters of a dead-letter topic, in the order of each partition.

    Args:
        admin: the cluster.
        topic: the dead-letter topic.
        edges: of its retry topic, where they are known; otherwise they are asked for now.
        stall_s: longest time without progress.

    Raises:
        BrokerUnreachable, OperationFailed: reading stopped.
    """
    if edges is None:
        edges = admin.edges(partitions_of(admin.topics(), [retry_of(topic)]))
    for entry in scan(admin.cluster, edges, stall_s=stall_s):
        where = decisions.decides(entry.headers, topic.name)
        if where is not None:
            yield Made(*where, entry)


def decided(admin: Admin, topic: Topic, *, stall_s: float = STALL_S) -> Decided:
    """Which letters of a dead-letter topic are decided; raises as `made`."""
    found = Decided()
    for each in made(admin, topic, stall_s=stall_s):
        found.add(each.partition, each.offset)
    return found


def decided_for_sure(admin: Admin, topic: Topic) -> Decided:
    """As `decided`, for who will decide: nothing that is written may still be hidden.

    An open transaction hides what is committed behind it. The caller has ended its own by claiming its
    transactional id; one of anybody else on a retry topic is not ours to end.

    Raises:
        DeadlinePassed: somebody's transaction stays open.
        BrokerUnreachable, OperationFailed: reading stopped.
    """
    partitions = partitions_of(admin.topics(), [retry_of(topic)])
    deadline = time.monotonic() + admin.timeout_s
    while True:
        edges = admin.edges(partitions)
        hidden = [each for each, edge in edges.items() if edge.stable < edge.high]
        if not hidden:
            break
        if time.monotonic() > deadline:
            raise DeadlinePassed(
                f"{hidden[0][0]}:{hidden[0][1]} has an open transaction that hides what was decided: who "
                "else writes there? Nothing was done; try again when it has ended"
            )
        time.sleep(_LOOK_S)
    found = Decided()
    for each in made(admin, topic, edges=edges):
        found.add(each.partition, each.offset)
    return found


def details(admin: Admin, topic: Topic) -> dict[tuple[int, int], Decision]:
    """Every decision about a dead-letter topic, by partition and offset of the letter; raises as `made`.

    Decisions of one run share their texts, so each costs about 300 bytes.
    """
    found: dict[tuple[int, int], Decision] = {}
    texts: dict[str | None, str | None] = {}
    for each in made(admin, topic):
        said = each.decision
        shared = (texts.setdefault(text, text) for text in (said.by, said.why, said.run))
        by, why, run = shared
        found.setdefault((each.partition, each.offset), Decision(said.how, by, why, said.at, run))
    return found


def about(admin: Admin, topic: Topic, where: Position) -> Decision | None:
    """What was decided about one dead letter; None if nothing; raises as `made`."""
    for each in made(admin, topic):
        if (each.partition, each.offset) == where[1:]:
            return each.decision
    return None


def undecided(
    admin: Admin, topic: Topic, edges: Mapping[Partition, Watermarks], *, stall_s: float = STALL_S
) -> Generator[LogRecord, None, None]:
    """The letters of a dead-letter topic that somebody must decide about.

    Args:
        admin: the cluster.
        topic: the dead-letter topic.
        edges: of its partitions; asked for before this call, so that no later decision is missed.
        stall_s: longest time without progress.

    Raises:
        BrokerUnreachable, OperationFailed: reading stopped.
    """
    known = decided(admin, topic, stall_s=stall_s)
    for entry in scan(admin.cluster, edges, stall_s=stall_s):
        if entry.position[1:] not in known:
            yield entry
