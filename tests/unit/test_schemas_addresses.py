"""An address is shown without its secrets, by whoever speaks of it."""

from collections.abc import Callable, Iterator
from urllib.parse import unquote

import httpx
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from clients.config import Cluster
from consumers.channels.http_text import HttpText
from consumers.runtime.reaction import Delivery
from schemas.addresses import shown, without_secrets
from schemas.errors import DependencyUnavailable, InvalidSetting, Position, RegistryUnreachable
from schemas.registry import Registry

SECRET = "hunter2-S3CRET"
NOBODY = "127.0.0.1:9"


@pytest.fixture(params=[f"u:{SECRET}", f"u:pa/{SECRET}", SECRET, f"u:a%40{SECRET}"])
def url(request: pytest.FixtureRequest) -> str:
    return f"http://{request.param}@{NOBODY}/apis/v7"


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    with Registry(url) as made:
        yield made


def test_a_registrys_error_shows_where_it_is_and_no_secret(registry: Registry) -> None:
    with pytest.raises(RegistryUnreachable) as caught:
        registry.schema_of(7)
    assert SECRET not in str(caught.value)
    assert f"@{NOBODY}/apis/v7" in str(caught.value)


@pytest.mark.parametrize("spelled", [str, unquote])
def test_the_clients_words_on_a_registry_are_shown_without_its_secrets(
    url: str, spelled: Callable[[str], str]
) -> None:
    assert SECRET not in without_secrets(url, f"cannot reach {spelled(url)}")


def test_an_error_that_repeats_the_registrys_address_is_masked(
    url: str, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"cannot reach {url}")

    monkeypatch.setattr(SchemaRegistryClient, "get_schema", fail)
    with pytest.raises(RegistryUnreachable) as caught:
        registry.schema_of(7)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "user"), [(f"http://u:{SECRET}@{NOBODY}", "u"), (f"u:{SECRET}@{NOBODY}", None)]
)
def test_a_registry_address_that_the_client_refuses_is_a_fault_of_settings(
    url: str, user: str | None
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Registry(url, user)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_what_python_prints_of_a_cluster_has_no_secret() -> None:
    assert SECRET not in repr(Cluster(bootstrap=NOBODY, registry=f"http://u:{SECRET}@{NOBODY}"))


@pytest.mark.parametrize("rest", [f"/{SECRET}", f"/send?token={SECRET}", f"/#{SECRET}"])
def test_a_gateway_is_described_and_fails_without_its_path_and_query(
    rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise httpx.ConnectError(f"no answer from http://{NOBODY}{rest}")

    channel = HttpText(f"http://me:word@{NOBODY}{rest}")
    assert SECRET not in channel.describe
    assert NOBODY in channel.describe
    monkeypatch.setattr(httpx.Client, "post", fail)
    with pytest.raises(DependencyUnavailable) as caught:
        channel.deliver(
            Delivery(channel="text", recipient="+442079460958", subject="done", text=""),
            "key",
            Position("orders", 0, 1),
        )
    channel.close()
    assert SECRET not in str(caught.value)


def test_what_names_no_secret_is_shown_as_it_is() -> None:
    assert shown("http://registry:8081/apis/v7", with_path=True) == "http://registry:8081/apis/v7"
    assert without_secrets("http://registry:8081", "no\n answer") == "no answer"
