"""[BUY] in each mode: which records, and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.mode.follower import UnknownMode, flow_of, mode_of
from producers.placing.pending_order import OrderRenderer
from producers.placing.render import MetadataSource, UnencodedRecord, render_order
from producers.placing.request import OrderRequest
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.control import INITIAL, Flow, Mode, ModeChanged
from schemas.envelope import from_headers
from schemas.errors import Position
from schemas.facts import Item, OrderPlaced
from schemas.framing import encode_key
from schemas.times import parse_rfc3339

NOW = 1_795_000_000_000
WHERE = Position("orders", 0, 0)
REQUEST = OrderRequest(
    address="1 Streetford Road",
    customer="Anna",
    email="anna@example.com",
    phone="+436641234567",
    items=["kettle:1:3499"],
    expires_in=1.5,
    pay="tok_ok",
)


def placed(
    mode: Mode, request: OrderRequest = REQUEST, order_id: int = 12004, flow: Flow = Flow.DIRECT
) -> tuple[UnencodedRecord, ...]:
    return render_order(
        request,
        order_id=order_id,
        mode=mode,
        flow=flow,
        epoch=3,
        currency="EUR",
        metadata=MetadataSource().metadata(NOW),
    )


def test_command_mode_writes_the_command_alone() -> None:
    (record,) = placed(Mode.COMMAND)
    assert record.topic == "dispatch_products"
    assert record.key == encode_key(12004)
    assert record.message == DispatchProduct(12004, "1 Streetford Road", 3)


def test_event_mode_writes_the_fact_alone() -> None:
    (record,) = placed(Mode.EVENT, flow=Flow.PROCESS)
    assert record.topic == "orders"
    assert record.message == OrderPlaced(
        order_id=12004,
        address="1 Streetford Road",
        placed_at=NOW,
        customer="Anna",
        email="anna@example.com",
        phone="+436641234567",
        currency="EUR",
        items=(Item("kettle", 1, 3499),),
        dispatch_before=NOW + 1500,
        mode_epoch=3,
        shadow_of=(),
        flow="process",
        payment_method="tok_ok",
    )


def test_shadow_mode_writes_both_and_the_fact_says_that_the_command_decides() -> None:
    command, fact = placed(Mode.SHADOW)
    assert (command.topic, fact.topic) == ("dispatch_products", "orders")
    assert isinstance(fact.message, OrderPlaced)
    assert fact.message.shadow_of == ("dispatch_products",)
    assert fact.message.mode_epoch == 3
    assert command.key == fact.key


def test_both_records_of_a_shadow_order_share_correlation_and_trace_but_no_id() -> None:
    command, fact = (from_headers(r.headers, order_id=12004, position=WHERE) for r in placed(Mode.SHADOW))
    assert command.correlation_id == fact.correlation_id == "order-12004"
    assert command.traceparent == fact.traceparent
    assert command.traceparent is not None
    assert command.message_id != fact.message_id


def test_an_expiry_is_a_header_of_the_command_and_a_field_of_the_fact() -> None:
    command, fact = placed(Mode.SHADOW)
    assert parse_rfc3339(dict(command.headers)["ce_expirytime"]) == NOW + 1500
    assert "ce_expirytime" not in dict(fact.headers)
    assert isinstance(fact.message, OrderPlaced)
    assert fact.message.dispatch_before == NOW + 1500


@pytest.mark.parametrize("mode", list(Mode))
def test_an_order_without_expiry_never_expires(mode: Mode) -> None:
    for record in placed(mode, OrderRequest(address="x")):
        assert "ce_expirytime" not in dict(record.headers)
        assert getattr(record.message, "dispatch_before", None) is None


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(list(Mode)))
def test_what_is_written_is_read_back_the_same(order_id: int, mode: Mode) -> None:
    codec = Codec()
    for record in placed(mode, order_id=order_id):
        value = codec.encode(record.topic, record.message)
        assert codec.decode(record.topic, record.key, value, WHERE) == record.message


def test_the_headers_are_those_of_cloudevents() -> None:
    headers = dict(placed(Mode.COMMAND)[0].headers)
    assert headers["ce_type"] == "command_event.DispatchProduct"
    assert headers["ce_source"] == "cev/order-service"
    assert headers["content-type"] == "application/avro"
    assert parse_rfc3339(headers["ce_time"]) == NOW


def test_stamps_are_never_the_same() -> None:
    stamps = MetadataSource()
    made = [stamps.metadata(NOW) for _ in range(1000)]
    assert len({s.command_id for s in made} | {s.fact_id for s in made}) == 2000
    assert len({s.traceparent for s in made}) == 1000


def test_an_order_is_written_in_the_mode_of_its_moment() -> None:
    now = [ModeChanged(1, "command", 0, "me")]
    desk = OrderRenderer(Codec(), lambda: now[0], "EUR")
    first = desk.prepare(REQUEST)
    now[0] = ModeChanged(2, "event", 0, "me")
    second = desk.prepare(REQUEST)
    assert [(w.mode, w.epoch, w.records[0].topic) for w in (first, second)] == [
        (Mode.COMMAND, 1, "dispatch_products"),
        (Mode.EVENT, 2, "orders"),
    ]


def test_a_fact_has_the_flow_of_its_epoch_whenever_the_flow_is_changed() -> None:
    codec, flows = Codec(), list(Flow)
    changes = [ModeChanged(n, "event", 0, "me", flow=flows[n % len(flows)]) for n in range(1, 10)]
    left = iter(changes)
    renderer = OrderRenderer(codec, lambda: next(left), "EUR")
    written = []
    for _ in changes:
        (record,) = renderer.prepare(OrderRequest(address="x")).records
        written.append(codec.decode(record.topic, record.key, record.value, WHERE))
    assert [(fact.mode_epoch, fact.flow) for fact in written if isinstance(fact, OrderPlaced)] == [
        (change.epoch, change.flow) for change in changes
    ]


@pytest.mark.parametrize("mode", [Mode.COMMAND, Mode.SHADOW])
@pytest.mark.parametrize("flow", ["process", "telepathy"])
def test_only_facts_alone_have_another_flow_than_direct(mode: Mode, flow: str) -> None:
    assert flow_of(ModeChanged(9, mode.value, 0, "somebody", flow=flow)) is Flow.DIRECT


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (ModeChanged(9, "telepathy", 0, "me"), "mode"),
        (ModeChanged(9, "event", 0, "me", flow="telepathy"), "flow"),
    ],
)
def test_a_mode_or_flow_of_a_later_version_stops_placing(change: ModeChanged, what: str) -> None:
    renderer = OrderRenderer(Codec(), lambda: change, "EUR")
    with pytest.raises(UnknownMode, match=f"'telepathy' .* a {what} that") as refused:
        renderer.prepare(REQUEST)
    assert refused.value.exit_code == 4


def test_a_given_id_is_respected_before_any_other() -> None:
    desk = OrderRenderer(Codec(), lambda: INITIAL, "EUR")
    assert desk.prepare(OrderRequest(address="x", order_id=7), 8).order_id == 7
    assert desk.prepare(OrderRequest(address="x"), 8).order_id == 8
    assert desk.prepare(OrderRequest(address="x")).order_id > 2**32


def test_the_initial_mode_is_command() -> None:
    assert mode_of(INITIAL) is Mode.COMMAND
