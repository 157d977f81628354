"""What a real schema registry says about our schemas: all compatible, and the incompatible refused."""

import http.server
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.avro_schemas import TYPES, newest, versions
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.control import ModeChanged
from schemas.errors import CommandEventError, FramedKey, RegistryUnreachable, SchemaRefused
from schemas.facts import DispatchExpired, DispatchRejected, Item, OrderPlaced, ProductDispatched
from schemas.framing import encode_key
from schemas.registry import Registry, subject
from schemas.topics import CATALOGUE, DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDER_MODE, ORDERS, Message
from tests.support.kafka.wire import (
    KSQL_SCHEMA,
    WHERE,
    framed,
    long_of,
    nullable_text_of,
    record_schema,
    text_of,
)

PAIRS = [(topic.name, record) for topic in CATALOGUE for record in topic.records]
EXAMPLES: list[tuple[str, Message]] = [
    (DISPATCH_PRODUCTS, DispatchProduct(-(2**63), None)),
    (ORDERS, OrderPlaced(7, "Zażółć", 1, items=(Item("tea", 2, 250),), shadow_of=(DISPATCH_PRODUCTS,))),
    (DISPATCH_RESULTS, ProductDispatched(7, "x", 1)),
    (DISPATCH_RESULTS, DispatchRejected(7, "blank", 1)),
    (DISPATCH_RESULTS, DispatchExpired(7, 1, 2)),
    (ORDER_MODE, ModeChanged(7, "event", 1, "ann@host")),
]


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    """Somebody else's client at the same registry."""
    with SchemaRegistryClient({"url": registry, "timeout": 10}) as theirs:
        yield theirs


@pytest.fixture
def ours(registry: str) -> Iterator[Registry]:
    with Registry(registry) as opened:
        yield opened


@pytest.fixture
def later(registry: str) -> Iterator[Registry]:
    """Another process, which registered nothing."""
    with Registry(registry) as opened:
        yield opened


@pytest.fixture
def topic() -> str:
    """A topic that no other test names."""
    return f"t-{uuid.uuid4().hex}"


def avro(text: object) -> Schema:
    return Schema(text if isinstance(text, str) else json.dumps(text), schema_type="AVRO")


# -- compatibility -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "record"), PAIRS)
def test_every_version_of_ours_is_fully_compatible_with_every_other(
    ours: Registry, client: SchemaRegistryClient, name: str, record: type[Message]
) -> None:
    ours.register(name, record)
    assert client.get_compatibility(subject(name, record)) == "FULL_TRANSITIVE"
    assert len(client.get_versions(subject(name, record))) == len(versions(record))


@pytest.mark.parametrize("record", [record for record in TYPES if len(versions(record)) > 1])
def test_the_registry_agrees_in_either_order(
    client: SchemaRegistryClient, record: type[Message], topic: str
) -> None:
    """Newest first: the registry then has to find the oldest compatible with what came after it."""
    name = subject(topic, record)
    newest_first = versions(record)[::-1]
    client.register_schema(name, avro(newest_first[0].text))
    client.set_compatibility(name, "FULL_TRANSITIVE")
    for version in newest_first[1:]:
        assert client.test_compatibility(name, avro(version.text))
        client.register_schema(name, avro(version.text))


@pytest.mark.parametrize(
    "changed",
    [
        record_schema({"name": "address", "type": "int"}),
        record_schema({"name": "address", "type": ["null", "string"]}, {"name": "more", "type": "string"}),
        record_schema({"name": "mode_epoch", "type": "long", "default": 0}),
    ],
    ids=["another type", "a field without a default", "a field less that had none"],
)
def test_an_incompatible_version_is_refused_by_the_registry(
    ours: Registry, client: SchemaRegistryClient, topic: str, changed: object
) -> None:
    ours.register(topic, DispatchProduct)
    name = subject(topic, DispatchProduct)
    assert not client.test_compatibility(name, avro(changed))
    with pytest.raises(SchemaRegistryError) as caught:
        client.register_schema(name, avro(changed))
    assert caught.value.http_status_code == 409


def test_registering_over_an_incompatible_schema_is_one_clear_error(
    registry: str, ours: Registry, client: SchemaRegistryClient, topic: str
) -> None:
    """Somebody was there before us, with another idea of our record."""
    name = subject(topic, DispatchProduct)
    client.register_schema(name, avro(record_schema({"name": "address", "type": "int"})))
    client.set_compatibility(name, "FULL_TRANSITIVE")
    with pytest.raises(SchemaRefused) as caught:
        ours.register(topic, DispatchProduct)
    told = str(caught.value)
    assert name in told
    assert registry in told
    assert "\n" not in told
    assert not caught.value.retriable


# -- references ---------------------------------------------------------------------------------------------


def test_an_order_whose_schema_refers_to_another_is_read(
    later: Registry, client: SchemaRegistryClient, topic: str
) -> None:
    item = json.loads(newest(OrderPlaced).text)["fields"][7]["type"]["items"] | {"namespace": "command_event"}
    names = ("order_id", "long"), ("address", "string"), ("placed_at", "long")
    order = record_schema(
        *({"name": name, "type": kind} for name, kind in names),
        {"name": "items", "type": {"type": "array", "items": "command_event.Item"}},
        name="OrderPlaced",
    )
    client.register_schema(f"{topic}-item", avro(item))
    reference = SchemaReference("command_event.Item", f"{topic}-item", 1)
    number = client.register_schema(f"{topic}-value", Schema(json.dumps(order), "AVRO", [reference]))
    body = long_of(7) + text_of("x") + long_of(9) + long_of(1) + text_of("tea") + long_of(2) + long_of(250)
    read = Codec(later).decode(ORDERS, encode_key(7), framed(number, body + b"\x00"), WHERE)
    assert read == OrderPlaced(7, "x", 9, items=(Item("tea", 2, 250),))


# -- keys --------------------------------------------------------------------------------------------------


def test_a_command_under_a_key_of_a_serializer_is_told_by_its_name(
    ours: Registry, client: SchemaRegistryClient, topic: str
) -> None:
    ours.register(topic, DispatchProduct)
    number = client.register_schema(f"{topic}-key", Schema('"long"', "AVRO"))
    codec = Codec(ours)
    value = codec.encode(topic, DispatchProduct(12004, "x"))
    key = framed(number, long_of(12004))
    assert len(key) == 8
    with pytest.raises(FramedKey, match="order 12004"):
        codec.decode(DISPATCH_PRODUCTS, key, value, WHERE)


# -- ids ---------------------------------------------------------------------------------------------------


def test_ids_are_found_by_a_client_that_registered_nothing(
    ours: Registry, later: Registry, topic: str
) -> None:
    number = ours.register(topic, DispatchProduct)
    assert later.id_of(topic, DispatchProduct) == number
    text = later.schema_of(number)
    assert text is not None
    assert json.loads(text) == json.loads(newest(DispatchProduct).text)


def test_registering_twice_at_once_gives_both_the_same_id(
    ours: Registry, later: Registry, topic: str
) -> None:
    found: list[int] = []

    def register(registry: Registry) -> None:
        found.append(registry.register(topic, DispatchProduct))

    threads = [threading.Thread(target=register, args=(each,)) for each in (ours, later)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 2
    assert len(set(found)) == 1


# -- the wire ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "message"), EXAMPLES)
def test_a_message_goes_through_the_registrys_frame(
    ours: Registry, later: Registry, name: str, message: Message
) -> None:
    number = ours.register(name, type(message))
    value = Codec(ours).encode(name, message)
    assert value[:5] == framed(number, b"")
    assert Codec(later).decode(name, encode_key(message[0]), value, WHERE) == message


def test_ksqldbs_schema_is_not_in_our_way_nor_we_in_its(ours: Registry, client: SchemaRegistryClient) -> None:
    """It keeps its schema under `<topic>-value`; ours stand under the record's name beside it."""
    theirs = client.register_schema(f"{DISPATCH_PRODUCTS}-value", avro(KSQL_SCHEMA))
    client.set_compatibility(f"{DISPATCH_PRODUCTS}-value", "FULL_TRANSITIVE")
    assert ours.register(DISPATCH_PRODUCTS, DispatchProduct) != theirs
    assert client.register_schema(f"{DISPATCH_PRODUCTS}-value", avro(KSQL_SCHEMA)) == theirs
    codec = Codec(ours)
    for address in ("1 Streetford Road", None):
        value = framed(theirs, nullable_text_of(address))
        assert codec.decode(DISPATCH_PRODUCTS, encode_key(12001), value, WHERE) == DispatchProduct(
            12001, address
        )


# -- weather -----------------------------------------------------------------------------------------------


def asked_of(url: str) -> list[tuple[str, CommandEventError]]:
    """What each call ends with, at a registry that is not in order."""
    found = []
    with Registry(url) as registry:
        calls: dict[str, Callable[[], object]] = {
            "schema_of": partial(registry.schema_of, 1),
            "id_of": partial(registry.id_of, ORDERS, OrderPlaced),
            "register": partial(registry.register, ORDERS, OrderPlaced),
        }
        for name, call in calls.items():
            with pytest.raises(CommandEventError) as caught:
                call()
            found.append((name, caught.value))
    return found


def test_a_registry_that_is_down_is_unreachable_and_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    for name, error in asked_of(url):
        assert isinstance(error, RegistryUnreachable), name
        assert url in str(error)
        assert error.exit_code == 3
        assert error.retriable


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that has one answer for everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b'{"error_code": 50001, "message": "store"}'),
        (503, b"<html>try later</html>"),
        (200, b"<html>a login page</html>"),
        (200, b"{}"),
        (200, b"[]"),
        (404, b"<html>no such page</html>"),
        (401, b'{"error_code": 401, "message": "who?"}'),
    ],
)
def test_an_answer_that_decides_nothing_is_never_taken_for_one(status: int, body: bytes) -> None:
    """A proxy's page, an outage, missing credentials: not one of them says that a schema is unknown."""
    with answering(status, body) as url:
        for name, error in asked_of(url):
            assert isinstance(error, RegistryUnreachable), name
            assert url in str(error)
            assert "\n" not in str(error)


def test_a_registry_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemas.registry._TIMEOUT_S", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Registry(url) as registry, pytest.raises(RegistryUnreachable, match=url):
            registry.schema_of(1)
    assert time.monotonic() - begun < 20, "two tries of a second each, not of ten"
