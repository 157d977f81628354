"""What may be mended about a topic, and what is only reported."""

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from clients.admin import Admin, TopicState
from clients.config import Cluster
from operations.topics import provision
from operations.topics.plan import Difference, keeps_more, plan
from operations.topics.provision import find_topic
from schemas.errors import CommandEventError, LeaderUnavailable, OperationFailed, UsageError
from schemas.topics import CATALOGUE, ORDERS, Kind, Topic

TOPIC = Topic(name="t", kind=Kind.FACT, records=(), owner="o", partitions=6)
RIGHT = TopicState(partitions=6, replication=1, leaderless=())


def test_a_topic_as_the_catalogue_wants_it_needs_nothing() -> None:
    assert plan([TOPIC], {"t": RIGHT}, {"t": TOPIC.config}, 1) == ((), (), ())


def test_a_missing_topic_is_to_be_created() -> None:
    assert plan([TOPIC], {"other": RIGHT}, {}, 1).missing == (TOPIC,)


def test_another_partition_count_is_reported_and_never_mended() -> None:
    todo = plan([TOPIC], {"t": RIGHT._replace(partitions=3)}, {"t": TOPIC.config}, 1)
    assert todo.differs == (Difference("t", "partitions", "6", "3"),)
    assert todo.fixable == ()


def test_fewer_replicas_than_the_broker_gives_are_reported() -> None:
    [difference] = plan([TOPIC], {"t": RIGHT}, {"t": TOPIC.config}, 3).differs
    assert str(difference) == "t: replication is 1, wanted at least 3"


def test_more_replicas_than_the_broker_gives_are_fine() -> None:
    assert plan([TOPIC], {"t": RIGHT._replace(replication=3)}, {"t": TOPIC.config}, 1).differs == ()


@pytest.mark.parametrize(
    ("what", "wanted", "found", "mends"),
    [
        ("retention.ms", "-1", "604800000", True),
        ("retention.bytes", "-1", "1000", True),
        ("retention.ms", "1000", "-1", False),
        ("cleanup.policy", "delete", "compact", True),
        ("cleanup.policy", "delete", "compact,delete", True),
        ("cleanup.policy", "compact", "delete", False),
        ("max.message.bytes", "8388608", "1048588", True),
        ("max.message.bytes", "1048588", "8388608", False),
        ("retention.ms", "-1", "", False),
        ("partitions", "6", "3", False),
        ("replication", "3", "1", False),
    ],
)
def test_only_a_change_that_keeps_more_is_made(what: str, wanted: str, found: str, mends: bool) -> None:  # noqa: FBT001 - a table of cases
    assert keeps_more(Difference("t", what, wanted, found)) is mends


def test_an_unknown_topic_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match="did you mean orders"):
        find_topic(CATALOGUE, "order")


def test_a_known_topic_name_is_found() -> None:
    assert find_topic(CATALOGUE, ORDERS).name == ORDERS


def answers(*codes: int) -> Callable[[Admin], dict[str, TopicState]]:
    """A broker that answers each question with the next of these errors."""
    left = iter(codes)

    def topics(admin: Admin) -> dict[str, TopicState]:
        raise admin.fault(KafkaException(KafkaError(next(left))))

    return topics


@pytest.mark.parametrize(
    ("starting_s", "error"), [(0, LeaderUnavailable), (60, OperationFailed)], ids=["running", "starting"]
)
def test_a_broker_that_is_starting_is_asked_until_leaders_are_found_or_it_refuses(
    monkeypatch: pytest.MonkeyPatch, starting_s: float, error: type[CommandEventError]
) -> None:
    passing = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REQUEST_TIMED_OUT, KafkaError.NOT_CONTROLLER)
    monkeypatch.setattr(Admin, "topics", answers(*passing, KafkaError.TOPIC_AUTHORIZATION_FAILED))
    with pytest.raises(error):
        provision.create(Cluster(bootstrap="127.0.0.1:1"), [TOPIC], starting_s=starting_s)
