"""The reconciliation looks at orders one by one, and lists ids in few bytes: it fits whatever the number."""

import tracemalloc
from array import array

import pytest

from databases import scratch
from operations.verify.evidence import Offsets, OrderRecord, StoredEffect
from operations.verify.reconcile import reconcile
from operations.verify.reconciliation import OrderIds, Reconciliation
from operations.verify.workspace import Workspace, workspace
from schemas.errors import OperationFailed, Position
from schemas.topics import ORDERS
from tests.support.drafts import EVENT, draft

ORDERS_COUNT = 5_000
MAX_BYTES = 600_000


def fill(evidence: Workspace) -> None:
    """Facts that no group has read, each with a mail and a text that were sent all the same."""
    numbers = range(ORDERS_COUNT)
    evidence.add_records((n, OrderRecord(Position(ORDERS, 0, n), 1, 2, 3, 4)) for n in numbers)
    evidence.add_effects(
        "notification",
        (
            (n, StoredEffect(name, "done", content, Position(ORDERS, 0, n)))
            for n in numbers
            for name, content in (("email", 2), ("text", 3))
        ),
    )


def reconciled(evidence: Workspace) -> Reconciliation:
    passed = {group: {(ORDERS, 0): 0} for group in ("warehouse", "notification", "sales")}
    return reconcile(evidence, Offsets(passed, {}, passed), {})


def test_memory_does_not_grow_with_the_orders() -> None:
    with workspace() as evidence:
        fill(evidence)
        tracemalloc.start()
        try:
            reconciliation = reconciled(evidence)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert (reconciliation.accepted, reconciliation.notified) == (ORDERS_COUNT, ORDERS_COUNT)
    assert len(reconciliation.unseen) == ORDERS_COUNT
    assert peak < MAX_BYTES, f"{peak:,} bytes for {ORDERS_COUNT:,} orders"


def test_listed_ids_are_text_in_their_order_and_compare_as_such() -> None:
    listed = OrderIds(array("q", [-(2**63), 7]), ["orders:0:1"])
    assert list(listed) == [str(-(2**63)), "7", "orders:0:1"]
    assert (len(listed), "7" in listed, "8" in listed) == (3, True, False)
    assert listed == (str(-(2**63)), "7", "orders:0:1")
    assert listed != ("7",)
    assert not OrderIds()


def test_dead_letters_are_counted_apart_from_the_orders_that_are_dead() -> None:
    world = draft([EVENT])
    with workspace() as evidence:
        world.fill(evidence)
        offsets = Offsets(world.passed, world.starts, world.latest)
        reconciliation = reconcile(evidence, offsets, {"warehouse": 2, "sales": 1})
    assert (reconciliation.dead, reconciliation.dead_letters) == (0, {"warehouse": 2, "sales": 1})


def test_a_full_disk_is_one_line_that_says_where_room_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_PRAGMAS", (*scratch._PRAGMAS, "PRAGMA max_page_count = 20"))
    with pytest.raises(OperationFailed, match=r"disk is full.*SQLITE_TMPDIR"), workspace() as evidence:
        fill(evidence)
