"""Who must be there, in each mode and flow: before that, an order that waits is no alarm."""

from pathlib import Path

import pytest

from databases.address import StoreAddress
from operations.status.must_handle import must_handle_of
from operations.status.stores import Reader
from schemas.control import INITIAL, Flow, Mode, ModeChanged
from schemas.topics import CATALOGUE

READS = {
    "warehouse": ("dispatch_products", "orders"),
    "payments": ("capture_payments", "orders"),
    "fulfilment": ("orders", "payments", "dispatch_results"),
    "sales": ("orders",),
}
READERS = [
    Reader(
        group,
        reads,
        "dispatch_products" if group == "warehouse" else None,
        StoreAddress.at(group, data_dir=Path()),
    )
    for group, reads in READS.items()
]
COMMANDS = {("warehouse", "dispatch_products"): True, ("payments", "capture_payments"): True}


@pytest.mark.parametrize("change", [INITIAL, None])
def test_where_commands_decide_their_owners_must_be_there(change: ModeChanged | None) -> None:
    """And the warehouse for facts of another time, once it has begun with them."""
    assert must_handle_of(CATALOGUE, READERS, change) == COMMANDS | {("warehouse", "orders"): False}


@pytest.mark.parametrize(
    ("flow", "acting"),
    [(Flow.DIRECT, []), (Flow.COLLABORATION, ["payments"]), (Flow.PROCESS, ["fulfilment"])],
)
def test_where_facts_decide_those_who_act_on_them_must_be_there_from_the_first_on(
    flow: Flow, acting: list[str]
) -> None:
    change = ModeChanged(1, Mode.EVENT.value, 0, "me", flow=flow.value)
    wanted = {(group, "orders"): True for group in ["warehouse", *acting]}
    assert must_handle_of(CATALOGUE, READERS, change) == COMMANDS | wanted
