"""What flags, the environment and the settings file say, before it is read as settings.

A source is named so that a person finds it again: `flag`, `environment CEV_DRAIN_S`, `file /etc/cev.toml`.

I/O: the settings file.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.suggestions import did_you_mean

PREFIX = "CEV_"
KAFKA = f"{PREFIX}KAFKA__"
"""`CEV_KAFKA__SECURITY_PROTOCOL` is librdkafka's `security.protocol`."""


class SettingSources:
    """Collects values by setting name; what is added later wins.

    Args:
        known: names of the settings that there are.

    Attributes:
        values: by setting name, without librdkafka's.
        kafka: librdkafka's settings by their names.
        sources: where each of both stands.
        faults: what is no setting, and files that cannot be read; one sentence each.
    """

    def __init__(self, known: Collection[str]) -> None:
        self._known = set(known) - {"kafka"}
        self.values: dict[str, Any] = {}
        self.kafka: dict[str, str] = {}
        self.sources: dict[str, str] = {}
        self.faults: list[str] = []

    def add_flags(self, flags: Mapping[str, Any]) -> None:
        """Flags by setting name; None was not given."""
        for name, value in flags.items():
            if value is not None:
                self._add(name, value, "flag")

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """All variables that begin with `CEV_`."""
        for variable, value in sorted(environment.items()):
            name = variable.removeprefix(PREFIX).lower()
            if not variable.startswith(PREFIX) or variable == f"{PREFIX}CONFIG":
                continue
            if variable.startswith(KAFKA):
                key = variable.removeprefix(KAFKA).lower().replace("_", ".")
                self._add_kafka(key, value, f"environment {variable}")
            elif name in self._known:
                self._add(name, value, f"environment {variable}")
            else:
                meant = _meant(name, {*self._known, "config"})
                self._unknown(f"environment {variable}: there is no such setting", meant)

    def add_file(self, path: str) -> None:
        """A TOML file; librdkafka's settings are its table `kafka`."""
        for name, value in self._read(path).items():
            if name == "kafka" and isinstance(value, dict):
                for key, text in _flat(value):
                    self._add_kafka(key, text, f"file {path}")
            elif name == "kafka":
                self.faults.append(f"settings file {path}: kafka is a table, [kafka]")
            elif name in self._known:
                self._add(name, value, f"file {path}")
            else:
                meant = did_you_mean(name, self._known)
                self._unknown(f"settings file {path}: there is no setting {name}", meant)

    def of_kafka(self) -> str:
        """Where librdkafka's settings stand, all in all."""
        sources = {self.sources[key] for key in self.kafka}
        return ", ".join(sorted({f"environment {KAFKA}…" if KAFKA in name else name for name in sources}))

    def _add(self, name: str, value: object, source: str) -> None:
        self.values[name] = value
        self.sources[name] = source

    def _add_kafka(self, key: str, value: str, source: str) -> None:
        self.kafka[key] = value
        self.sources[key] = source

    def _unknown(self, fault: str, meant: str) -> None:
        self.faults.append(fault + (meant or "; `cev help settings` lists them"))

    def _read(self, path: str) -> dict[str, Any]:
        import tomllib  # noqa: PLC0415 - only where there is a file

        try:
            return tomllib.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            self.faults.append(f"settings file {path}: {error.strerror}")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            self.faults.append(f"settings file {path}: {error}")
        return {}


def _meant(name: str, known: Collection[str]) -> str:
    if name.startswith("kafka_"):
        # One underscore is missing.
        return f"; did you mean {KAFKA}{name.removeprefix('kafka_').upper()}?"
    return did_you_mean(name, known, lambda meant: f"{PREFIX}{meant.upper()}")


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    # TOML reads an unquoted security.protocol as a table in a table.
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value).lower() if isinstance(value, bool) else str(value)
