"""What a shell completes: reactions, groups, topics and states of orders, from the program's own tables.

Nothing is asked of a cluster, so a completion needs none and does not wait for one.
"""


def reaction_names(incomplete: str) -> list[str]:
    """The reactions that begin so; a group has the name of its reaction."""
    from consumers.registry import REACTIONS  # noqa: PLC0415 - loaded when a shell asks

    return [reaction.name for reaction in REACTIONS if reaction.name.startswith(incomplete)]


def topic_names(incomplete: str) -> list[str]:
    """The topics of the catalogue that begin so, dead-letter and retry topics included."""
    from consumers.registry import all_topics  # noqa: PLC0415 - the same

    return [topic.name for topic in all_topics() if topic.name.startswith(incomplete)]


def order_statuses(incomplete: str) -> list[str]:
    """What an order can be called, with hyphens for blanks, that begins so."""
    from consumers.flows.order_view import STATUSES  # noqa: PLC0415 - the same

    names = [status.replace(" ", "-") for status in STATUSES]
    return [name for name in names if name.startswith(incomplete)]
