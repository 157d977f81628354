"""What became of a group's dead letters: undecided, discarded, or sent to it once more.

Read from the log alone: a decision is a record on the group's retry topic (schemas/decisions.py). A discard
carries where its record first came from, so it is known after the dead letter itself was cleaned.

I/O: Kafka (reads dead-letter and retry topics).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from clients.log_reader import LogRecord
from operations.dead_letters.decided import Decided
from operations.verify.evidence import PackedPosition, place
from schemas import dead_letters, decisions, topics
from schemas.topics import retries

Entries = Callable[[tuple[str, ...]], Iterator[LogRecord]]
"""Reads topics to their ends as they are now."""


class DeadLetterStates(NamedTuple):
    """The dead letters of one group, by the first origin of each.

    Attributes:
        dead: somebody must decide about one of these.
        discarded: one was discarded.
        redriven: one was sent again; the last place on the retry topic where it lies.
        retried: places of everything on the retry topics, whoever wrote it.
    """

    dead: AbstractSet[PackedPosition]
    discarded: AbstractSet[PackedPosition]
    redriven: Mapping[PackedPosition, PackedPosition]
    retried: AbstractSet[PackedPosition]


def read(group: str, sources: Iterable[str], entries: Entries) -> DeadLetterStates:
    """Read a group's dead letters and what was decided about them.

    The decisions first: a letter that is decided in between counts as undecided, as it was a moment ago. The
    other way round, a letter that came in between could be missing with its decision there.

    Args:
        group: whose.
        sources: the topics that it reads.
        entries: see `Entries`.
    """
    dead: set[PackedPosition] = set()
    discarded: set[PackedPosition] = set()
    redriven: dict[PackedPosition, PackedPosition] = {}
    retried: set[PackedPosition] = set()
    for source in sources:
        letters = topics.dead_letters(group, source)
        known = Decided()
        for entry in entries((retries(group, source),)):
            where = place(*entry.position)
            retried.add(where)
            about = decisions.decides(entry.headers, letters)
            if about is None:
                continue
            known.add(*about)
            origin = _origin(entry)
            if origin is not None and decisions.is_discard(entry.headers):
                discarded.add(origin)
            elif origin is not None:
                redriven[origin] = max(where, redriven.get(origin, where))
        for entry in entries((letters,)):
            origin = _origin(entry)
            if origin is not None and entry.position[1:] not in known:
                dead.add(origin)
    return DeadLetterStates(dead, discarded, redriven, retried)


def _origin(entry: LogRecord) -> PackedPosition | None:
    origin = dead_letters.parse(entry.headers).origin
    return place(*origin) if origin is not None else None
