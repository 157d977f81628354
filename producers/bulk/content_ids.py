"""Ids for bulk rows that have none, made of the row's content: the same file gives the same ids. Pure.

    id of a row = 63 bits of a hash of (the order's content, how many valid rows before it have the same)

An id whose eight bytes spell text (`schemas.keys`) is hashed once more: no order has such an id.

Running a file again therefore places the same orders under the same ids, which causes nothing twice. Mending
a bad row changes no id of other content: the bad row was not counted, and once it is mended, the rows of its
content have the ids that they had before and one more. Neither the format nor the row's place in the file
matters, nor how a system writes the same text: content has one spelling (`placing.validation`).

Two files with the same content mean the same orders. To order the same again, give the rows ids of their own.

Two different contents among n rows share an id with a probability of n**2 / 2**64: for ten million rows,
1 in 180,000.
"""

from hashlib import blake2b

from producers.placing.request import OrderRequest
from schemas import keys

_63_BITS = 2**63 - 1


class ContentIds:
    """Gives ids to the rows of one file, in its order.

    Memory: 80 to 110 bytes for each different content (measured with CPython 3.11), so ten million different
    rows take about a gigabyte.
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def id_of(self, request: OrderRequest) -> int:
        """The id of the next row, 0 <= id < 2**63; the request's own `order_id` plays no part."""
        digest = blake2b(content(request), digest_size=16).digest()
        number = int.from_bytes(digest[:8], "big")
        before = self._counts.get(number, 0)
        self._counts[number] = before + 1
        if before:
            digest = blake2b(digest + before.to_bytes(8, "big"), digest_size=16).digest()
        order_id = _id_in(digest)
        while keys.text_of(order_id) is not None:
            digest = blake2b(digest, digest_size=16).digest()
            order_id = _id_in(digest)
        return order_id


def _id_in(digest: bytes) -> int:
    return int.from_bytes(digest[8:], "big") & _63_BITS


def content(request: OrderRequest) -> bytes:
    """An order's content in one spelling: two orders have the same bytes only if their content is the same.

    The fields are joined by control characters, which no field can contain (see `validation`). A field that
    is not given is empty, which no given field is; `pay`, which came later, is then left out, so that the
    rows of earlier files keep their ids.
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
        *([request.pay] if request.pay is not None else []),
    )
    return "\x1f".join(fields).encode()
