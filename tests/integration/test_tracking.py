"""Tracking on a real broker: it comes late, reads from the first record, and says how far it is."""

from operations.order_view import read_order
from tests.support.consumers.harness import ConsumerHarness


def test_a_late_group_knows_every_order_by_either_path_from_the_first_record(shop: ConsumerHarness) -> None:
    shop.command(7)
    shop.fact(8)
    shop.handled("warehouse")
    status = shop.handled("tracking")
    assert (status.dead, status.effects) == (0, 0)
    commanded, placed = (read_order(shop.name("tracking"), order_id) for order_id in (7, 8))
    assert commanded is not None
    assert placed is not None
    assert [fact.type for fact in commanded.facts] == ["ProductDispatched"]
    assert [fact.type for fact in placed.facts] == ["OrderPlaced", "ProductDispatched"]
    assert (commanded.status, commanded.is_placed) == ("dispatched", False)
    assert (placed.status, placed.is_placed) == ("dispatched", True)
    code, said = shop.ran("order", "status", "9")
    assert (code, "nothing is known of order 9: tracking has read every fact" in said) == (1, True), said
    shop.fact(9)
    code, said = shop.ran("order", "status", "9")
    assert (code, "tracking does not run, and has still to read 1 record" in said) == (1, True), said
