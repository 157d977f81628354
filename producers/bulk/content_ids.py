"""Ids for bulk rows that have none, from what the row says: the same file gives the same ids. Pure.

    id of a row = 63 bits of a hash of (the order's content, how many valid rows before it say the same)

Running a file again therefore places the same orders under the same ids, which causes nothing twice. Mending
bad rows changes no other row's id: a row that was bad was not counted, and once mended it counts for rows of
its own content only, whose ids are then, together, the old ones and one more. Neither the format nor the
row's place in the file matters.

Two files that say the same thing mean the same orders. Who orders the same again tomorrow gives the rows ids.

Two different contents among n rows share an id with a probability of n**2 / 2**64: for ten million rows,
1 in 180,000.
"""

from array import array
from hashlib import blake2b

from producers.placing.request import OrderRequest

_START = 1024
_63_BITS = 2**63 - 1


class Occurrences:
    """Counts how often each 64-bit number came: 16 to 32 bytes for each different one.

    A table with open addressing, at most half full: a Python set or dict takes 100 bytes and more, which
    ten million rows would feel.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * _START))
        self._used = 0
        self._more: dict[int, int] = {}

    def count(self, number: int) -> int:
        """How often this number came before; it has come once more now."""
        number = number or 1  # 0 marks an empty place
        if self._added(self._table, number):
            self._used += 1
            if self._used * 2 > len(self._table):
                self._grow()
            return 0
        before = self._more.get(number, 1)
        self._more[number] = before + 1
        return before

    @staticmethod
    def _added(table: "array[int]", number: int) -> bool:
        mask = len(table) - 1
        at = number & mask
        while table[at]:
            if table[at] == number:
                return False
            at = (at + 1) & mask
        table[at] = number
        return True

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._table)))
        for number in self._table:
            if number:
                self._added(larger, number)
        self._table = larger


class ContentIds:
    """Gives ids to the rows of one file, in its order."""

    def __init__(self) -> None:
        self._seen = Occurrences()

    def id_of(self, request: OrderRequest) -> int:
        """The id of the next row; its own `order_id` plays no part. 0 <= id < 2**63."""
        digest = blake2b(content(request), digest_size=16).digest()
        before = self._seen.count(int.from_bytes(digest[:8], "big"))
        if before:
            digest = blake2b(digest + before.to_bytes(8, "big"), digest_size=16).digest()
        return int.from_bytes(digest[8:], "big") & _63_BITS


def content(request: OrderRequest) -> bytes:
    """What an order says, in one spelling.

    The fields are joined by control characters, which no field can contain (see `checks`), and a field that
    is not given is empty, which no given one is: so two orders have the same bytes only if they say the same.
    """
    items = "\x1e".join(
        [f"{item.product}\x1d{item.quantity}\x1d{item.unit_price_cents}" for item in request.items]
    )
    expires = "" if request.expires_in is None else repr(float(request.expires_in))
    fields = (
        request.address,
        request.customer or "",
        request.email or "",
        request.phone or "",
        request.currency or "",
        items,
        expires,
    )
    return "\x1f".join(fields).encode()
