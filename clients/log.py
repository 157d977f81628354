"""The program's log: events with fields. structlog writes them, and is loaded with the first one.

structlog brings rich and asyncio along, 60 ms that a command with nothing to say does without. How events are
printed is the composition root's choice: it hands its set-up to `set_up_with`.
"""

from collections.abc import Callable
from threading import Lock
from typing import Any

_pending: list[Callable[[], None]] = []
_configuring = Lock()


def set_up_with(configure: Callable[[], None]) -> None:
    """Have structlog configured by this call, just before the next event is written."""
    _pending[:] = [configure]


class Log:
    """A logger with fields that every event of it carries."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def info(self, event: str, **fields: Any) -> None:
        """Write an event that an operator may want to know of."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write an event that an operator should look at if it goes on."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Write an event after which something has stopped."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        import structlog  # noqa: PLC0415 - see the module's head

        # Members log from threads of their own: the first one configures, the others wait for it.
        with _configuring:
            while _pending:
                _pending.pop()()
        getattr(structlog.get_logger(), level)(event, **self._fields, **fields)
