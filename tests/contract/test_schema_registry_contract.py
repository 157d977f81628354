"""`schemas.codec.SchemaRegistry`: the one in memory and the real one keep the same promises."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Protocol
from uuid import uuid4

import pytest
from confluent_kafka.schema_registry import Schema

from schemas.avro_schemas import full_name, newest, parse, versions
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import TopicMissing, UnknownSchemaId, UnknownType
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.registry import Registry
from schemas.topics import CATALOGUE, DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS, Message
from tests.support.kafka.wire import WHERE, FakeRegistry, framed

BUY = DispatchProduct(2**63 - 1, "1 Streetford Road", 7)


class Registering(Protocol):
    """The port, and the one call that fills it."""

    def schema_of(self, schema_id: int) -> str | None: ...
    def schema_of_guid(self, guid: str) -> str | None: ...
    def id_of(self, topic: str, record: type[Message]) -> int: ...
    def register(self, topic: str, record: type[Message]) -> int: ...


@pytest.fixture(params=["in memory", "real"])
def kept(request: pytest.FixtureRequest) -> Iterator[Callable[[], Registering]]:
    """Makes a client; clients of the real registry share what is registered there, as two processes do."""
    only = FakeRegistry()
    with ExitStack() as stack:
        if request.param == "real":
            url: str = request.getfixturevalue("registry")
            yield lambda: stack.enter_context(Registry(url))
        else:
            yield lambda: only


def test_what_was_registered_is_found_under_its_id(kept: Callable[[], Registering]) -> None:
    number = kept().register(DISPATCH_PRODUCTS, DispatchProduct)
    assert kept().id_of(DISPATCH_PRODUCTS, DispatchProduct) == number
    text = kept().schema_of(number)
    assert text is not None
    assert parse(json.loads(text)) == newest(DispatchProduct).parsed


def test_registering_again_changes_nothing(kept: Callable[[], Registering]) -> None:
    assert kept().register(ORDERS, OrderPlaced) == kept().register(ORDERS, OrderPlaced)


def test_the_id_is_that_of_the_newest_version(kept: Callable[[], Registering]) -> None:
    """Producers only look up, so the last registered version is what they write."""
    number = kept().register(DISPATCH_PRODUCTS, DispatchProduct)
    value = Codec(kept()).encode(DISPATCH_PRODUCTS, BUY)
    assert value[:5] == framed(number, b"")
    assert len(versions(DispatchProduct)) > 1


def test_ids_differ_between_types(kept: Callable[[], Registering]) -> None:
    registry = kept()
    homes = [(record, topic.name) for topic in CATALOGUE for record in topic.records]
    ids = {(record, registry.register(topic, record)) for record, topic in homes}
    assert len(ids) == len({schema_id for _, schema_id in ids}) == len({record for record, _ in homes})


@pytest.mark.parametrize("number", [987_654, 2**31 - 1, 2**31, 2**32 - 1])
def test_an_id_that_nobody_registered_is_none_and_no_outage(
    kept: Callable[[], Registering], number: int
) -> None:
    """Any four bytes can stand in a frame; only a registry that is down may stop a partition."""
    assert kept().schema_of(number) is None
    with pytest.raises(UnknownSchemaId, match=str(number)):
        Codec(kept()).decode(DISPATCH_PRODUCTS, encode_key(1), framed(number, b"\x00"), WHERE)


def test_an_id_that_was_unknown_is_found_once_it_is_registered(kept: Callable[[], Registering]) -> None:
    """A consumer asks again and again: neither the codec nor the client may keep an old no."""
    registry, another = kept(), kept()
    last = max(registry.register(topic.name, record) for topic in CATALOGUE for record in topic.records)
    soon = [number for number in range(last + 1, last + 60) if another.schema_of(number) is None]
    codec = Codec(another)
    for number in soon:
        with pytest.raises(UnknownSchemaId):
            codec.decode(ORDERS, encode_key(1), framed(number, b""), WHERE)
    given = _register_another(registry)
    assert given in soon
    assert another.schema_of(given) is not None
    with pytest.raises(UnknownType):
        codec.decode(ORDERS, encode_key(1), framed(given, b""), WHERE)


def _register_another(registry: Registering) -> int:
    """Somebody else's schema, new to the registry; its id."""
    text = json.dumps({"type": "record", "name": f"Late{uuid4().hex}", "fields": []})
    if isinstance(registry, FakeRegistry):
        return registry.add(text)
    assert isinstance(registry, Registry)
    return registry._client.register_schema(f"late-{uuid4().hex}", Schema(text, "AVRO"))


def test_a_guid_that_nobody_registered_is_none_and_no_outage(kept: Callable[[], Registering]) -> None:
    assert kept().schema_of_guid(str(uuid4())) is None


def test_id_zero_is_none(kept: Callable[[], Registering]) -> None:
    assert kept().schema_of(0) is None


def test_a_type_that_is_not_registered_for_a_topic_is_missing_and_says_what_creates_it(
    kept: Callable[[], Registering],
) -> None:
    kept().register(DISPATCH_PRODUCTS, DispatchProduct)
    for topic, record in ((DISPATCH_RESULTS, DispatchProduct), ("nowhere", OrderPlaced)):
        registry = kept()
        with pytest.raises(TopicMissing, match="cev topics create") as caught:
            registry.id_of(topic, record)
        assert f"{topic}-{full_name(record)}" in str(caught.value)


def test_every_message_goes_from_one_process_to_another(kept: Callable[[], Registering]) -> None:
    kept().register(DISPATCH_PRODUCTS, DispatchProduct)
    value = Codec(kept()).encode(DISPATCH_PRODUCTS, BUY)
    assert Codec(kept()).decode(DISPATCH_PRODUCTS, encode_key(BUY.order_id), value, WHERE) == BUY
