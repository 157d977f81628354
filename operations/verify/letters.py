"""What became of a group's dead letters: undecided, discarded, or sent to it once more.

Read from the log alone: a decision is a record on the group's retry topic (operations/decision.py). A discard
carries where its record first came from, so it is known after the dead letter itself was cleaned.

I/O: Kafka (reads dead-letter and retry topics).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from operations import dead_letter, decision
from operations.decided import Decided
from operations.logs import Entry
from operations.verify.evidence import Place, place
from schemas.topics import dead_letters, retries

Entries = Callable[[tuple[str, ...]], Iterator[Entry]]
"""Reads topics to their ends as they are now."""


class Fates(NamedTuple):
    """The dead letters of one group, by the first origin of each.

    Attributes:
        dead: somebody must decide about one of these.
        discarded: one was discarded.
        redriven: one was sent again; the last place on the retry topic where it lies.
        retried: places of everything on the retry topics, whoever wrote it.
    """

    dead: AbstractSet[Place]
    discarded: AbstractSet[Place]
    redriven: Mapping[Place, Place]
    retried: AbstractSet[Place]


def read(group: str, sources: Iterable[str], entries: Entries) -> Fates:
    """Read a group's dead letters and what was decided about them.

    The decisions first: a letter that is decided in between counts as undecided, as it was a moment ago. The
    other way round, a letter that came in between could be missing with its decision there.

    Args:
        group: whose.
        sources: the topics that it reads.
        entries: see `Entries`.
    """
    dead: set[Place] = set()
    discarded: set[Place] = set()
    redriven: dict[Place, Place] = {}
    retried: set[Place] = set()
    for source in sources:
        letters = dead_letters(group, source)
        known = Decided()
        for entry in entries((retries(group, source),)):
            where = place(*entry.position)
            retried.add(where)
            about = decision.decides(entry.headers, letters)
            if about is None:
                continue
            known.add(*about)
            origin = _origin(entry)
            if origin is not None and decision.is_discard(entry.headers):
                discarded.add(origin)
            elif origin is not None:
                redriven[origin] = max(where, redriven.get(origin, where))
        for entry in entries((letters,)):
            origin = _origin(entry)
            if origin is not None and entry.position[1:] not in known:
                dead.add(origin)
    return Fates(dead, discarded, redriven, retried)


def _origin(entry: Entry) -> Place | None:
    origin = dead_letter.parse(entry.headers).origin
    return place(*origin) if origin is not None else None
