"""What became of a group's dead letters: undecided, discarded, or sent to it once more.

Read from the log alone: a decision is a record on the group's retry topic (schemas/decisions.py). A discard
carries where its record first came from, so it is known after the dead letter itself was cleaned.

I/O: Kafka (reads dead-letter and retry topics), SQLite (a temporary database).
"""

from collections.abc import Callable, Iterable, Iterator

from clients.log_reader import LogRecord
from databases.scratch import position_set
from operations.verify.workspace import Workspace
from schemas import dead_letters, decisions, topics
from schemas.errors import Position
from schemas.topics import retry_topic

ReadTopics = Callable[[tuple[str, ...]], Iterator[LogRecord]]
"""Reads topics to their ends as they are now."""


def read(workspace: Workspace, group: str, sources: Iterable[str], read_topics: ReadTopics) -> int:
    """Write down a group's dead letters and what was decided about them; how many are undecided.

    The decisions first: a letter that is decided in between counts as undecided, as it was a moment ago. The
    other way round, a letter that came in between could be missing with its decision there.

    Args:
        workspace: where.
        group: whose.
        sources: the topics that it reads.
        read_topics: see `ReadTopics`.
    """
    return sum(_read(workspace, group, source, read_topics) for source in sources)


def _read(workspace: Workspace, group: str, source: str, read_topics: ReadTopics) -> int:
    dead_letter_topic = topics.dead_letter_topic(group, source)
    undecided = 0
    with position_set() as decided:
        for record in read_topics((retry_topic(group, source),)):
            workspace.add_retried(record.position)
            letter = decisions.decided_letter(record.headers, dead_letter_topic)
            if letter is None:
                continue
            decided.add(Position(dead_letter_topic, *letter))
            origin = _origin(record)
            if origin is not None and decisions.is_discard(record.headers):
                workspace.add_failure(group, origin, "discarded")
            elif origin is not None:
                workspace.add_failure(group, origin, "redriven", record.position)
        for record in read_topics((dead_letter_topic,)):
            if record.position in decided:
                continue
            undecided += 1
            origin = _origin(record)
            if origin is not None:
                workspace.add_failure(group, origin, "dead")
    return undecided


def _origin(record: LogRecord) -> Position | None:
    return dead_letters.parse(record.headers).origin
