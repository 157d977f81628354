"""Which conditions raise an alarm, and which do not."""

import pytest

from consumers.runtime.reaction import StateAlarm
from operations.groups import Group
from operations.status import alarms
from operations.status.alarms import ABSENT_MS, DeadLetterCount, Lag, StatusAlarm
from operations.status.mode_alarms import of_mode
from operations.topics.plan import Difference
from producers.mode.sequence import ModeState, Suspect
from schemas.control import ModeChanged
from schemas.errors import NoRegistry, Position
from schemas.topics import CATALOGUE, DISPATCH_PRODUCTS, ORDER_MODE, ORDERS, derived

WAREHOUSE = [("warehouse", DISPATCH_PRODUCTS)]
KNOWN = ["warehouse", "sales"]
NOW = 1_700_000_000_000
BEHIND = Lag("warehouse", DISPATCH_PRODUCTS, 3, 1000, 0)
[DLQ, _] = derived([("sales", [ORDERS])])


def test_a_missing_topic_and_a_difference_are_alarms() -> None:
    raised = alarms.of_topics([CATALOGUE[0]], [Difference(ORDERS, "partitions", "6", "3")])
    assert [(each.name, each.subject) for each in raised] == [
        ("topic-missing", DISPATCH_PRODUCTS),
        ("topics-differ", ORDERS),
    ]
    # People see the text and not the subject.
    assert all(each.subject in each.text for each in raised)


@pytest.mark.parametrize(
    ("difference", "remedy"),
    [
        (Difference(ORDERS, "retention.ms", "-1", "604800000"), "`cev topics create` changes it"),
        (Difference(ORDERS, "partitions", "6", "3"), "keys would move"),
        (Difference(ORDERS, "replication", "3", "1"), "Kafka's own tools"),
    ],
)
def test_a_difference_names_the_remedy_that_fits_it(difference: Difference, remedy: str) -> None:
    [raised] = alarms.of_topics([], [difference])
    assert remedy in raised.text


def test_a_number_and_its_noun_agree() -> None:
    one = BEHIND._replace(lag=1, members=1)
    [alone] = alarms.of_lags([one._replace(members=0)], WAREHOUSE, KNOWN, NOW)
    [stuck] = alarms.of_standstill([one], [])
    assert alone.text.startswith("1 record waits on ")
    assert "although it has 1 live member:" in stuck.text


def test_another_group_with_offsets_on_a_command_topic_is_foreign() -> None:
    [raised] = alarms.of_foreign_groups(CATALOGUE, [("audit", DISPATCH_PRODUCTS), ("audit", ORDERS)], [])
    assert (raised.name, raised.subject) == ("foreign-group", "audit@dispatch_products")
    assert "has read" in raised.text


def test_another_group_that_only_reads_a_command_topic_is_foreign_too() -> None:
    reading = Group(1, frozenset({DISPATCH_PRODUCTS}))
    [raised] = alarms.of_foreign_groups(CATALOGUE, [], [("audit", reading), ("warehouse", reading)])
    assert raised.subject == "audit@dispatch_products"
    assert "reads" in raised.text


def test_anybody_may_read_facts() -> None:
    assert alarms.of_foreign_groups(CATALOGUE, [("audit", ORDERS)], []) == []


def test_waiting_commands_without_a_live_member_are_an_alarm_since_the_oldest() -> None:
    [raised] = alarms.of_lags([BEHIND], WAREHOUSE, KNOWN, NOW)
    assert (raised.name, raised.since) == ("no-consumer", 1000)


def test_a_live_member_or_no_lag_is_no_alarm() -> None:
    assert alarms.of_lags([BEHIND._replace(members=1), BEHIND._replace(lag=0)], WAREHOUSE, KNOWN, NOW) == []


def test_a_reaction_whose_records_wait_without_a_member_is_an_alarm_after_the_time_of_a_restart() -> None:
    lag = Lag("sales", ORDERS, 9, NOW - ABSENT_MS, 0)
    [raised] = alarms.of_lags([lag], WAREHOUSE, KNOWN, NOW)
    assert (raised.name, raised.subject, raised.since) == ("no-consumer", "sales@orders", lag.oldest_at)
    assert alarms.of_lags([lag], WAREHOUSE, KNOWN, NOW - 1) == []


def test_a_record_with_a_time_in_the_future_waits_too_long() -> None:
    assert alarms.of_lags([Lag("sales", ORDERS, 9, NOW + 1, 0)], WAREHOUSE, KNOWN, NOW) != []


def test_a_group_that_may_come_and_go_is_no_alarm() -> None:
    assert alarms.of_lags([Lag("audit", ORDERS, 9, 1, 0)], WAREHOUSE, KNOWN, NOW) == []


def test_dead_letters_are_an_alarm_until_there_are_none() -> None:
    [raised] = alarms.of_dead_letters(
        [DeadLetterCount(DLQ, 2, 5, more=False), DeadLetterCount(DLQ, 0, None, more=False)]
    )
    assert (raised.subject, raised.since) == ("sales.orders.dlq", 5)
    assert raised.text.startswith("2 to decide")


def test_counting_that_stopped_says_so() -> None:
    [raised] = alarms.of_dead_letters([DeadLetterCount(DLQ, 10_000, 5, more=True)])
    assert raised.text.startswith("more than 10,000")


def test_a_groups_own_alarm_is_told_with_its_group() -> None:
    assert alarms.of_group("notification", "outage", "smtp", 5, "the mail server is down") == StatusAlarm(
        "outage", "smtp", 5, "notification: the mail server is down"
    )


def test_a_store_that_does_not_answer_is_an_alarm() -> None:
    assert alarms.of_silent_stores([("sales", "the store x cannot be read: no")]) == [
        StatusAlarm("store", "sales", None, "the store x cannot be read: no")
    ]


def test_the_alarms_of_a_control_topic_say_where_what_and_what_to_do() -> None:
    unreadable = NoRegistry("schema id 7, and no registry", Position(ORDER_MODE, 0, 3))
    first = Suspect(Position(ORDER_MODE, 0, 3), "schema id 7")
    state = ModeState(
        ModeChanged(3, "event", 1, "me"),
        last=4,
        unreadable=unreadable,
        unreadable_epoch=4,
        suspects=(first, first._replace(reason="no key")),
        suspects_left_out=5,
    )
    alarms = {alarm.name: alarm for alarm in of_mode(state, 9)}
    assert {alarm.subject for alarm in alarms.values()} == {ORDER_MODE}
    assert (
        "no order is placed: order_mode:0:3: schema id 7, and no registry" in alarms["mode-unreadable"].text
    )
    assert "order_mode:0:3: schema id 7, and 6 more" in alarms["mode-suspect"].text
    assert "in epoch 9, and it says event, epoch 3" in alarms["mode-anew"].text
    assert all("`cev mode set MODE" in alarm.text for alarm in alarms.values())
    assert of_mode(ModeState(ModeChanged(3, "event", 1, "me"), last=3), 3) == []


def test_orders_in_a_state_that_is_an_alarm_are_counted_since_the_first_of_them() -> None:
    state_alarms = [
        StateAlarm("payment-unresolved", ("unresolved", "refund unresolved"), "ask the gateway"),
        StateAlarm("low-tide", ("ebb",), "wait"),
    ]
    counts = {"captured": (9, 1), "unresolved": (2, 7), "refund unresolved": (1, 5)}
    assert alarms.of_states("payments", state_alarms, counts) == [
        StatusAlarm("payment-unresolved", "payments", 5, "3 orders: ask the gateway")
    ]
