"""Which group must be there to handle which topic, in the mode and flow in force. Pure."""

from collections.abc import Sequence

from operations.status.stores import Reader
from producers.mode.audience import audience
from schemas.control import Mode, ModeChanged
from schemas.topics import Kind, Topic


def must_handle_of(
    catalogue: Sequence[Topic], readers: Sequence[Reader], change: ModeChanged | None
) -> dict[tuple[str, str], bool]:
    """Pairs of group and topic where somebody must be, each with whether that is so before it ever came.

    Args:
        catalogue: every topic.
        readers: the registered reactions.
        change: the mode in force; None where it cannot be read.
    """
    as_facts = change is not None and change.mode == Mode.EVENT
    acting = audience(change.mode, change.flow).items() if change is not None else ()
    return {
        (reader.group, topic.name): as_facts or topic.kind is Kind.COMMAND
        for reader in readers
        for topic in catalogue
        if topic.name in reader.reads
        and (topic.kind is Kind.COMMAND or reader.replaces or (reader.group, topic.name) in acting)
    }
