"""Commands: imperative, one owner, one consumer group (design §2). No fact lives here."""

from typing import NamedTuple

MAX_ADDRESS = 500
"""Characters of an address that the warehouse accepts."""


class DispatchProduct(NamedTuple):
    """Dispatch the product of one order to an address.

    Attributes:
        order_id: any signed 64-bit integer; on the wire it is the record's key alone.
        address: where to; None only in records that others wrote, and then refused by rule.
        mode_epoch: number of the mode in force when it was written; 0 in records that others wrote.
    """

    order_id: int
    address: str | None
    mode_epoch: int = 0


Command = DispatchProduct
"""Every command of the catalogue."""
