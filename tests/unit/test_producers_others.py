"""Partitions, sample orders, loads, bulks and results: what they decide without a broker."""

import itertools
from collections.abc import Callable
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

import producers
from clients.config import Cluster
from clients.partitioner import murmur2, partition_of
from producers.bulk.import_orders import OrderImport
from producers.bulk.load_generator import LoadGenerator, paced
from producers.bulk.row_reader import Row
from producers.bulk.sample_orders import sample_orders
from producers.mode.audience import audience
from producers.mode.change import set_mode
from producers.placing.pending_order import OrderRenderer, Placed
from producers.placing.request import OrderRequest
from producers.placing.result_watch import result_of
from schemas.codec import Codec
from schemas.control import INITIAL, Flow, Mode
from schemas.errors import BrokerUnreachable, InvalidOrder, NotAcknowledged, UsageError
from schemas.facts import DispatchExpired, DispatchRejected, ProductDispatched


# The vectors of Kafka's own UtilsTest.
@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(data: bytes, hashed: int) -> None:
    assert murmur2(data) == hashed & 0xFFFFFFFF


@given(st.binary(max_size=40), st.integers(1, 100))
def test_a_partition_is_always_one_of_the_topics(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions


def test_a_seed_fixes_what_is_ordered() -> None:
    first = list(itertools.islice(sample_orders(7), 200))
    assert first == list(itertools.islice(sample_orders(7), 200))
    assert first != list(itertools.islice(sample_orders(8), 200))


def test_a_token_is_on_every_sample_order_and_changes_nothing_else() -> None:
    paid = list(itertools.islice(sample_orders(7, pay="tok_ok"), 20))
    assert {order.pay for order in paid} == {"tok_ok"}
    plain = itertools.islice(sample_orders(7), 20)
    assert [order.model_copy(update={"pay": None}) for order in paid] == list(plain)


def test_sample_orders_refuse_a_bad_token_before_the_first() -> None:
    with pytest.raises(InvalidOrder, match="pay is not a token"):
        sample_orders(7, pay="a b")


def test_sample_orders_look_like_a_shops() -> None:
    orders = list(itertools.islice(sample_orders(1), 500))
    assert all(order.email and order.customer and order.order_id is None for order in orders)
    assert {len(order.items) for order in orders} == {1, 2, 3, 4}
    with_phone = sum(order.phone is not None for order in orders)
    assert 100 < with_phone < 300


def test_sample_orders_are_what_a_check_would_make_of_them() -> None:
    for order in itertools.islice(sample_orders(1), 6000):
        assert dict(OrderRequest(**dict(order))) == dict(order)


def test_the_same_customer_has_the_same_address_book_entry() -> None:
    known: dict[str | None, set[tuple[str | None, str | None]]] = {}
    for order in itertools.islice(sample_orders(1), 3000):
        known.setdefault(order.customer, set()).add((order.email, order.phone))
    assert all(len(entries) == 1 for entries in known.values())


class Pipe:
    """Places at once, unless told to fail."""

    def __init__(
        self, desk: OrderRenderer, on_outcome: Callable[[Any, Any], None], fail_at: int, dead_at: int
    ) -> None:
        self.desk, self.on_outcome = desk, on_outcome
        self.fail_at, self.dead_at, self.count = fail_at, dead_at, 0
        self.fatal_error: BrokerUnreachable | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def submit(self, tag: Any, request: OrderRequest, order_id: int | None = None) -> None:
        self.count += 1
        if self.count == self.dead_at:
            raise BrokerUnreachable("nobody")
        if self.count == self.fail_at:
            self.on_outcome(tag, NotAcknowledged("late"))
        else:
            self.on_outcome(tag, self.desk.prepare(request, order_id).dry_run_result())


class Placer:
    """Stands in for an order placer."""

    def __init__(self, fail_at: int = 0, dead_at: int = 0) -> None:
        self.desk = OrderRenderer(Codec(), lambda: INITIAL, "EUR")
        self.fail_at, self.dead_at = fail_at, dead_at

    def prepare(self, request: OrderRequest, order_id: int | None = None) -> Any:
        return self.desk.prepare(request, order_id)

    def pipeline(self, on_outcome: Callable[[Any, Any], None]) -> Any:
        return Pipe(self.desk, on_outcome, self.fail_at, self.dead_at)


ROWS = [
    Row(1, 1, {"address": "a"}),
    Row(2, 2, None, "not JSON"),
    Row(3, 3, {"address": ""}),
    Row(4, 4, {"address": "b", "order_id": "12004"}),
]


def run_bulk(
    placer: Placer, *, rehearse: bool = False
) -> tuple[OrderImport, list[Placed], list[str], object]:
    placed: list[Placed] = []
    faults: list[str] = []
    bulk = OrderImport(
        placer,
        on_placed=placed.append,
        on_error=lambda row, message: faults.append(f"{row.label}: {message}"),
    )
    lost = bulk.dry_run(ROWS) if rehearse else bulk.run(ROWS)  # type: ignore[func-returns-value]  # a rehearsal loses nothing
    return bulk, placed, faults, lost


def test_good_rows_are_placed_and_bad_ones_named() -> None:
    bulk, placed, faults, lost = run_bulk(Placer())
    assert [each.order_id for each in placed][1:] == [12004]
    assert faults == ["row 2: not JSON", "row 3: address is blank"]
    assert (bulk.placed, bulk.failed, lost) == (2, 2, None)
    assert [error.row for error in bulk.errors] == [2, 3]


def test_rows_that_name_the_order_of_an_earlier_row_are_counted() -> None:
    rows = [
        Row(n, n, {"address": "x", **({} if id_ is None else {"order_id": id_})})
        for n, id_ in enumerate([7, "7", None, 8, None, 7], 1)
    ]
    bulk = OrderImport(Placer(), on_placed=lambda _: None, on_error=lambda *_: None)
    bulk.run(rows)
    assert (bulk.placed, bulk.repeated) == (6, 2)


def test_a_rehearsal_says_the_same_and_opens_no_pipeline() -> None:
    bulk, placed, faults, _ = run_bulk(Placer(), rehearse=True)
    _, really, same_faults, _ = run_bulk(Placer())
    assert [each.order_id for each in placed] == [each.order_id for each in really]
    assert faults == same_faults
    assert bulk.placed == 2


def test_a_row_that_the_broker_did_not_take_is_a_failed_row() -> None:
    bulk, _, faults, _ = run_bulk(Placer(fail_at=1))
    assert (bulk.placed, bulk.failed) == (1, 3)
    assert "row 1: late" in faults


def test_a_lost_cluster_stops_the_bulk_and_says_why() -> None:
    bulk, _, _, lost = run_bulk(Placer(dead_at=2))
    assert isinstance(lost, BrokerUnreachable)
    assert bulk.placed == 1


def test_a_cluster_that_is_lost_after_the_last_row_is_told_too() -> None:
    class LostPlacer(Placer):
        def pipeline(self, on_outcome: Callable[[Any, Any], None]) -> Any:
            pipe = super().pipeline(on_outcome)
            pipe.fatal_error = BrokerUnreachable("nobody")
            return pipe

    assert isinstance(run_bulk(LostPlacer(fail_at=1))[3], BrokerUnreachable)
    assert isinstance(
        LoadGenerator(LostPlacer(fail_at=1)).run(itertools.islice(sample_orders(1), 1)).error,
        BrokerUnreachable,
    )


def test_a_load_counts_by_mode() -> None:
    loaded = LoadGenerator(Placer(fail_at=3)).run(itertools.islice(sample_orders(1), 10))
    assert (loaded.placed, loaded.failed, loaded.modes) == (9, 1, {"command": 9})
    assert isinstance(loaded.error, NotAcknowledged)


def test_what_was_placed_is_counted_where_the_run_is_broken_off() -> None:
    class Stuck(Pipe):
        """Takes orders, answers the first of them, and is left before it has answered the others."""

        def submit(self, tag: Any, request: OrderRequest, order_id: int | None = None) -> None:
            if not self.count:
                super().submit(tag, request, order_id)

        def __exit__(self, *_: object) -> None:
            raise KeyboardInterrupt

    class StuckPlacer(Placer):
        def pipeline(self, on_outcome: Callable[[Any, Any], None]) -> Any:
            return Stuck(self.desk, on_outcome, 0, 0)

    generator = LoadGenerator(StuckPlacer())
    with pytest.raises(KeyboardInterrupt):
        generator.run(itertools.islice(sample_orders(1), 3))
    assert (generator.result.placed, generator.result.failed) == (1, 2)
    bulk = OrderImport(StuckPlacer(), on_placed=lambda _: None, on_error=lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        bulk.run(ROWS)
    assert (bulk.placed, bulk.failed, bulk.unconfirmed) == (1, 2, 1)


def test_a_steady_load_keeps_each_orders_own_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("producers.bulk.load_generator.time.monotonic", lambda: 0.0)
    monkeypatch.setattr("producers.bulk.load_generator.time.sleep", waits.append)
    assert list(paced("abcd", rate=1)) == ["a", "b", "c", "d"]
    # Nothing really waits here, so each order is further ahead of its own second.
    assert waits == [0, 1, 2, 3]
    assert list(paced("abcd", rate=0)) == ["a", "b", "c", "d"]
    assert len(waits) == 4


def test_results_are_told_by_their_type_time_and_reason() -> None:
    good = result_of(ProductDispatched(1, "x", 5), "x")
    assert good is not None
    assert (good.type, good.at, good.reason, good.good) == ("ProductDispatched", 5, None, True)
    rejected = result_of(DispatchRejected(1, "no address", 6), "x")
    assert rejected is not None
    assert (rejected.reason, rejected.good) == ("no address", False)
    expired = result_of(DispatchExpired(1, 1000, 6), "x")
    assert expired is not None
    assert expired.reason == "it was to be dispatched before 1970-01-01T00:00:01.000Z"


def test_a_dispatch_to_another_address_is_not_this_orders_result() -> None:
    other = result_of(ProductDispatched(1, "elsewhere", 5), "x")
    assert other is not None
    assert not other.good


@pytest.mark.parametrize("mode", [Mode.COMMAND, Mode.SHADOW])
def test_a_flow_that_is_not_direct_needs_mode_event(mode: Mode) -> None:
    nowhere = Cluster(bootstrap="127.0.0.1:1")
    with pytest.raises(UsageError, match=r"`cev mode set event --flow process`") as refused:
        set_mode(nowhere, Codec(), mode, Flow.PROCESS, changed_by="me")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("flow", list(Flow))
@pytest.mark.parametrize("mode", [Mode.COMMAND, Mode.SHADOW])
def test_where_the_command_decides_the_warehouse_acts_on_it(mode: Mode, flow: Flow) -> None:
    assert audience(mode, flow) == {"warehouse": "dispatch_products"}


def test_each_flow_of_facts_has_its_groups_and_each_group_one_topic_to_act_on() -> None:
    assert {flow: audience(Mode.EVENT, flow) for flow in Flow} == {
        Flow.DIRECT: {"warehouse": "orders"},
        Flow.COLLABORATION: {"warehouse": "orders", "payments": "orders"},
        Flow.PROCESS: {
            "fulfilment": "orders",
            "payments": "capture_payments",
            "warehouse": "dispatch_products",
        },
    }


def test_the_public_names_are_there_and_no_others() -> None:
    assert all(getattr(producers, name) is not None for name in producers.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = producers.Nonsense
