"""Topics on a real broker: created, mended where that keeps more, otherwise only reported."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public names that it imports without __all__
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from clients.admin import Admin
from clients.config import Cluster
from operations.topics import provision
from schemas.errors import BrokerUnreachable, OperationFailed
from schemas.registry import Registry, subject
from schemas.topics import CATALOGUE, ORDERS, Kind, Topic
from tests.support.kafka.broker import BrokerFixture
from tests.support.kafka.log import until


def fresh(partitions: int = 2, kind: Kind = Kind.FACT) -> Topic:
    return Topic(name=f"t-{uuid4().hex}", kind=kind, records=(), owner="o", partitions=partitions)


def alter(admin: Admin, topic: Topic, name: str, value: str) -> None:
    resource = ConfigResource(ResourceType.TOPIC, topic.name)
    resource.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
    for future in admin.client.incremental_alter_configs([resource]).values():
        future.result(10)
    # The controller has it when it answers, the broker a moment later.
    until(lambda: configured(admin, topic, name) == value, f"{name} is {value}")


def configured(admin: Admin, topic: Topic, name: str) -> str:
    [told] = admin.client.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name)]).values()
    return str(told.result(10)[name].value)


def differing(here: Cluster, topic: Topic) -> list[str]:
    """The settings of a topic that are not as the catalogue wants them."""
    [described] = provision.describe(here, [topic])
    return [each.what for each in described.differs]


@pytest.fixture
def here(cluster: BrokerFixture) -> Cluster:
    return Cluster(bootstrap=cluster.bootstrap)


def test_missing_topics_are_created_with_their_settings_and_answer_at_once(here: Cluster) -> None:
    wanted = [fresh(3), fresh(1, Kind.DEAD_LETTER)]
    assert provision.create(here, wanted).created == tuple(topic.name for topic in wanted)
    described = provision.describe(here, wanted)
    assert [each.state.partitions for each in described if each.state] == [3, 1]
    assert all(each.differs == () and each.records_max == 0 for each in described)


def test_a_second_run_changes_nothing(here: Cluster) -> None:
    wanted = [fresh()]
    provision.create(here, wanted)
    assert provision.create(here, wanted) == ((), (), (), ())


def test_two_creators_at_once_are_fine(here: Cluster) -> None:
    wanted = [fresh() for _ in range(5)]
    with ThreadPoolExecutor(4) as pool:
        made = [
            future.result(60) for future in [pool.submit(provision.create, here, wanted) for _ in range(4)]
        ]
    assert sorted(name for each in made for name in each.created) == sorted(topic.name for topic in wanted)
    assert all(each.differs == () for each in made)


def test_shorter_retention_is_lengthened_and_larger_limits_are_only_reported(here: Cluster) -> None:
    topic, admin = fresh(), Admin(here)
    provision.create(here, [topic])
    alter(admin, topic, "retention.ms", "1000000")
    alter(admin, topic, "max.message.bytes", "2000000")
    made = provision.create(here, [topic])
    assert [(each.what, each.actual) for each in made.mended] == [("retention.ms", "1000000")]
    assert [each.what for each in made.differs] == ["max.message.bytes"]
    until(lambda: differing(here, topic) == ["max.message.bytes"], "what was mended differs no more")


def test_another_partition_count_is_reported_and_left_alone(here: Cluster) -> None:
    topic, admin = fresh(6), Admin(here)
    for future in admin.client.create_topics([NewTopic(topic.name, 2)]).values():
        future.result(10)
    made = provision.create(here, [topic])
    assert "partitions is 2, wanted 6" in [str(each).split(": ")[1] for each in made.differs]
    assert admin.topics()[topic.name].partitions == 2


def test_a_missing_topic_is_described_as_missing(here: Cluster) -> None:
    [described] = provision.describe(here, [fresh()])
    assert (described.state, described.records_max, described.watermarks) == (None, None, {})


def test_a_refused_topic_is_named(here: Cluster) -> None:
    bad = Topic(name="no/slash", kind=Kind.FACT, records=(), owner="o", partitions=1)
    with pytest.raises(OperationFailed, match="no/slash"):
        provision.create(here, [bad])


def test_nobody_there_is_said_within_the_deadline() -> None:
    with pytest.raises(BrokerUnreachable):
        Admin(Cluster(bootstrap="127.0.0.1:1"), timeout_s=1).brokers()


def test_schemas_are_registered_as_fully_compatible(here: Cluster, registry: str) -> None:
    orders = next(topic for topic in CATALOGUE if topic.name == ORDERS)
    client = Registry(registry)
    # Leaving the block closes its HTTP connections.
    with client._client as asked:
        made = provision.create(here, [orders], client)
        assert made.subjects == ((ORDERS, "OrderPlaced"),)
        assert client.id_of(ORDERS, orders.records[0]) > 0
        assert asked.get_compatibility(subject(ORDERS, orders.records[0])) == "FULL_TRANSITIVE"
        assert provision.create(here, [orders], client).subjects == made.subjects
