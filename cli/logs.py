"""The log of `cev`: one line an event on stderr, in one of three formats, librdkafka's own lines included.

    console   13:07:18 warning dead letter group=sales topic=orders partition=3 offset=17 …   for people; UTC
    logfmt    time=2026-11-25T13:07:18.402Z level=warning event="dead letter" group=sales …
    json      {"time": "2026-11-25T13:07:18.402Z", "level": "warning", "event": "dead letter", …}

I/O: stderr.
"""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TextIO

from cli.output import json_line, safe, styled
from clients.log import LIBRARY_LOG, PROGRAM_LOG, Event, pair
from schemas.times import rfc3339

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json", "logfmt"]

_WATCHED_S, _UNWATCHED_S = 5.0, 60.0
_COLORS = {"warning": "yellow", "error": "red"}
_TIME_OF_DAY = slice(len("2026-11-25T"), len("2026-11-25T13:07:18"))
_WIDEST_LEVEL = 7

Fields = Mapping[str, Any]


def to_stderr(level: LogLevel, form: LogFormat, *, library: bool, process: int | None = None) -> None:
    """Write events to stderr; stdout carries data only (design §9).

    Args:
        level: the lowest level that is written.
        form: how a line looks.
        library: whether librdkafka's own lines are written too, all that it has.
        process: number of this process among those of its supervisor, said on every line.
    """
    root = logging.getLogger()
    for earlier in [handler for handler in root.handlers if isinstance(handler, _Stderr)]:
        root.removeHandler(earlier)
    root.addHandler(_Stderr(_FORMATS[form], {} if process is None else {"process": process}))
    PROGRAM_LOG.setLevel(level.upper())
    LIBRARY_LOG.setLevel(logging.DEBUG if library else logging.CRITICAL + 1)
    # Libraries tell of every request at info.
    root.setLevel(max(logging.WARNING, PROGRAM_LOG.level))


def is_for_programs() -> bool:
    """Whether every line of stderr must be an event: a program reads it, or several processes write it."""
    return any(
        isinstance(handler, _Stderr) and handler.structured for handler in logging.getLogger().handlers
    )


def counts_every_s() -> float:
    """Seconds between two lines of counts, at least: the sign of life of work without an end."""
    return _WATCHED_S if sys.stderr.isatty() else _UNWATCHED_S


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is at the moment: a test, or a shell, may put another one in place."""

    def __init__(self, line: Callable[[Fields], str], common: Fields) -> None:
        logging.Handler.__init__(self)
        self._line = line
        self._common = common
        self.structured = line is not _console or bool(common)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # an attribute there
        """The process's stderr."""
        return sys.stderr

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return self._line(_fields(record, self._common))


def _fields(record: logging.LogRecord, common: Fields) -> Fields:
    level = "error" if record.levelno > logging.ERROR else record.levelname.lower()
    head = {"time": rfc3339(int(record.created * 1000)), "level": level}
    if isinstance(record.msg, Event):
        return {**head, "event": record.msg.name, **common, **record.msg.fields}
    fields = {**head, "event": record.name, **common, "message": record.getMessage()}
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = repr(record.exc_info[1])
    return fields


def _console(fields: Fields) -> str:
    (_, time), (_, level), (_, event), *rest = fields.items()
    shown = [
        _styled(time[_TIME_OF_DAY], dim=True),
        _styled(f"{level:<{_WIDEST_LEVEL}}", fg=_COLORS.get(level)),
        _styled(safe(event), bold=True),
        *(safe(pair(field)) for field in rest),
    ]
    return " ".join(shown)


def _styled(text: str, **style: Any) -> str:
    return styled(text, **style) if sys.stderr.isatty() else text


def _logfmt(fields: Fields) -> str:
    return " ".join(map(pair, fields.items()))


def _json(fields: Fields) -> str:
    return json_line(
        {key: value if _is_json(value) else str(value) for key, value in fields.items()}, sys.stderr
    )


def _is_json(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


_FORMATS: dict[LogFormat, Callable[[Fields], str]] = {"console": _console, "json": _json, "logfmt": _logfmt}
