"""The program's log: events with fields, through Python's own `logging`.

Nothing here decides where events go. `cev` writes them to stderr (`cli.logs`); a program that uses our
producers configures the loggers `command_event` and `librdkafka` as those of any library.
"""

import json
import logging
from typing import Any, NamedTuple

LIBRARY_LOG = logging.getLogger("librdkafka")
"""Takes the lines that librdkafka would write to stderr by itself."""
LIBRARY_LOG.addHandler(logging.NullHandler())

PROGRAM_LOG = logging.getLogger("command_event")

_QUOTED = frozenset(' "=')


class Event(NamedTuple):
    """What happened, and its fields; as text it is one line of logfmt."""

    name: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return " ".join([self.name, *map(pair, self.fields.items())])


def pair(field: tuple[str, Any]) -> str:
    """A field as logfmt has it: `key=value`, the value in JSON's quotes where it needs them."""
    name, value = field
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    plain = text and text.isprintable() and text.isascii() and not _QUOTED & set(text)
    return f"{name}={text if plain else json.dumps(text, ensure_ascii=not text.isprintable())}"


class Log:
    """A logger with fields that every event of it carries."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def info(self, event: str, **fields: Any) -> None:
        """Write an event that an operator may want to know of."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write an event that an operator should look at if it goes on."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Write an event after which something has stopped."""
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, Any]) -> None:
        PROGRAM_LOG.log(level, Event(event, self._fields | fields))
