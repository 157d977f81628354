"""What the groups' stores say, by SQL of our own, each on one snapshot.

I/O: stores, read-only.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from databases.address import StoreAddress
from databases.snapshot import Snapshot, reading
from databases.text import restored
from operations.verify.evidence import StoredEffect, digest, digest_lines
from schemas.errors import Position

_ROWS = (
    "SELECT order_id, effect, outcome, input, detail, source_topic, source_partition, source_offset "
    "FROM {} ORDER BY order_id, effect"
)


class Contents:
    """One snapshot of a group's store.

    Attributes:
        id: its identity, which travels with the group's committed offsets; empty before a member opened it.
    """

    def __init__(self, store: Snapshot) -> None:
        self._store = store
        self.id = next((str(row[0]) for row in store.rows("SELECT id FROM store")), "")

    def effects(self) -> Iterator[tuple[int, StoredEffect]]:
        """Every effect with its order id, by order id."""
        return _rows(self._store, "effects")

    def shadows(self) -> Iterator[tuple[int, StoredEffect]]:
        """Every shadow decision with its order id, by order id."""
        return _rows(self._store, "shadow_decisions")


@contextmanager
def opened(name: StoreAddress) -> Iterator[Contents | None]:
    """A group's store; None if the group never ran with it.

    Raises:
        DependencyUnavailable: the store cannot be read.
    """
    with reading(name) as store:
        yield Contents(store) if store is not None else None


def _rows(store: Snapshot, table: str) -> Iterator[tuple[int, StoredEffect]]:
    for order_id, name, outcome, text, detail, *place in store.rows(_ROWS.format(table)):
        content = _sale(detail) if name == "sale" else digest(None if text is None else restored(text))
        yield order_id, StoredEffect(name, outcome, content, Position(*place))


def _sale(detail: str | None) -> int:
    try:
        sale = json.loads(restored(detail or ""))
        return digest_lines(sale["currency"], sale["lines"])
    except (ValueError, KeyError, TypeError):
        return 0  # matches no order, so it shows as different
