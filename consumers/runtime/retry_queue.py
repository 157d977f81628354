"""Records that wait: for their next attempt, for how their deliveries end, or behind another of their order.

Records of one order stay in the order in which they arrived (invariant 10). The first of them decides until
when all of them wait. Records whose key cannot be read belong to no order and wait by themselves.

Pure. Not here: how long a record waits (`retry_policy`), and what holds records back within one pass
(`failures.ordering`).
"""

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter

from consumers.runtime.records import Item, Partition, is_from
from schemas.errors import Position

UNTIL_DELIVERED = sys.maxsize
"""When an order is due whose deliveries are under way: not before they have ended."""

Key = int | Position
"""What waits together: an order's id, or the position of a record that belongs to no order."""


class RetryQueue:
    """The waiting records of one member.

    Args:
        longest_wait_ms: nothing that has a time waits longer: the clock may be set back meanwhile.
    """

    def __init__(self, *, longest_wait_ms: int) -> None:
        self._longest_wait_ms = longest_wait_ms
        self._items: dict[Key, dict[Position, Item]] = {}
        self._due: dict[Key, int] = {}
        self._keys: dict[Position, Key] = {}
        self._next_due = UNTIL_DELIVERED

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def next_due(self) -> int:
        """When the first order is due, ms since the epoch; `UNTIL_DELIVERED` if none is."""
        return self._next_due

    def due_orders(self, now: int) -> list[Key]:
        """The orders that are due, those that have been for longest first."""
        if now < self._next_due <= now + self._longest_wait_ms or self._next_due == UNTIL_DELIVERED:
            return []
        latest = now + self._longest_wait_ms
        due = [(at, key) for key, at in self._due.items() if at <= now or latest < at != UNTIL_DELIVERED]
        return [key for _, key in sorted(due, key=itemgetter(0))]

    def due(self, now: int, most: int = sys.maxsize) -> list[Item]:
        """The records of the orders that are due, each order's in their order. They stay until `settle`.

        Args:
            now: ms since the epoch.
            most: of so many orders at most; the others have their turn later.
        """
        return [item for key in self.due_orders(now)[:most] for item in self._items[key].values()]

    def items(self) -> Iterator[Item]:
        """Every record that waits."""
        for items in self._items.values():
            yield from items.values()

    def put(self, items: Iterable[Item]) -> None:
        """Let records wait behind those of their order; one that waits already keeps its place."""
        for item in items:
            key, position = key_of(item), item.record.position
            self._items.setdefault(key, {})[position] = item
            self._keys[position] = key
            self._due.setdefault(key, 0)
        self._find_next()

    def wait(self, until: Mapping[Key, int]) -> None:
        """Let orders wait until a moment: ms since the epoch, or `UNTIL_DELIVERED`."""
        for key, at in until.items():
            if key in self._due:
                self._due[key] = at
        self._find_next()

    def __contains__(self, position: Position) -> bool:
        return position in self._keys

    def split(
        self, new: Sequence[Item], due: Sequence[Item], in_flight: Collection[Position]
    ) -> tuple[list[Item], list[Item]]:
        """Which records may be decided about, and which new ones wait behind others of their order.

        Args:
            new: records that were just read.
            due: what `due` returned.
            in_flight: records whose deliveries are under way, also those that are read once more.
        """
        if not self._items and not in_flight:
            return [*new], []
        ready, held = [*due], list[Item]()
        due_keys, held_keys = {key_of(item) for item in due}, set[Key]()
        for item in new:
            key = key_of(item)
            behind = key in held_keys or (key in self._items and key not in due_keys)
            if behind or item.record.position in in_flight:
                held.append(item)
                held_keys.add(key)
            else:
                ready.append(item)
        return ready, held

    def settle(self, positions: Iterable[Position]) -> None:
        """Let go of records that wait no more; what waited behind one of them is due."""
        for position in positions:
            key = self._keys.pop(position, None)
            if key is None:
                continue
            del self._items[key][position]
            self._due[key] = 0
            if not self._items[key]:
                del self._items[key], self._due[key]
        self._find_next()

    def wake(self, positions: Iterable[Position]) -> None:
        """Let the orders of these records be due."""
        keys = (self._keys[position] for position in positions if position in self._keys)
        self.wait(dict.fromkeys(keys, 0))

    def forget(self, offsets: Mapping[Partition, int]) -> None:
        """Let go of partitions from an offset on: another member has them now, or they are read again."""
        self.settle([position for position in self._keys if is_from(position, offsets)])

    def _find_next(self) -> None:
        self._next_due = min(self._due.values(), default=UNTIL_DELIVERED)


def key_of(item: Item) -> Key:
    """What a record waits with."""
    return item.record.position if item.order_id is None else item.order_id
