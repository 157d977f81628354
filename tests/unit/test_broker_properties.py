"""server.properties for node i of n, and the ports it is made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.properties import (
    MAX_BROKERS,
    Ports,
    controllers_of,
    log_settings,
    ports_needed,
    ports_of,
    render,
    server_properties,
)

counts = st.integers(1, MAX_BROKERS)


def ports(brokers: int, first: int = 9092) -> Ports:
    return ports_of(tuple(range(first, first + ports_needed(brokers))), brokers)


@given(counts)
def test_every_process_of_a_world_has_a_port_of_its_own_and_the_brokers_come_first(brokers: int) -> None:
    dealt = ports(brokers)
    assert dealt.brokers == tuple(range(9092, 9092 + brokers))
    assert len({*dealt.brokers, *dealt.controllers, dealt.registry}) == ports_needed(brokers)


def test_a_client_is_given_all_brokers() -> None:
    assert ports(1).bootstrap() == "127.0.0.1:9092"
    assert ports(3).bootstrap() == "127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094"


@given(counts, st.data())
def test_nothing_listens_beyond_loopback(brokers: int, data: st.DataObject) -> None:
    settings = server_properties(data.draw(st.integers(1, brokers)), ports(brokers))
    for key in ("listeners", "advertised.listeners"):
        assert all("://127.0.0.1:" in listener for listener in settings[key].split(","))


@pytest.mark.parametrize(
    ("brokers", "replication", "in_sync"),
    [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (5, "3", "2")],
)
def test_with_three_brokers_one_may_be_lost(brokers: int, replication: str, in_sync: str) -> None:
    settings = server_properties(1, ports(brokers))
    replicated = [value for key, value in settings.items() if key.endswith("replication.factor")]
    assert replicated == [replication] * 4
    assert [value for key, value in settings.items() if key.endswith("min.isr")] == [in_sync] * 2
    assert settings["min.insync.replicas"] == in_sync


@given(counts)
def test_all_nodes_agree_on_who_votes(brokers: int) -> None:
    nodes = [server_properties(node, ports(brokers)) for node in range(1, brokers + 1)]
    assert len({node["controller.quorum.voters"] for node in nodes}) == 1
    voters = [node for node in nodes if "controller" in node["process.roles"]]
    assert len(voters) == controllers_of(brokers) == len(nodes[0]["controller.quorum.voters"].split(","))
    for voter in voters:
        address = voter["listeners"].split("CONTROLLER://")[1]
        assert f"{voter['node.id']}@{address}" in nodes[0]["controller.quorum.voters"].split(",")


def test_a_killed_member_is_missed_within_seconds_and_no_topic_makes_itself() -> None:
    settings = server_properties(1, ports(1))
    assert settings["group.consumer.session.timeout.ms"] == "6000"
    assert settings["transaction.abort.timed.out.transaction.cleanup.interval.ms"] == "1000"
    assert settings["auto.create.topics.enable"] == "false"


@given(counts)
def test_a_dead_broker_is_missed_within_seconds_but_not_for_one_lost_heartbeat(brokers: int) -> None:
    settings = server_properties(1, ports(brokers))
    session = int(settings["broker.session.timeout.ms"])
    assert 6 * int(settings["broker.heartbeat.interval.ms"]) <= session <= 4000


@given(counts, st.data())
def test_no_value_needs_escaping_and_no_path_is_absolute(brokers: int, data: st.DataObject) -> None:
    settings = server_properties(data.draw(st.integers(1, brokers)), ports(brokers))
    text = render(settings)
    assert "\\" not in text
    assert settings["log.dirs"] == "data"
    assert dict(line.split("=", 1) for line in text.splitlines()) == settings


def test_the_log_is_bounded() -> None:
    text = log_settings("../../logs/broker-1.log")
    assert "appender.file.fileName=../../logs/broker-1.log\n" in text
    assert "appender.file.policies.size.size=10MB\n" in text
    assert "appender.file.strategy.max=3\n" in text
