"""What a store must know of its group's committed offsets after its connection was lost."""

import pytest

from consumers.runtime.records import Committed, Progress
from consumers.runtime.store_check import compare
from schemas.errors import RevertedStore
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

P0, P1, COMMAND = (ORDERS, 0), (ORDERS, 1), (DISPATCH_PRODUCTS, 0)
KNOWN = {P0: Progress(10, 10, started=True), P1: Progress(7, 5, started=True)}


def test_a_store_that_knows_at_least_what_is_committed_is_as_new_as_need_be() -> None:
    compare(KNOWN, {P0: Committed(10, "s"), P1: Committed(5, "s"), COMMAND: None}, name="the store")
    compare({}, {P0: Committed(0, "s"), P1: None}, name="the store")


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        ({P0: Committed(11, "s")}, "offset 11 of orders:0, and the store knows 10"),
        ({P1: Committed(5, "s"), COMMAND: Committed(3, "s")}, "offset 3 of dispatch_products:0, .* knows 0"),
    ],
    ids=["behind", "without the partition"],
)
def test_a_store_that_is_behind_in_any_partition_is_refused(
    offset: dict[tuple[str, int], Committed | None], message: str
) -> None:
    with pytest.raises(RevertedStore, match=message):
        compare(KNOWN, offset, name="the store")
