"""What librdkafka would refuse later is refused at the start, and named. Nothing connects."""

import pytest

from clients.config_check import kafka_faults
from producers.connection import cluster_and_codec
from schemas.errors import InvalidSetting


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("acks", "1", "kafka setting acks is the program's own"),
        ("sasl.pasword", "x", "librdkafka has no setting sasl.pasword; did you mean sasl.password?"),
        ("banana", "x", "librdkafka has no setting banana"),
        ("security.protocol", "TLS", "kafka setting security.protocol cannot be TLS"),
        ("socket.timeout.ms", "soon", "kafka setting socket.timeout.ms cannot be soon"),
        ("socket.timeout.ms", "1", "kafka setting socket.timeout.ms is 1, and must be from 10 to 300000"),
        (
            "socket.keepalive.enable",
            "maybe",
            "kafka setting socket.keepalive.enable is true or false, not maybe",
        ),
        (
            "ssl.ca.location",
            "/nowhere/ca.pem",
            "kafka setting ssl.ca.location: there is no file /nowhere/ca.pem",
        ),
        ("error_cb", "print", "kafka setting error_cb is a function, which only a program can give"),
        ("logger", "print", "kafka setting logger is a function, which only a program can give"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_the_reason(key: str, value: str, fault: str) -> None:
    (found,) = kafka_faults({key: value, "client.id": "shop"}, "consumer")
    assert found.keys == (key,)
    assert found.text.startswith(fault)


@pytest.mark.parametrize(
    ("kafka", "keys", "word"),
    [
        ({"session.timeout.ms": "6000"}, ("session.timeout.ms",), "CEV_GROUP_PROTOCOL=classic"),
        ({"max.in.flight": "7"}, ("max.in.flight",), "enable.idempotence"),
        ({"security.protocol": "SASL_SSL"}, ("security.protocol",), "sasl.mechanism is missing"),
        (
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"},
            ("sasl.mechanism", "security.protocol"),
            "sasl.username and sasl.password must be set",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_named_and_no_others(
    kafka: dict[str, str], keys: tuple[str, ...], word: str
) -> None:
    (found,) = kafka_faults({**kafka, "client.id": "shop"}, "consumer")
    assert found.keys == keys
    assert word in found.text


def test_settings_that_go_together_are_no_fault() -> None:
    secure = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "shop",
        "sasl.password": "secret",
        "linger.ms": "10",
    }
    assert kafka_faults(secure, "consumer") == []
    assert kafka_faults({"session.timeout.ms": "6000"}, "classic") == []
    assert kafka_faults({"ssl.ca.location": "probe"}, "consumer") == []


def test_an_order_service_hears_of_a_wrong_setting_as_a_fault_of_settings() -> None:
    with pytest.raises(InvalidSetting, match=r"did you mean security\.protocol"):
        cluster_and_codec("127.0.0.1:1", registry=None, kafka={"securty.protocol": "SSL"})
