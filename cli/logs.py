"""Where the program's own log goes: stderr, one line an event, as key and value pairs.

I/O: stderr.
"""

import logging
import sys

from clients.log import set_up_with


def to_stderr() -> None:
    """Send the log's events to stderr; stdout carries data only (design §9)."""
    set_up_with(_configure)


def _configure() -> None:
    import structlog  # noqa: PLC0415 - loaded with the first event

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event", "group"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up at each use: a test, or a shell, may have put another stderr in place meanwhile.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
