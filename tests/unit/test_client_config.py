"""How every client behaves: what the guarantees need is there, and no wish is dropped in silence."""

from dataclasses import replace

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from clients.config import (
    MAX_MESSAGE_BYTES,
    OWNED,
    TRANSACTION_TIMEOUT_MS,
    Cluster,
    GroupProtocol,
    check_kafka,
)
from schemas.topics import MAX_DEAD_LETTER_BYTES

CLUSTER = Cluster(bootstrap="127.0.0.1:1")
CLASSIC = Cluster(bootstrap="127.0.0.1:1", group_protocol="classic")
KINDS = {
    "admin": CLUSTER.admin(),
    "producer": CLUSTER.producer(),
    "transactional": CLUSTER.transactional_producer("t"),
    "consumer": CLUSTER.consumer("g"),
    "classic consumer": CLASSIC.consumer("g"),
    "reader": CLUSTER.reader(),
}


def made_with(wish: dict[str, str]) -> list[dict[str, object]]:
    protocols: tuple[GroupProtocol, ...] = ("consumer", "classic")
    found: list[dict[str, object]] = []
    for protocol in protocols:
        cluster = Cluster(bootstrap="127.0.0.1:1", kafka=wish, group_protocol=protocol)
        found += [
            cluster.admin(),
            cluster.producer(),
            cluster.transactional_producer("t"),
            cluster.consumer("g"),
            cluster.reader(),
        ]
    return found


def test_owned_settings_are_the_designs() -> None:
    assert {
        "group.id",
        "enable.auto.commit",
        "auto.offset.reset",
        "isolation.level",
        "acks",
        "enable.idempotence",
        "transactional.id",
        "partitioner",
    } == OWNED


@pytest.mark.parametrize("key", sorted({key for config in KINDS.values() for key in config}))
def test_a_setting_of_ours_is_either_refused_or_the_users_to_change(key: str) -> None:
    """Design §8: never overridden in silence."""
    if not check_kafka({key: "1"}):
        assert [config[key] for config in made_with({key: "1"})] == ["1"] * 10


def test_a_setting_that_we_never_touch_reaches_every_client() -> None:
    for config in made_with({"security.protocol": "SSL", "client.id": "shop"}):
        assert config["security.protocol"] == "SSL"
        assert config["client.id"] == "shop"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("acks", "the program's own"),
        ("request.required.acks", "the program's own"),
        ("message.max.bytes", "the program's own"),
        ("bootstrap.servers", "use --bootstrap-servers"),
        ("metadata.broker.list", "use --bootstrap-servers"),
        ("group.protocol", "use CEV_GROUP_PROTOCOL"),
        ("message.timeout.ms", "delivery.timeout.ms"),
        ("", "no name"),
    ],
)
def test_a_refusal_says_which_setting_and_what_to_use_instead(key: str, words: str) -> None:
    (fault,) = check_kafka({key: "x", "client.id": "fine"})
    assert key in fault
    assert words in fault


def test_every_refused_setting_is_named() -> None:
    faults = check_kafka(dict.fromkeys(OWNED, "x"))
    assert len(faults) == len(OWNED)
    assert all(any(f" {key} " in fault for fault in faults) for key in OWNED)


def test_a_producer_loses_nothing_doubles_nothing_and_partitions_as_java_does() -> None:
    for config in (CLUSTER.producer(), CLUSTER.transactional_producer("t")):
        assert config["acks"] == "all"
        assert config["enable.idempotence"] is True
        assert config["partitioner"] == "murmur2_random"


def test_a_transaction_ends_with_its_producer_after_five_seconds() -> None:
    config = CLUSTER.transactional_producer("cev-warehouse-0")
    assert config["transactional.id"] == "cev-warehouse-0"
    assert config["transaction.timeout.ms"] == TRANSACTION_TIMEOUT_MS == 5_000
    assert config["delivery.timeout.ms"] == 5_000


def test_a_transactional_producer_keeps_idle_connections_and_the_brokers_that_it_knows() -> None:
    config = CLUSTER.transactional_producer("t")
    assert "connections.max.idle.ms" not in config
    assert config["metadata.recovery.strategy"] == "none"


def test_a_group_member_does_not_storm_a_broker_that_is_gone_unless_the_user_says_so() -> None:
    assert CLUSTER.consumer("g")["reconnect.backoff.ms"] == 100
    assert CLUSTER.reader()["reconnect.backoff.ms"] == 20
    own = Cluster(bootstrap="localhost:1", kafka={"reconnect.backoff.ms": "7"})
    assert own.consumer("g")["reconnect.backoff.ms"] == "7"


@pytest.mark.parametrize("wish", ["10", "5000"])
def test_a_transactional_producer_takes_any_first_delay_of_a_reconnection(wish: str) -> None:
    cluster = Cluster(bootstrap="127.0.0.1:1", kafka={"reconnect.backoff.ms": wish})
    Producer(cluster.transactional_producer("t"))


@pytest.mark.parametrize(
    ("wish", "used"), [("3000", "3000"), ("60000", 5_000), ("0", 5_000), ("soon", "soon")]
)
def test_a_delivery_timeout_counts_as_far_as_a_transaction_lets_it(wish: str, used: str | int) -> None:
    cluster = Cluster(bootstrap="127.0.0.1:1", kafka={"delivery.timeout.ms": wish})
    assert cluster.transactional_producer("t")["delivery.timeout.ms"] == used
    assert cluster.producer()["delivery.timeout.ms"] == wish


@pytest.mark.parametrize("name", ["consumer", "classic consumer", "reader"])
def test_a_consumer_commits_by_hand_resets_nothing_and_reads_what_is_committed(name: str) -> None:
    config = KINDS[name]
    assert config["enable.auto.commit"] is False
    assert config["enable.auto.offset.store"] is False
    assert config["auto.offset.reset"] == "error"
    assert config["isolation.level"] == "read_committed"


def test_both_group_protocols_keep_equal_partitions_of_two_topics_together() -> None:
    assert KINDS["consumer"]["group.protocol"] == "consumer"
    assert KINDS["consumer"]["group.remote.assignor"] == "range"
    assert KINDS["classic consumer"]["partition.assignment.strategy"] == "range"
    assert "group.remote.assignor" not in KINDS["classic consumer"]


def test_the_largest_dead_letter_fits_through_every_producer() -> None:
    assert MAX_MESSAGE_BYTES >= MAX_DEAD_LETTER_BYTES
    assert CLUSTER.producer()["message.max.bytes"] == MAX_MESSAGE_BYTES


def test_a_callers_own_setting_comes_last() -> None:
    assert CLUSTER.producer(linger_ms=50)["linger.ms"] == 50
    assert CLUSTER.reader(**{"fetch.wait.max.ms": 7})["fetch.wait.max.ms"] == 7


def test_a_password_is_not_in_what_python_prints_of_a_cluster() -> None:
    cluster = Cluster(
        bootstrap="b:1", registry_user="u", registry_password="hunter2", kafka={"sasl.password": "hunter2"}
    )
    assert "hunter2" not in repr(cluster)


def test_librdkafka_takes_every_configuration() -> None:
    """Nobody listens on port 1; a client that is made has had its configuration checked."""
    AdminClient(KINDS["admin"])
    Producer(KINDS["producer"])
    Producer(KINDS["transactional"])
    for name in ("consumer", "classic consumer", "reader"):
        Consumer(KINDS[name]).close()


def test_a_reader_reads_ahead_little_unless_the_user_says_otherwise() -> None:
    assert CLUSTER.reader()["queued.min.messages"] <= 10_000
    assert CLUSTER.reader()["queued.max.messages.kbytes"] <= 16 * 1024
    chosen = replace(CLUSTER, kafka={"queued.min.messages": "100000"})
    assert chosen.reader()["queued.min.messages"] == "100000"
