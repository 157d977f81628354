"""What the groups' stores say, by SQL of our own, each on one snapshot.

I/O: SQLite stores, read-only.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from sqlite3 import Connection
from typing import NamedTuple

from operations.stores import reading
from operations.verify.evidence import Effect, digest, digest_lines, place

_ROWS = (
    "SELECT order_id, effect, outcome, input, detail, source_topic, source_partition, source_offset "
    "FROM {} ORDER BY order_id, effect"
)


class Contents(NamedTuple):
    """One store.

    Attributes:
        id: its identity, which travels with the group's committed offsets.
        effects: rows by order id.
        shadows: shadow decisions by order id.
    """

    id: str
    effects: Mapping[int, tuple[Effect, ...]]
    shadows: Mapping[int, Effect]


def read(path: Path) -> Contents | None:
    """A group's store; None if the group never ran with this data directory.

    Raises:
        DependencyDown: the store cannot be read.
    """
    with reading(path) as store:
        if store is None:
            return None
        row = store.execute("SELECT id FROM store").fetchone()
        shadows = {order: rows[0] for order, rows in _rows(store, "shadow_decisions").items()}
        return Contents("" if row is None else str(row[0]), _rows(store, "effects"), shadows)


def _rows(store: Connection, table: str) -> dict[int, tuple[Effect, ...]]:
    found: dict[int, tuple[Effect, ...]] = {}
    names: dict[str, str] = {}
    for order_id, name, outcome, text, detail, topic, partition, offset in store.execute(_ROWS.format(table)):
        effect = Effect(
            # One text object for all rows: there are only a few different ones.
            names.setdefault(name, name),
            names.setdefault(outcome, outcome),
            _sale(detail) if name == "sale" else digest(text),
            place(topic, partition, offset),
        )
        found[order_id] = (*found.get(order_id, ()), effect)
    return found


def _sale(detail: str | None) -> int:
    try:
        sale = json.loads(detail or "")
        return digest_lines(sale["currency"], sale["lines"])
    except (ValueError, KeyError, TypeError):
        return 0  # matches no order, so it shows as different
