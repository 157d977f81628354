"""The differences between a cluster's topics and the catalogue, and which of them may be fixed. Pure.

The rule: a setting is changed only where the change keeps more (longer retention, no compaction, larger
records). Everything else, partition counts and replication first of all, is a difference that is reported:
fixing it would delete data, move keys to other partitions, or undo what an operator did on purpose.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clients.admin import TopicState
from schemas.topics import Topic

_UNLIMITED = -1
_NUMBERS = ("retention.ms", "retention.bytes", "max.message.bytes")


class Difference(NamedTuple):
    """One property in which a topic differs from the catalogue.

    Attributes:
        topic: its name.
        what: `partitions`, `replication`, or the name of a topic setting.
        wanted, actual: values as text.
    """

    topic: str
    what: str
    wanted: str
    actual: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.actual}, wanted {self.wanted}"


class TopicPlan(NamedTuple):
    """What to create, change and report.

    Attributes:
        missing: topics to create.
        fixable: settings to change, because the change keeps more.
        differs: what is only reported.
    """

    missing: tuple[Topic, ...]
    fixable: tuple[Difference, ...]
    differs: tuple[Difference, ...]


def plan(
    wanted: Sequence[Topic],
    states: Mapping[str, TopicState],
    settings: Mapping[str, Mapping[str, str]],
    replication: int,
) -> TopicPlan:
    """Compare the cluster with the catalogue.

    Args:
        wanted: the catalogue.
        states: the cluster's topics by name.
        settings: per topic that is there, its settings; one that is not named counts as right.
        replication: what the broker gives a new topic.
    """
    differences = [
        difference
        for topic in wanted
        if topic.name in states
        for difference in _differences(topic, states[topic.name], settings.get(topic.name, {}), replication)
    ]
    return TopicPlan(
        tuple(topic for topic in wanted if topic.name not in states),
        tuple(difference for difference in differences if keeps_more(difference)),
        tuple(difference for difference in differences if not keeps_more(difference)),
    )


def keeps_more(difference: Difference) -> bool:
    """Whether giving the topic what is wanted can neither delete nor refuse anything."""
    if difference.what == "cleanup.policy":
        # Unlimited retention is part of the catalogue, so `delete` deletes nothing; compaction does.
        return difference.wanted == "delete"
    if difference.what == "message.timestamp.type":
        return True
    if difference.what not in _NUMBERS:
        return False
    try:
        target, actual = int(difference.wanted), int(difference.actual)
    except ValueError:
        return False
    return target == _UNLIMITED or (actual != _UNLIMITED and target > actual)


def _differences(
    topic: Topic, state: TopicState, settings: Mapping[str, str], replication: int
) -> list[Difference]:
    differences = []
    if state.partitions != topic.partitions:
        differences.append(Difference(topic.name, "partitions", str(topic.partitions), str(state.partitions)))
    if state.replication < replication:
        differences.append(
            Difference(topic.name, "replication", f"at least {replication}", str(state.replication))
        )
    differences += [
        Difference(topic.name, name, value, settings[name])
        for name, value in topic.config.items()
        if settings.get(name, value) != value
    ]
    return differences
