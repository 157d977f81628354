"""What the groups' stores say, by SQL of our own, each on one snapshot.

I/O: stores, read-only.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from databases.address import StoreAddress
from databases.snapshot import Snapshot, reading
from databases.text import restored
from operations.verify.evidence import StoredEffect, digest, digest_lines, pack

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
    effects: Mapping[int, tuple[StoredEffect, ...]]
    shadows: Mapping[int, StoredEffect]


def read(name: StoreAddress) -> Contents | None:
    """A group's store; None if the group never ran with it.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    with reading(name) as store:
        if store is None:
            return None
        row = next(store.rows("SELECT id FROM store"), None)
        shadows = {order: rows[0] for order, rows in _rows(store, "shadow_decisions").items()}
        return Contents("" if row is None else str(row[0]), _rows(store, "effects"), shadows)


def _rows(store: Snapshot, table: str) -> dict[int, tuple[StoredEffect, ...]]:
    by_order: dict[int, tuple[StoredEffect, ...]] = {}
    names: dict[str, str] = {}
    for order_id, name, outcome, text, detail, topic, partition, offset in store.rows(_ROWS.format(table)):
        effect = StoredEffect(
            # One text object for all rows: there are only a few different ones.
            names.setdefault(name, name),
            names.setdefault(outcome, outcome),
            _sale(detail) if name == "sale" else digest(None if text is None else restored(text)),
            pack(topic, partition, offset),
        )
        by_order[order_id] = (*by_order.get(order_id, ()), effect)
    return by_order


def _sale(detail: str | None) -> int:
    try:
        sale = json.loads(restored(detail or ""))
        return digest_lines(sale["currency"], sale["lines"])
    except (ValueError, KeyError, TypeError):
        return 0  # matches no order, so it shows as different
