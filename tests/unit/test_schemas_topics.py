"""The catalogue says what design §5 says, and derived names cannot collide."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.commands import CapturePayment, DispatchProduct, RefundPayment, SendNotification
from schemas.control import ModeChanged
from schemas.facts import (
    DispatchExpired,
    DispatchRejected,
    OrderPlaced,
    PaymentCaptured,
    PaymentFailed,
    PaymentRefunded,
    ProductDispatched,
    RefundFailed,
)
from schemas.timers import TimerDue
from schemas.topics import BY_NAME, CATALOGUE, Kind, Topic, dead_letter_topic, derived, retry_topic

RESULTS = (ProductDispatched, DispatchRejected, DispatchExpired)
PAYMENT_RESULTS = (PaymentCaptured, PaymentFailed, PaymentRefunded, RefundFailed)
DESIGN = [
    ("dispatch_products", "command", (DispatchProduct,), "warehouse", 6),
    ("capture_payments", "command", (CapturePayment, RefundPayment), "payments", 6),
    ("send_notifications", "command", (SendNotification,), "notification", 6),
    ("orders", "fact", (OrderPlaced,), "order-service", 6),
    ("dispatch_results", "result", RESULTS, "warehouse", 6),
    ("payments", "result", PAYMENT_RESULTS, "payments", 6),
    ("payments.timers", "timer", (TimerDue,), "payments", 6),
    ("fulfilment.timers", "timer", (TimerDue,), "fulfilment", 6),
    ("order_mode", "control", (ModeChanged,), "operators", 1),
]
GROUPS = st.from_regex(r"[a-z][a-z0-9-]{0,40}", fullmatch=True)


def test_the_catalogue_is_the_designs_table() -> None:
    assert [(t.name, t.kind.value, t.records, t.owner, t.partitions) for t in CATALOGUE] == DESIGN


def test_a_topic_is_found_by_its_name() -> None:
    assert {name: topic.name for name, topic in BY_NAME.items()} == {name: name for name, *_ in DESIGN}
    assert topics.DISPATCH_PRODUCTS == "dispatch_products"
    assert topics.CAPTURE_PAYMENTS == "capture_payments"
    assert topics.SEND_NOTIFICATIONS == "send_notifications"
    assert topics.ORDERS == "orders"
    assert topics.DISPATCH_RESULTS == "dispatch_results"
    assert topics.PAYMENTS == "payments"
    assert topics.PAYMENTS_TIMERS == "payments.timers"
    assert topics.FULFILMENT_TIMERS == "fulfilment.timers"
    assert topics.ORDER_MODE == "order_mode"


def test_the_kinds_are_the_designs() -> None:
    kinds = ["command", "fact", "result", "control", "timer", "dead-letter", "retry"]
    assert [kind.value for kind in Kind] == kinds


def test_a_group_gets_a_dead_letter_and_a_retry_topic_for_each_source() -> None:
    assert derived([("warehouse", ("dispatch_products", "orders")), ("sales", ("orders",))]) == (
        Topic(
            name="warehouse.dispatch_products.dlq",
            kind=Kind.DEAD_LETTER,
            records=(),
            owner="warehouse",
            source="dispatch_products",
        ),
        Topic(
            name="warehouse.dispatch_products.retry",
            kind=Kind.RETRY,
            records=(),
            owner="warehouse",
            source="dispatch_products",
        ),
        Topic(
            name="warehouse.orders.dlq", kind=Kind.DEAD_LETTER, records=(), owner="warehouse", source="orders"
        ),
        Topic(name="warehouse.orders.retry", kind=Kind.RETRY, records=(), owner="warehouse", source="orders"),
        Topic(name="sales.orders.dlq", kind=Kind.DEAD_LETTER, records=(), owner="sales", source="orders"),
        Topic(name="sales.orders.retry", kind=Kind.RETRY, records=(), owner="sales", source="orders"),
    )


def test_derived_topics_have_as_many_partitions_as_their_sources_do() -> None:
    assert {topic.partitions for topic in derived([("a", [name]) for name in BY_NAME])} == {6}


@pytest.mark.parametrize(
    "group",
    ["", "Warehouse", "9lives", "-a", "a.b", "a_b", "a b", "a\n", "é", "ware/house", "a" + "\N{NULL}"],
)
@pytest.mark.parametrize("name", [dead_letter_topic, retry_topic])
def test_a_group_id_that_could_collide_is_refused_by_name(group: str, name: object) -> None:
    assert callable(name)
    with pytest.raises(ValueError, match="must be a lower-case letter, then letters, digits or hyphens"):
        name(group, "orders")
    with pytest.raises(ValueError, match="group id"):
        derived([(group, ["orders"])])


@given(st.lists(st.tuples(GROUPS, st.sampled_from(list(BY_NAME))), unique=True, max_size=8))
def test_no_two_groups_and_sources_share_a_topic(readers: list[tuple[str, str]]) -> None:
    """Kafka's metric names treat `.` and `_` alike, so names that differ there alone collide too."""
    names = [topic.name for topic in derived((group, [source]) for group, source in readers)]
    assert len({name.replace(".", "_") for name in [*names, *BY_NAME]}) == len(names) + len(BY_NAME)
    assert all(len(name) <= 249 for name in names)


@pytest.mark.parametrize("topic", [*CATALOGUE, *derived([("warehouse", ["orders"])])], ids=lambda t: t.name)
def test_time_and_size_never_delete_what_nobody_handled(topic: Topic) -> None:
    assert topic.config["cleanup.policy"] == "delete"
    assert topic.config["retention.ms"] == "-1"
    assert topic.config["retention.bytes"] == "-1"


def test_dead_letter_and_retry_topics_take_larger_records_than_any_source() -> None:
    largest = max(int(topic.config["max.message.bytes"]) for topic in CATALOGUE)
    for topic in derived([("warehouse", ["orders"])]):
        assert int(topic.config["max.message.bytes"]) > largest + 1_048_576


def test_the_mode_history_is_one_partition_and_never_compacted() -> None:
    control = BY_NAME["order_mode"]
    assert control.partitions == 1
    assert "compact" not in control.config["cleanup.policy"]


def test_a_topic_carries_only_the_records_of_its_kind() -> None:
    for one, other in pairwise(sorted(CATALOGUE, key=lambda topic: topic.name)):
        assert not set(one.records) & set(other.records)
