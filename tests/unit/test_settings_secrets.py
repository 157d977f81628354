"""No secret reaches a screen, a log or an error, however it was mistyped."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.settings import Loaded, load, masked
from schemas.errors import InvalidSetting

SECRET = "hunter2-S3CRET"


def shown(loaded: Loaded, name: str) -> str | None:
    (row,) = (row for row in loaded.shown() if row.name == name)
    return row.value


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("smtp_url", f"smtp://shop:{SECRET}@mail.example:587", "smtp://shop:********@mail.example:587"),
        ("smtp_url", f"smtp://shop:pa/{SECRET}@mail.example", "smtp://shop:********@mail.example"),
        ("smtp_url", f"smtp://shop:pa#{SECRET}?@mail.example", "smtp://shop:********@mail.example"),
        ("smtp_url", f"smtp://shop:pa@{SECRET}@mail.example", "smtp://shop:********@mail.example"),
        ("smtp_url", f"smtp://shop:pa\n{SECRET}@mail.example", "smtp://shop:********@mail.example"),
        ("smtp_url", "smtp://mail.example:587", "smtp://mail.example:587"),
        ("smtp_url", SECRET, "********"),
        ("text_url", f"https://{SECRET}@gateway.example/", "https://********@gateway.example/"),
        ("text_url", f"https://gateway.example/send?token={SECRET}", "https://gateway.example/********"),
        ("text_url", f"https://gateway.example/{SECRET}", "https://gateway.example/********"),
        ("text_url", "https://[gateway.example/", "https://[gateway.example/"),
        (
            "payment_url",
            f"https://shop:{SECRET}@pay.example/v1",
            "https://shop:********@pay.example/********",
        ),
        ("database_url", f"postgres://u:{SECRET}@db:5433/shop", "postgresql://u:********@db:5433/********"),
        ("database_url", f"postgresql+psycopg://{SECRET}@db/shop", "postgresql://********@db/********"),
        ("schema_registry_password", SECRET, "********"),
        ("schema_registry_url", f"http://u:{SECRET}@r:8081/apis/v7", "http://u:********@r:8081/apis/v7"),
        ("schema_registry_url", f"http://r/a,http://u:{SECRET}@r2", "http://r/********"),
        ("schema_registry_url", f"http://r/v7?key={SECRET}", "http://r/v7?********"),
        ("schema_registry_url", "http://r:8081/apis/v7", "http://r:8081/apis/v7"),
    ],
)
def test_a_secret_is_masked_and_the_rest_stays_legible(name: str, value: str, masked: str) -> None:
    assert shown(load({}, {f"CEV_{name.upper()}": value}), name) == masked


@pytest.mark.parametrize(
    "key",
    [
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.jaas.config",
        "sasl.pasword",
        "sasl.kerberos.kinit.cmd",
        "ssl.keystore.key",
        "basic.auth.user.info",
    ],
)
def test_librdkafkas_secrets_are_masked_among_its_other_settings(key: str) -> None:
    assert masked("kafka", {key: SECRET, "client.id": "shop"}) == " ".join(
        sorted([f"{key}=********", "client.id=shop"])
    )


@pytest.mark.parametrize("key", ["sasl.mechanism", "sasl.username", "ssl.ca.location", "security.protocol"])
def test_what_is_no_secret_of_librdkafkas_stays_legible(key: str) -> None:
    assert masked("kafka", {key: "legible"}) == f"{key}=legible"


def test_an_address_among_librdkafkas_settings_is_masked() -> None:
    settings = {"https.proxy": f"http://u:{SECRET}@proxy:3128"}
    assert masked("kafka", settings) == "https.proxy=http://u:********@proxy:3128"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SASL_JAAS_CONFIG", f"required password={SECRET};"),
        ("SASL_PASWORD", SECRET),
        ("SSL_KEY_PEM", SECRET),
    ],
)
def test_a_setting_that_librdkafka_refuses_is_refused_without_its_secret(variable: str, value: str) -> None:
    environment = {f"CEV_KAFKA__{variable}": value, "CEV_KAFKA__SECURITY_PROTOCOL": "SSL"}
    with pytest.raises(InvalidSetting) as refused:
        load({}, environment)
    assert f"CEV_KAFKA__{variable}" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["schema_registry_user", "schema_registry_password"])
def test_a_registry_user_in_the_address_and_in_a_setting_is_refused_and_both_are_named(name: str) -> None:
    environment = {
        "CEV_SCHEMA_REGISTRY_URL": f"http://shop:{SECRET}@registry:8081",
        f"CEV_{name.upper()}": SECRET,
    }
    with pytest.raises(InvalidSetting) as refused:
        load({}, environment)
    assert refused.value.exit_code == 2
    assert f"{name} (environment CEV_{name.upper()})" in str(refused.value)
    assert "schema_registry_url" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_no_secret_is_in_what_python_prints_of_the_settings() -> None:
    environment = {"CEV_SMTP_URL": SECRET, "CEV_TEXT_URL": SECRET, "CEV_SCHEMA_REGISTRY_PASSWORD": SECRET}
    environment["CEV_SCHEMA_REGISTRY_URL"] = f"http://registry/?key={SECRET}"
    environment["CEV_KAFKA__SASL_PASSWORD"] = SECRET
    loaded = load({}, environment)
    assert SECRET not in repr(loaded) + str(loaded.settings) + repr(loaded.shown())


@given(st.text(st.characters(codec="utf-8"), max_size=12), st.sampled_from(["smtp_url", "text_url"]))
def test_a_password_never_shows_whatever_it_is_made_of(noise: str, name: str) -> None:
    value = f"https://user:{noise}{SECRET}@host/"
    masked = shown(load({}, {f"CEV_{name.upper()}": value}), name)
    assert masked is not None
    assert SECRET not in masked
    assert re.match(r"https://|\*", masked)


@pytest.mark.parametrize(
    "value",
    [
        f"mysql://shop:{SECRET}@db/shop",
        f"postgresql://shop:a@{SECRET}@db/shop",
        f"postgresql://shop:{SECRET}@db",
        f"postgresql://[shop:{SECRET}@db/shop",
        SECRET,
    ],
)
def test_a_database_that_cannot_be_used_is_refused_in_one_line_without_its_address(value: str) -> None:
    with pytest.raises(InvalidSetting) as told:
        load({}, {"CEV_DATABASE_URL": value})
    assert str(told.value).startswith("database_url (environment CEV_DATABASE_URL): ")
    assert SECRET not in str(told.value)
    assert "\n" not in str(told.value)
