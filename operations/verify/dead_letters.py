"""What became of a group's dead letters: undecided, discarded, or sent to it once more.

Read from the log alone: a decision is a record on the group's retry topic (schemas/decisions.py). A discard
carries where its record first came from, so it is known after the dead letter itself was cleaned.

I/O: Kafka (reads dead-letter and retry topics).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from clients.log_reader import LogRecord
from operations.verify.evidence import PackedPosition, pack
from schemas import dead_letters, decisions, topics
from schemas.topics import retry_topic

ReadTopics = Callable[[tuple[str, ...]], Iterator[LogRecord]]
"""Reads topics to their ends as they are now."""


class DeadLetterStates(NamedTuple):
    """The dead letters of one group, by the first origin of each.

    Attributes:
        dead: somebody must decide about one of these.
        discarded: one was discarded.
        redriven: one was sent again; the last position on the retry topic where it lies.
        retried: positions of everything on the retry topics, whoever wrote it.
    """

    dead: AbstractSet[PackedPosition]
    discarded: AbstractSet[PackedPosition]
    redriven: Mapping[PackedPosition, PackedPosition]
    retried: AbstractSet[PackedPosition]


def read(group: str, sources: Iterable[str], read_topics: ReadTopics) -> DeadLetterStates:
    """Read a group's dead letters and what was decided about them.

    The decisions first: a letter that is decided in between counts as undecided, as it was a moment ago. The
    other way round, a letter that came in between could be missing with its decision there.

    Args:
        group: whose.
        sources: the topics that it reads.
        read_topics: see `ReadTopics`.
    """
    dead: set[PackedPosition] = set()
    discarded: set[PackedPosition] = set()
    redriven: dict[PackedPosition, PackedPosition] = {}
    retried: set[PackedPosition] = set()
    for source in sources:
        dead_letter_topic = topics.dead_letter_topic(group, source)
        decided: set[tuple[int, int]] = set()
        for record in read_topics((retry_topic(group, source),)):
            position = pack(*record.position)
            retried.add(position)
            letter = decisions.decided_letter(record.headers, dead_letter_topic)
            if letter is None:
                continue
            decided.add(letter)
            origin = _origin(record)
            if origin is not None and decisions.is_discard(record.headers):
                discarded.add(origin)
            elif origin is not None:
                redriven[origin] = max(position, redriven.get(origin, position))
        for record in read_topics((dead_letter_topic,)):
            origin = _origin(record)
            if origin is not None and (record.position.partition, record.position.offset) not in decided:
                dead.add(origin)
    return DeadLetterStates(dead, discarded, redriven, retried)


def _origin(record: LogRecord) -> PackedPosition | None:
    origin = dead_letters.parse(record.headers).origin
    return pack(*origin) if origin is not None else None
