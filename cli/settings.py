"""Every setting: its name, its meaning, its default, and where its value came from.

Settings come from flags, then the environment (`CEV_…`), then a TOML file (`CEV_CONFIG`); all faults are
reported at once, and a name that nobody knows is a fault (design §8).

I/O: environment, and the settings file.
"""

import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from clients.config import GroupProtocol, check_kafka
from databases.address import postgres
from schemas.addresses import MASK, names_user, shown
from schemas.errors import InvalidSetting
from schemas.money import decimals

PREFIX = "CEV_"
_NESTED = f"{PREFIX}KAFKA__"
_SECRET_WORDS = ("pass", "secret", "token", "credential", "jaas", "user.info", "key.pem", "keystore.key")
_SECURITY = ("sasl.", "ssl.")
# A name that is not here may be a spelling of a password (`sasl.pasword`, Java's `sasl.jaas.config`).
_NO_SECRETS = re.compile(
    r"sasl\.(mechanisms?|username|kerberos\.(service\.name|principal|keytab|min\.time\.before\.relogin))"
    r"|sasl\.oauthbearer\.(method|scope|client\.id)"
    r"|ssl\.(ca|certificate|key|keystore|crl|truststore)\.location"
    r"|ssl\.(cipher\.suites|curves\.list|sigalgs\.list|providers|ca\.certificate\.stores)"
    r"|ssl\.(endpoint\.identification\.algorithm|protocol|enabled\.protocols)"
)


def _default_data_dir() -> Path:
    from platformdirs import user_data_path  # noqa: PLC0415 - only where no setting names the directory

    return user_data_path("command-event")


class Settings(BaseModel):
    """All settings, validated; the field's description is what `docs/configuration.md` says."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bootstrap_servers: str | None = Field(None, description="Kafka brokers, host:port, comma-separated")
    schema_registry_url: str | None = Field(
        None, repr=False, description="Confluent-compatible schema registry"
    )
    schema_registry_user: str | None = Field(None, description="user for the registry")
    schema_registry_password: SecretStr | None = Field(None, description="password for the registry")
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="everything local: embedded broker, stores, mails, logs",
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL for the groups' stores, postgresql://…; unset: SQLite in the data directory",
    )
    outbox_url: SecretStr | None = Field(
        None, description="database with an order service's outbox, for cev relay"
    )
    smtp_url: SecretStr | None = Field(
        None, description="mail server, smtp://[user:password@]host:port; unset: a maildir"
    )
    text_url: SecretStr | None = Field(
        None, description="HTTP gateway for text messages; unset: a JSON-lines file"
    )
    mail_from: str = Field(
        "shop@command-event.invalid", description="sender of the mails; a name with a comma in quotes"
    )
    health_port: int | None = Field(
        None, ge=0, le=65535, description="port of /health/live and /health/ready; unset: none"
    )
    health_host: str = Field(
        "127.0.0.1", description="IP address that the health port listens on; 0.0.0.0 is all of IPv4"
    )
    group_protocol: GroupProtocol = Field(
        "consumer", description="consumer (KIP-848, needs Kafka 4) or classic"
    )
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="currency of orders that name none")
    notify_max_age_h: float = Field(
        24, ge=0, description="facts older than this at the first start are not mailed, hours"
    )
    clock_skew_s: float = Field(
        5, ge=0, description="how far clocks may differ when a deadline is judged, seconds"
    )
    drain_s: float = Field(30, gt=0, description="time to finish what is in flight when stopping, seconds")
    clean_after_d: float = Field(
        14, ge=0, description="what is handled or decided may be deleted after so many days"
    )
    foreign_facts: Literal["dead-letter", "act"] = Field(
        "dead-letter", description="what the warehouse does with facts written outside any mode"
    )
    kafka: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="librdkafka settings passed through; CEV_KAFKA__SECURITY_PROTOCOL is security.protocol",
    )

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

    @field_validator("kafka")
    @classmethod
    def _not_ours(cls, value: dict[str, str]) -> dict[str, str]:
        if faults := check_kafka(value):
            raise ValueError("; ".join(faults))
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
    given = os.environ if environment is None else environment
    # Compose files and shells pass an unset variable on as an empty one.
    environment = {key: value for key, value in given.items() if value}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    faults: list[str] = []
    for layer in (
        _from_file(environment, faults),
        _from_environment(environment, faults),
        _from_flags(flags or {}),
    ):
        for name, (value, source) in layer.items():
            values[name] = {**values.get("kafka", {}), **value} if name == "kafka" else value
            sources[name] = source
    try:
        settings = Settings(**values)
    except ValidationError as error:
        faults += [_fault(dict(fault), sources) for fault in error.errors()]
    else:
        if not faults:
            return Loaded(settings, sources)
    raise InvalidSetting("; ".join(faults))


def masked(name: str, value: Any) -> str | None:
    """A setting's value as text that may be shown."""
    if value is None:
        return None
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return shown(secret) if "://" in secret else MASK
    if isinstance(value, dict):
        return " ".join(f"{key}={_kafka_value(key, text)}" for key, text in sorted(value.items())) or None
    return shown(str(value), with_path=True) if name.endswith("_url") else str(value)


def _kafka_value(key: str, value: str) -> str:
    if _is_secret(key):
        return MASK
    return shown(value, with_path=True) if "://" in value else value


def _is_secret(key: str) -> bool:
    if key.startswith(_SECURITY) and not _NO_SECRETS.fullmatch(key):
        return True
    return any(word in key.lower() for word in _SECRET_WORDS)


_Layer = dict[str, tuple[Any, str]]


def _from_flags(flags: Mapping[str, Any]) -> _Layer:
    return {name: (value, "flag") for name, value in flags.items() if value is not None}


def _from_environment(environment: Mapping[str, str], faults: list[str]) -> _Layer:
    layer: _Layer = {}
    kafka: dict[str, str] = {}
    for key, value in sorted(environment.items()):
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or key == f"{PREFIX}CONFIG":
            continue
        if key.startswith(_NESTED):
            kafka[key.removeprefix(_NESTED).lower().replace("_", ".")] = value
        elif name in Settings.model_fields and name != "kafka":
            layer[name] = (value, f"environment {key}")
        else:
            faults.append(f"environment {key}: there is no such setting; `cev config show` lists them")
    if kafka:
        layer["kafka"] = (kafka, f"environment {_NESTED}…")
    return layer


def _from_file(environment: Mapping[str, str], faults: list[str]) -> _Layer:
    path = environment.get(f"{PREFIX}CONFIG")
    if path is None:
        return {}
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        values = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        faults.append(f"settings file {path}: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"settings file {path}: {error}")
        return {}
    layer: _Layer = {}
    for name, value in values.items():
        if name == "kafka":
            if isinstance(value, dict):
                layer[name] = (dict(_flat(value)), f"file {path}")
            else:
                faults.append(f"settings file {path}: kafka is a table, [kafka]")
        elif name in Settings.model_fields:
            layer[name] = (value, f"file {path}")
        else:
            faults.append(f"settings file {path}: there is no setting {name}")
    return layer


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    # TOML reads an unquoted security.protocol as a table in a table.
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value).lower() if isinstance(value, bool) else str(value)


def _fault(error: dict[str, Any], sources: Mapping[str, str]) -> str:
    name = str(error["loc"][0])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name} ({sources.get(name, 'default')}): {message[0].lower()}{message[1:]}"
