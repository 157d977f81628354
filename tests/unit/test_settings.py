"""Settings: which source wins, every fault at once, and no secret on any screen."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cli.settings import Loaded, Settings, load
from clients.config import OWNED
from schemas.errors import InvalidSetting

SECRET = "hunter2-S3CRET"


def faults_of(environment: dict[str, str], flags: dict[str, Any] | None = None) -> str:
    with pytest.raises(InvalidSetting) as caught:
        load(flags, environment)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def in_file(folder: Path, text: str) -> dict[str, str]:
    path = folder / "cev.toml"
    path.write_text(text, "utf-8")
    return {"CEV_CONFIG": str(path)}


def shown(loaded: Loaded, name: str) -> tuple[str | None, str]:
    (row,) = (row for row in loaded.shown() if row.name == name)
    return row.value, row.source


# -- defaults and sources ----------------------------------------------------------------------------------


def test_without_any_source_the_defaults_are_the_designs() -> None:
    chosen, sources = load({}, {})
    assert sources == {}
    assert chosen.bootstrap_servers is None
    assert chosen.schema_registry_url is None
    assert chosen.health_port is None
    assert chosen.health_host == "127.0.0.1"
    assert chosen.smtp_url is None
    assert chosen.text_url is None
    assert chosen.group_protocol == "consumer"
    assert chosen.currency == "EUR"
    assert chosen.notify_max_age_h == 24
    assert chosen.payment_unresolved_s == 60
    assert chosen.clock_skew_s == 5
    assert chosen.drain_s == 30
    assert chosen.foreign_facts == "dead-letter"
    assert chosen.kafka == {}
    assert chosen.data_dir.is_absolute()
    assert chosen.data_dir.name == "command-event"


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    environment = in_file(
        tmp_path, 'bootstrap_servers = "file:1"\ncurrency = "USD"\ndrain_s = 7\nhealth_port = 8080'
    )
    environment |= {"CEV_BOOTSTRAP_SERVERS": "environment:1", "CEV_CURRENCY": "CHF"}
    loaded = load({"bootstrap_servers": "flag:1"}, environment)
    path = environment["CEV_CONFIG"]
    assert shown(loaded, "bootstrap_servers") == ("flag:1", "flag")
    assert shown(loaded, "currency") == ("CHF", "environment CEV_CURRENCY")
    assert shown(loaded, "drain_s") == ("7.0", f"file {path}")
    assert shown(loaded, "health_port") == ("8080", f"file {path}")
    assert shown(loaded, "clock_skew_s") == ("5", "default")


def test_a_flag_that_was_not_given_hides_nothing() -> None:
    loaded = load({"bootstrap_servers": None}, {"CEV_BOOTSTRAP_SERVERS": "environment:1"})
    assert loaded.settings.bootstrap_servers == "environment:1"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """Compose files hand an unset variable on as an empty one."""
    environment = in_file(tmp_path, 'bootstrap_servers = "file:1"')
    environment |= dict.fromkeys(
        ("CEV_BOOTSTRAP_SERVERS", "CEV_HEALTH_PORT", "CEV_SMTP_URL", "CEV_DATA_DIR", "CEV_NONE"), ""
    )
    chosen = load({}, environment).settings
    assert chosen.bootstrap_servers == "file:1"
    assert chosen.health_port is None
    assert chosen.smtp_url is None
    assert chosen.data_dir != Path.cwd()
    assert load({}, {"CEV_CONFIG": ""}).sources == {}


def test_the_process_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CEV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CEV_CURRENCY", "NOK")
    assert load().settings.currency == "NOK"


@pytest.mark.parametrize("currency", ["XYZ", "XAU", "DEM"])
def test_a_currency_that_is_not_in_force_is_refused(currency: str) -> None:
    with pytest.raises(InvalidSetting, match="no currency of ISO 4217 in force has this code"):
        load({}, {"CEV_CURRENCY": currency})


def test_foreign_variables_are_left_alone() -> None:
    assert load({}, {"PATH": "/bin", "XCEV_CURRENCY": "x", "CEVOLA": "y"}).sources == {}


def test_every_setting_says_what_it_means_and_is_shown_in_order() -> None:
    rows = load({}, {}).shown()
    assert [row.name for row in rows] == list(Settings.model_fields)
    assert all(row.meaning for row in rows)


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name != "kafka"])
def test_every_setting_can_be_set_in_the_environment(name: str) -> None:
    words = {
        "group_protocol": "classic",
        "foreign_facts": "act",
        "currency": "USD",
        "database_url": "postgresql://h/d",
        "health_host": "0.0.0.0",
        "log_level": "warning",
        "log_format": "json",
    }
    loaded = load({}, {f"CEV_{name.upper()}": words.get(name, "7")})
    assert loaded.sources == {name: f"environment CEV_{name.upper()}"}


# -- faults ------------------------------------------------------------------------------------------------


def test_all_faults_are_in_one_line_and_say_where_they_stand(tmp_path: Path) -> None:
    environment = in_file(tmp_path, 'drain_s = -1\nunheard_of = 1\n[kafka]\n"group.id" = "mine"')
    environment |= {"CEV_HEALTH_PORT": "70000", "CEV_CURRENCY": "euro", "CEV_TYPO": "x"}
    told = faults_of(environment, {"group_protocol": "shared"})
    for part in (
        f"settings file {environment['CEV_CONFIG']}: there is no setting unheard_of",
        "environment CEV_TYPO: there is no such setting",
        f"drain_s (file {environment['CEV_CONFIG']}): ",
        "health_port (environment CEV_HEALTH_PORT): ",
        "currency (environment CEV_CURRENCY): ",
        "group_protocol (flag): ",
        "kafka setting group.id is the program's own",
    ):
        assert part in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CEV_HEALTH_PORT", "http"),
        ("CEV_HEALTH_PORT", "-1"),
        ("CEV_HEALTH_HOST", "all"),
        ("CEV_HEALTH_HOST", "127.0.0.1:8081"),
        ("CEV_DRAIN_S", "0"),
        ("CEV_DRAIN_S", "nan"),
        ("CEV_DRAIN_S", "inf"),
        ("CEV_CLOCK_SKEW_S", "inf"),
        ("CEV_NOTIFY_MAX_AGE_H", "-1"),
        ("CEV_FOREIGN_FACTS", "ignore"),
        ("CEV_GROUP_PROTOCOL", "Consumer"),
        ("CEV_CURRENCY", "EURO"),
        ("CEV_DATA_DIR", "~nobody-has-this-name/data"),
        ("CEV_DATA_DIR", "  "),
        ("CEV_KAFKA", "x"),
        ("CEV_KAFKA__", "x"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    assert name.removesuffix("__") in faults_of({name: value})


def test_a_fault_in_a_secret_does_not_show_it(tmp_path: Path) -> None:
    told = faults_of(in_file(tmp_path, f'smtp_url = ["{SECRET}"]'))
    assert "smtp_url" in told
    assert SECRET not in told


def test_a_settings_file_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.toml"
    assert faults_of({"CEV_CONFIG": str(path)}) == f"settings file {path}: No such file or directory"


def test_a_settings_file_that_is_a_directory_is_a_fault(tmp_path: Path) -> None:
    assert faults_of({"CEV_CONFIG": str(tmp_path)}) == f"settings file {tmp_path}: Is a directory"


@pytest.mark.parametrize("content", [b"currency = ", b"\xff\xfe", b"currency = 'EUR'\ncurrency = 'USD'"])
def test_a_settings_file_that_is_no_toml_is_a_fault(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cev.toml"
    path.write_bytes(content)
    assert faults_of({"CEV_CONFIG": str(path), "CEV_TYPO": "x"}).startswith(f"settings file {path}: ")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
@example("kafka = 7")
@example("[kafka.kafka]\nkafka = []")
@example("data_dir = false")
def test_a_settings_file_of_any_text_is_settings_or_a_fault(tmp_path: Path, text: str) -> None:
    environment = in_file(tmp_path, text)
    try:
        load({}, environment)
    except InvalidSetting as error:
        assert environment["CEV_CONFIG"] in str(error)  # noqa: PT017 - settings are as good


@pytest.mark.parametrize(
    ("variable", "value", "fault"),
    [
        ("CEV_HEALTH_PORT", "http", "'http' is not a whole number"),
        ("CEV_HEALTH_PORT", "70000", "70000 is more than 65535"),
        ("CEV_DRAIN_S", "0", "0 is not more than 0"),
        ("CEV_CLOCK_SKEW_S", "inf", "'inf' is not a finite number"),
        ("CEV_GROUP_PROTOCOL", "Classic", "'Classic' is not one of consumer, classic; did you mean classic?"),
        ("CEV_BOOTSTRAP_SERVERS", "http://x", "is no broker's address: it looks like kafka-1.example:9092"),
    ],
)
def test_a_fault_is_a_sentence_of_ours(variable: str, value: str, fault: str) -> None:
    name = variable.removeprefix("CEV_").lower()
    assert faults_of({variable: value}) == f"{name} (environment {variable}): {fault}"


@pytest.mark.parametrize(
    ("variable", "end"),
    [
        ("CEV_BOOTSTRAP_SERVER", "; did you mean CEV_BOOTSTRAP_SERVERS?"),
        ("CEV_CONFIGURATION", "; did you mean CEV_CONFIG?"),
        ("CEV_KAFKA_SASL_USERNAME", "; did you mean CEV_KAFKA__SASL_USERNAME?"),
        ("CEV_BANANA", "; `cev help settings` lists them"),
    ],
)
def test_a_variable_that_is_no_setting_names_the_one_that_was_meant(variable: str, end: str) -> None:
    assert faults_of({variable: "x"}) == f"environment {variable}: there is no such setting{end}"


# -- librdkafka's own settings -----------------------------------------------------------------------------


def test_a_kafka_variable_becomes_librdkafkas_name() -> None:
    loaded = load({}, {"CEV_KAFKA__SECURITY_PROTOCOL": "SSL", "CEV_KAFKA__CLIENT_ID": "shop"})
    assert loaded.settings.kafka == {"security.protocol": "SSL", "client.id": "shop"}
    assert loaded.sources["kafka"].startswith("environment CEV_KAFKA__")


@pytest.mark.parametrize(
    "text",
    [
        '[kafka]\n"security.protocol" = "SSL"\n"linger.ms" = 7\n"log.connection.close" = false',
        'kafka.security.protocol = "SSL"\nkafka.linger.ms = 7\nkafka.log.connection.close = false',
        '[kafka]\nsecurity.protocol = "SSL"\nlinger.ms = 7\n[kafka.log]\nconnection.close = false',
    ],
)
def test_a_file_may_write_kafka_names_with_or_without_quotes(tmp_path: Path, text: str) -> None:
    """TOML reads an unquoted dotted name as a table in a table."""
    kafka = load({}, in_file(tmp_path, text)).settings.kafka
    assert kafka == {"security.protocol": "SSL", "linger.ms": "7", "log.connection.close": "false"}


def test_the_environment_adds_to_the_files_kafka_settings_and_wins(tmp_path: Path) -> None:
    environment = in_file(tmp_path, '[kafka]\n"linger.ms" = 7\n"client.id" = "file"')
    environment["CEV_KAFKA__CLIENT_ID"] = "environment"
    assert load({}, environment).settings.kafka == {"linger.ms": "7", "client.id": "environment"}


@pytest.mark.parametrize("value", ['"security.protocol=SSL"', "[]", "7"])
def test_kafka_in_a_file_that_is_no_table_is_a_fault(tmp_path: Path, value: str) -> None:
    assert "kafka is a table" in faults_of(in_file(tmp_path, f"kafka = {value}"))


@pytest.mark.parametrize("key", sorted(OWNED))
def test_a_setting_that_the_program_owns_is_refused_from_every_source(tmp_path: Path, key: str) -> None:
    variable = f"CEV_KAFKA__{key.upper().replace('.', '_')}"
    assert f"kafka setting {key} is the program's own" in faults_of({variable: "x"})
    assert f"kafka setting {key} is the program's own" in faults_of(
        in_file(tmp_path, f'[kafka]\n"{key}" = "x"')
    )


def test_a_fault_of_a_kafka_setting_names_the_variable_or_the_file(tmp_path: Path) -> None:
    environment = in_file(tmp_path, '[kafka]\n"linger.ms" = "soon"')
    environment["CEV_KAFKA__SECURTY_PROTOCOL"] = "SSL"
    told = faults_of(environment)
    assert f"file {environment['CEV_CONFIG']}: kafka setting linger.ms cannot be soon" in told
    assert (
        "environment CEV_KAFKA__SECURTY_PROTOCOL: librdkafka has no setting securty.protocol; "
        "did you mean security.protocol?" in told
    )


def test_a_kafka_setting_of_the_other_group_protocol_is_refused_with_the_remedy() -> None:
    environment = {"CEV_KAFKA__SESSION_TIMEOUT_MS": "6000"}
    told = faults_of(environment)
    assert told.startswith("environment CEV_KAFKA__SESSION_TIMEOUT_MS: ")
    assert "CEV_GROUP_PROTOCOL=classic" in told
    assert load({}, environment | {"CEV_GROUP_PROTOCOL": "classic"}).settings.kafka


# -- the data directory ------------------------------------------------------------------------------------


def test_a_data_directory_is_expanded_and_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert load({}, {"CEV_DATA_DIR": "~/data"}).settings.data_dir == tmp_path / "data"
    assert load({}, {"CEV_DATA_DIR": "here"}).settings.data_dir == tmp_path / "here"
    assert load({"data_dir": tmp_path}, {}).settings.data_dir == tmp_path


@pytest.mark.parametrize("value", ["", " "])
def test_a_data_directory_without_a_name_is_never_the_working_directory(tmp_path: Path, value: str) -> None:
    """`cev down --delete-data` would remove it."""
    assert "data_dir" in faults_of(in_file(tmp_path, f'data_dir = "{value}"'))
