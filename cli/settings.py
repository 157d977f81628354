"""Every setting: its name, its meaning, its default, and where its value came from.

Settings come from flags, then the environment (`CEV_…`), then a TOML file (`CEV_CONFIG`); all faults are
reported at once, and a name that nobody knows is a fault (design §8).

I/O: environment; the settings file, through `settings_sources`.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from cli.logs import LogFormat, LogLevel
from cli.plain_errors import plain_fault
from cli.settings_sources import PREFIX, SettingSources
from clients.config import GroupProtocol
from clients.config_secrets import shown_value
from clients.hosts import hosts_of
from databases.address import postgres
from schemas.addresses import MASK, names_user, shown
from schemas.errors import InvalidSetting
from schemas.money import decimals


def _default_data_dir() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - only where no setting names the directory

    return user_data_path("command-event")


_SASL = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "shop",
    "sasl.password": "secret",
}


class Settings(BaseModel):
    """All settings, validated; the field's description is what `docs/configuration.md` says."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bootstrap_servers: str | None = Field(
        None, examples=["localhost:9092"], description="Kafka brokers, host:port, comma-separated"
    )
    schema_registry_url: str | None = Field(
        None,
        examples=["http://localhost:8081"],
        repr=False,
        description="Confluent-compatible schema registry",
    )
    schema_registry_user: str | None = Field(None, examples=["shop"], description="user for the registry")
    schema_registry_password: SecretStr | None = Field(
        None, examples=["secret"], description="password for the registry"
    )
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        examples=["/var/lib/cev"],
        description="everything local: embedded broker, stores, mails, logs",
    )
    database_url: SecretStr | None = Field(
        None,
        examples=["postgresql://shop:secret@localhost/shop"],
        description="PostgreSQL for the groups' stores, postgresql://…; unset: SQLite in the data directory",
    )
    outbox_url: SecretStr | None = Field(
        None,
        examples=["postgresql://shop:secret@localhost/orders"],
        description="database with an order service's outbox, for cev relay",
    )
    smtp_url: SecretStr | None = Field(
        None,
        examples=["smtp://localhost:25"],
        description="mail server, smtp://[user:password@]host:port; unset: a maildir",
    )
    text_url: SecretStr | None = Field(
        None,
        examples=["https://gateway.example/texts"],
        description="HTTP gateway for text messages; unset: a JSON-lines file",
    )
    payment_url: SecretStr | None = Field(
        None,
        examples=["http://localhost:8090"],
        description="HTTP gateway for payments; unset: a group that needs it does not start",
    )
    payment_unresolved_s: float = Field(
        60, ge=0, description="a payment whose outcome is unknown for longer is an alarm, seconds"
    )
    mail_from: str = Field(
        "shop@command-event.invalid", description="sender of the mails; a name with a comma in quotes"
    )
    health_port: int | None = Field(
        None,
        examples=[8080],
        ge=0,
        le=65535,
        description="port of /health/live and /health/ready; unset: none",
    )
    health_host: str = Field(
        "127.0.0.1", description="IP address that the health port listens on; 0.0.0.0 is all of IPv4"
    )
    group_protocol: GroupProtocol = Field(
        "consumer", description="consumer (KIP-848, needs Kafka 4) or classic"
    )
    currency: str = Field("EUR", description="currency of orders that name none")
    notify_max_age_h: float = Field(
        24, ge=0, description="facts older than this at the first start are not mailed, hours"
    )
    payment_timeout_s: float = Field(
        300, gt=0, description="time for a payment or a refund before fulfilment raises an alarm, seconds"
    )
    dispatch_timeout_s: float = Field(
        900, gt=0, description="time for a dispatch before fulfilment raises an alarm, seconds"
    )
    clock_skew_s: float = Field(
        5,
        ge=0,
        description="how far clocks may differ before it counts at a deadline, or is an alarm, seconds",
    )
    drain_s: float = Field(30, gt=0, description="time to finish what is in flight when stopping, seconds")
    clean_after_d: float = Field(
        14, ge=0, description="what is handled or decided may be deleted after so many days"
    )
    foreign_facts: Literal["dead-letter", "act"] = Field(
        "dead-letter", description="what the warehouse does with facts written outside any mode"
    )
    log_level: LogLevel = Field(
        "info", description="lowest level that is logged: debug, info, warning or error"
    )
    log_format: LogFormat = Field(
        "console", description="how a line of the log looks: console, json or logfmt"
    )
    kafka: dict[str, str] = Field(
        default_factory=dict,
        examples=[_SASL],
        repr=False,
        description="librdkafka settings passed through; CEV_KAFKA__SECURITY_PROTOCOL is security.protocol",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str | None) -> str | None:
        hosts_of(value or "")
        return value

    @field_validator("data_dir", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        # Path("") is the working directory, and `cev down --delete-data` would empty it.
        if isinstance(value, str) and not value.strip():
            raise ValueError("names no directory")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        try:
            return value.expanduser().absolute()
        except RuntimeError as error:
            raise ValueError(f"there is no home directory for {value}") from error

    @field_validator("schema_registry_user", "schema_registry_password")
    @classmethod
    def _one_user(cls, value: str | SecretStr | None, info: ValidationInfo) -> str | SecretStr | None:
        if value is not None and names_user(info.data.get("schema_registry_url") or ""):
            raise ValueError("schema_registry_url names a user, too: give the user in one of the two")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else SecretStr(postgres(value.get_secret_value()))

    @field_validator("health_host")
    @classmethod
    def _ip_address(cls, value: str) -> str:
        return str(ip_address(value))

    @field_validator("currency")
    @classmethod
    def _in_force(cls, value: str) -> str:
        if decimals(value) is None:
            raise ValueError("no currency of ISO 4217 in force has this code")
        return value


class Shown(NamedTuple):
    """One setting as `cev config show` prints it; secrets are masked."""

    name: str
    value: str | None
    source: str
    meaning: str


class Loaded(NamedTuple):
    """Settings, and for each name that was set, where: `flag`, `environment CEV_X` or `file PATH`."""

    settings: Settings
    sources: Mapping[str, str]

    def shown(self) -> list[Shown]:
        """Every setting with its value and source, in the order of the class."""
        return [
            Shown(
                name,
                masked(name, getattr(self.settings, name)),
                self.sources.get(name, "default"),
                about.description or "",
            )
            for name, about in Settings.model_fields.items()
        ]


def load(flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read all settings.

    Args:
        flags: values of command-line flags by setting name; None values count as not given.
        environment: instead of the process's own; an empty value counts as not set.

    Raises:
        InvalidSetting: one line that names every fault and where it stands.
    """
    variables = os.environ if environment is None else environment
    # Compose files and shells pass an unset variable on as an empty one.
    environment = {key: value for key, value in variables.items() if value}
    given = SettingSources(Settings.model_fields)
    if path := environment.get(f"{PREFIX}CONFIG"):
        given.add_file(path)
    given.add_environment(environment)
    given.add_flags(flags or {})
    return _read(given)


def _read(given: SettingSources) -> Loaded:
    sources = {name: given.sources[name] for name in given.values}
    if given.kafka:
        sources["kafka"] = given.of_kafka()
    faults = list(given.faults)
    settings = None
    try:
        settings = Settings(**given.values, kafka=given.kafka)
    except ValidationError as error:
        faults += [_fault(dict(fault), sources) for fault in error.errors()]
    faults += _kafka_faults(given)
    if faults or settings is None:
        raise InvalidSetting("; ".join(faults))
    return Loaded(settings, sources)


def _kafka_faults(given: SettingSources) -> list[str]:
    if not given.kafka:
        return []
    from clients.config_check import kafka_faults  # noqa: PLC0415 - the client, only where it has settings

    protocol: GroupProtocol = "classic" if given.values.get("group_protocol") == "classic" else "consumer"
    return [
        f"{', '.join(given.sources[key] for key in keys) or given.of_kafka()}: {text}"
        for keys, text in kafka_faults(given.kafka, protocol)
    ]


def masked(name: str, value: Any) -> str | None:
    """A setting's value as text that may be shown."""
    if value is None:
        return None
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return shown(secret) if "://" in secret else MASK
    if isinstance(value, dict):
        return " ".join(f"{key}={shown_value(key, text)}" for key, text in sorted(value.items())) or None
    return shown(str(value), with_path=True) if name.endswith("_url") else str(value)


def _fault(error: dict[str, Any], sources: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    return f"{name} ({sources.get(name, 'default')}): {plain_fault(error)}"
