"""A list of brokers' addresses, and whether anybody knows their hosts. No name is looked up for real."""

import socket

import pytest

from clients.hosts import hosts_of, require_known_host
from schemas.errors import BrokerUnreachable

KNOWN = {"kafka-1", "localhost"}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(host: str, _port: None) -> list[object]:
        if host not in KNOWN:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize(
    ("bootstrap", "hosts"),
    [
        ("kafka-1:9092", ["kafka-1"]),
        ("kafka_1", ["kafka_1"]),
        (" kafka-1.example:9092 , 10.0.0.1:9093,", ["kafka-1.example", "10.0.0.1"]),
        ("SASL_SSL://kafka-1:9092,[::1]:9092", ["kafka-1", "::1"]),
        ("", []),
    ],
)
def test_hosts_are_found_in_what_librdkafka_takes(bootstrap: str, hosts: list[str]) -> None:
    assert hosts_of(bootstrap) == hosts


@pytest.mark.parametrize(
    "bootstrap", ["http://kafka-1:9092", "kafka-1:port", "kafka-1:9092/x", "u:hunter2@kafka-1:9092", "a b"]
)
def test_what_is_no_address_is_refused_and_not_repeated(bootstrap: str) -> None:
    with pytest.raises(ValueError, match=r"looks like kafka-1\.example:9092") as refused:
        hosts_of(f"kafka-2:9092,{bootstrap}")
    assert "address 2" in str(refused.value)
    assert bootstrap not in str(refused.value)


def test_a_list_of_names_that_nobody_knows_fails_and_one_that_is_known_is_enough() -> None:
    with pytest.raises(BrokerUnreachable, match="no host is known by the names kafka-7, kafka-8"):
        require_known_host("kafka-7:9092,kafka-8:9092")
    require_known_host("kafka-7:9092,kafka-1:9092")
