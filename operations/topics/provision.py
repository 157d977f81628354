"""Making the cluster's topics match the catalogue, and describing them.

Promises: nothing is deleted and no partition count changes (`plan` says what may be fixed); two
creators at once are fine; when `create` returns, every topic answers from its leaders.

I/O: Kafka (admin client), and the schema registry where there is one.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names that it imports without __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from clients.admin import Admin, TopicState, Watermarks, partitions_of
from clients.config import Cluster
from clients.deadline import Deadline
from operations.topics.plan import Difference, TopicPlan, plan
from schemas.errors import CommandEventError, DeadlinePassed, OperationFailed, UsageError
from schemas.registry import Registry
from schemas.suggestions import did_you_mean
from schemas.topics import Topic

READY_S = 30.0
_POLL_INTERVAL_S = 0.1
_BROKER_DEFAULT = -1


class CreationResult(NamedTuple):
    """What `create` changed.

    Attributes:
        created: topics that were missing.
        mended: settings that were changed, as they were before.
        differs: differences that stay.
        subjects: schemas registered, as topic and record name; empty without a registry.
    """

    created: tuple[str, ...]
    mended: tuple[Difference, ...]
    differs: tuple[Difference, ...]
    subjects: tuple[tuple[str, str], ...]


class TopicDescription(NamedTuple):
    """One topic of the catalogue, and how the cluster has it.

    Attributes:
        topic: its line in the catalogue.
        state: None if the cluster does not have it.
        watermarks: per partition number, where it begins and ends.
        differs: its differences from the catalogue.
    """

    topic: Topic
    state: TopicState | None
    watermarks: dict[int, Watermarks]
    differs: tuple[Difference, ...]

    @property
    def records_max(self) -> int | None:
        """High minus low watermark over all partitions, transaction markers included; None if missing."""
        if self.state is None:
            return None
        return sum(marks.high - marks.low for marks in self.watermarks.values())


def create(
    cluster: Cluster,
    wanted: Sequence[Topic],
    registry: Registry | None = None,
    *,
    ready_s: float = READY_S,
    starting_s: float = 0,
) -> CreationResult:
    """Make the cluster's topics match.

    Args:
        cluster: where.
        wanted: what must be there.
        registry: where the schemas of every version are registered, oldest first, or None.
        ready_s: how long new topics may take to answer, seconds.
        starting_s: how long a broker that has just been started may still be silent or without leaders, where
            the machine is busy; meanwhile everything is asked again.

    Raises:
        BrokerUnreachable, RegistryUnreachable: nobody answered.
        OperationFailed: the broker refused a topic; the message names it.
        DeadlinePassed: a topic has no leader in time.
    """
    deadline = Deadline(starting_s)
    while True:
        try:
            return _create_missing(Admin(cluster), wanted, registry, max(ready_s, deadline.left))
        except CommandEventError as error:
            if not error.retriable or deadline.passed:
                raise
        time.sleep(_POLL_INTERVAL_S)


def _create_missing(
    admin: Admin, wanted: Sequence[Topic], registry: Registry | None, ready_s: float
) -> CreationResult:
    comparison = examine(admin, wanted)
    created = _create(admin, comparison.missing)
    _fix(admin, comparison.fixable)
    if created or comparison.missing:
        _wait(admin, [topic.name for topic in wanted], ready_s)
    subjects = _register(registry, wanted) if registry is not None else ()
    differs = comparison.differs
    if len(created) < len(comparison.missing):
        # Another creator was faster: compare what it created.
        differs = examine(admin, wanted).differs
    return CreationResult(created, comparison.fixable, differs, subjects)


def examine(admin: Admin, wanted: Sequence[Topic]) -> TopicPlan:
    """Compare the cluster with the catalogue; changes nothing.

    Raises:
        BrokerUnreachable, OperationFailed.
    """
    states = admin.topics()
    settings = _settings(admin, [topic.name for topic in wanted if topic.name in states])
    return plan(wanted, states, settings, _default_replication(admin))


def describe(
    cluster: Cluster, wanted: Sequence[Topic], *, admin: Admin | None = None
) -> list[TopicDescription]:
    """Every wanted topic as the cluster has it, in the order given.

    Raises:
        BrokerUnreachable, OperationFailed.
    """
    admin = admin or Admin(cluster)
    comparison = examine(admin, wanted)
    states = admin.topics()
    watermarks = admin.watermarks(partitions_of(states, [topic.name for topic in wanted]))
    differs = [*comparison.fixable, *comparison.differs]
    return [
        TopicDescription(
            topic,
            states.get(topic.name),
            {number: marks for (name, number), marks in watermarks.items() if name == topic.name},
            tuple(difference for difference in differs if difference.topic == topic.name),
        )
        for topic in wanted
    ]


def find_topic(wanted: Sequence[Topic], name: str) -> Topic:
    """The topic of that name.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    for topic in wanted:
        if topic.name == name:
            return topic
    meant = did_you_mean(name, [topic.name for topic in wanted]) or "; `cev topics list` shows them all"
    raise UsageError(f"cev uses no topic {name!r}{meant}")


def _create(admin: Admin, missing: Sequence[Topic]) -> tuple[str, ...]:
    if not missing:
        return ()
    futures = admin.client.create_topics(
        [
            NewTopic(topic.name, topic.partitions, replication_factor=_BROKER_DEFAULT, config=topic.config)
            for topic in missing
        ],
        request_timeout=admin.timeout_s,
    )
    created: list[str] = []
    refused: list[tuple[str, CommandEventError]] = []
    for name, future in futures.items():
        try:
            future.result(admin.timeout_s + 1)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                refused.append((name, admin.fault(error)))
        else:
            created.append(name)
    for _, fault in refused:
        if fault.retriable:
            raise fault
    if refused:
        raise OperationFailed(f"not created: {'; '.join(f'{name} ({fault})' for name, fault in refused)}")
    return tuple(created)


def _fix(admin: Admin, differences: Sequence[Difference]) -> None:
    resources: dict[str, ConfigResource] = {}
    for difference in differences:
        resource = resources.setdefault(
            difference.topic, ConfigResource(ResourceType.TOPIC, difference.topic)
        )
        resource.add_incremental_config(
            ConfigEntry(difference.what, difference.wanted, incremental_operation=AlterConfigOpType.SET)
        )
    if resources:
        futures = admin.client.incremental_alter_configs(
            list(resources.values()), request_timeout=admin.timeout_s
        )
        for future in futures.values():
            admin.answer(future)


def _wait(admin: Admin, names: Sequence[str], ready_s: float) -> None:
    """Until every partition's leader answers a question about it: metadata alone comes too early."""
    deadline = time.monotonic() + ready_s
    while True:
        states = admin.topics()
        late = [name for name in names if name not in states or states[name].leaderless]
        if not late:
            admin.watermarks(partitions_of(states, names))
            return
        if time.monotonic() > deadline:
            raise DeadlinePassed(
                f"no leader after {ready_s:g} s: {', '.join(late)}; are all brokers up? (`cev status`)"
            )
        time.sleep(_POLL_INTERVAL_S)


def _register(registry: Registry, wanted: Sequence[Topic]) -> tuple[tuple[str, str], ...]:
    subjects = tuple((topic.name, record) for topic in wanted for record in topic.records)
    for topic, record in subjects:
        registry.register(topic, record)
    return tuple((topic, record.__name__) for topic, record in subjects)


def _settings(admin: Admin, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    return _configs(admin, resources)


def _default_replication(admin: Admin) -> int:
    """What a new topic gets; 1 where the broker does not say."""
    any_broker = ConfigResource(ResourceType.BROKER, str(admin.brokers().ids[0]))
    for settings in _configs(admin, [any_broker]).values():
        return int(settings.get("default.replication.factor", "1"))
    return 1


def _configs(admin: Admin, resources: list[ConfigResource]) -> dict[str, dict[str, str]]:
    if not resources:
        return {}
    futures = admin.client.describe_configs(resources, request_timeout=admin.timeout_s)
    return {
        resource.name: {key: entry.value or "" for key, entry in admin.answer(future).items()}
        for resource, future in futures.items()
    }
