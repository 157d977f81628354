"""The transactional outbox: rows in the order service's database, and the relay that publishes them.

The names below are the public ones. They are loaded when they are asked for, so that making the tables
does not load a Kafka client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from producers.outbox.outbox import Accepted, Outbox
    from producers.outbox.tables import DDL, create

__all__ = ["DDL", "Accepted", "Outbox", "create"]

_HOMES = {
    "Accepted": "producers.outbox.outbox",
    "DDL": "producers.outbox.tables",
    "Outbox": "producers.outbox.outbox",
    "create": "producers.outbox.tables",
}


def __getattr__(name: str) -> Any:
    """Load a public name (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'producers.outbox' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
