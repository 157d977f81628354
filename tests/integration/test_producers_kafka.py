"""Placing orders and switching the mode, on a real broker of this file's own: a cluster has one mode."""

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # public, its stub only lacks the re-export

from clients.config import MAX_MESSAGE_BYTES, Cluster
from clients.partitioner import partition_of
from operations.status.mode import read_mode as mode_in_status
from producers import OrderPlacer, OrderRequest, Placed
from producers.bulk.import_orders import OrderImport
from producers.bulk.load_generator import LoadGenerator, LoadResult, paced
from producers.bulk.row_reader import Row
from producers.bulk.sample_orders import sample_orders
from producers.mode.audience import missing_consumer_warnings
from producers.mode.change import TRANSACTIONAL_ID, ModeWriter, set_mode
from producers.mode.follower import ModeFollower
from producers.mode.log import read_log, read_mode
from producers.mode.sequence import UnreadableMode
from producers.placing.result_watch import ResultWatch
from producers.placing.transactional_publisher import TransactionalPublisher
from schemas import keys
from schemas.codec import Codec
from schemas.control import INITIAL, Flow, Mode, ModeChanged
from schemas.errors import (
    BrokerUnreachable,
    Fenced,
    InvalidSetting,
    NotAcknowledged,
    Position,
    StaleEpoch,
    TopicMissing,
)
from schemas.facts import OrderPlaced, PaymentCaptured, PaymentFailed, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import (
    CATALOGUE,
    DISPATCH_PRODUCTS,
    DISPATCH_RESULTS,
    ORDER_MODE,
    ORDERS,
    PAYMENTS,
    Message,
)
from tests.support.kafka.broker import world

if TYPE_CHECKING:
    from producers.placing.pipeline import Outcome, Pipeline

ME = "tester@here"


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    """A broker with the catalogue's topics; every test sets the mode that it needs."""
    with world() as started:
        cluster = Cluster(bootstrap=started.bootstrap)
        admin = AdminClient(cluster.admin())
        made = admin.create_topics([NewTopic(t.name, t.partitions, 1, config=t.config) for t in CATALOGUE])
        for future in made.values():
            future.result(30)
        yield cluster


@pytest.fixture(scope="module")
def bare() -> Iterator[Cluster]:
    """A broker without topics."""
    with world() as started:
        yield Cluster(bootstrap=started.bootstrap)


def mode(cluster: Cluster, wanted: Mode) -> ModeChanged:
    return set_mode(cluster, Codec(), wanted, changed_by=ME).change


def read_history(cluster: Cluster) -> list[ModeChanged]:
    return read_log(cluster, Codec())[0]


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        threading.Event().wait(0.02)
    return condition()


def _number(record: Record) -> int:
    key = record.key()
    assert isinstance(key, bytes)
    return int.from_bytes(key, "big", signed=True)


def read_all(cluster: Cluster, topic: str) -> dict[int, list[Message]]:
    """Every committed record of a topic, by its key."""
    reader = Consumer(cluster.reader())
    partitions = len(reader.list_topics(topic, timeout=10).topics[topic].partitions)
    reader.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
    found: dict[int, list[Message]] = {}
    ended: set[int | None] = set()
    deadline = time.monotonic() + 30
    while len(ended) < partitions and time.monotonic() < deadline:
        record = reader.poll(0.2)
        if record is None:
            continue
        error = record.error()
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            ended.add(record.partition())
            continue
        where = Position(topic, record.partition() or 0, record.offset() or 0)
        message = Codec().decode(topic, record.key(), record.value(), where)
        found.setdefault(_number(record), []).append(message)
    reader.close()
    assert len(ended) == partitions
    return found


def fresh_id() -> int:
    """An id of its own; not one in two thousand, which spells text and is refused."""
    while keys.text_of(number := uuid.uuid4().int >> 65) is not None:
        pass
    return number


def test_an_empty_control_topic_means_command_and_setting_command_writes_nothing(own: Cluster) -> None:
    if not read_history(own):
        assert read_mode(own, Codec()) == INITIAL
        assert set_mode(own, Codec(), Mode.COMMAND, changed_by=ME).changed is False
        assert read_history(own) == []


@pytest.mark.parametrize(
    ("wanted", "topics"),
    [
        (Mode.COMMAND, [DISPATCH_PRODUCTS]),
        (Mode.SHADOW, [DISPATCH_PRODUCTS, ORDERS]),
        (Mode.EVENT, [ORDERS]),
    ],
)
def test_an_order_lies_where_its_mode_says(own: Cluster, wanted: Mode, topics: list[str]) -> None:
    change = mode(own, wanted)
    with OrderPlacer(own, Codec(), live=False) as placer:
        placed = placer.place(OrderRequest(address="1 Streetford Road", order_id=fresh_id()))
    assert (placed.mode, placed.epoch) == (wanted, change.epoch)
    assert placed.correlation_id == f"order-{placed.order_id}"
    assert [record.topic for record in placed.records] == topics
    expected = partition_of(encode_key(placed.order_id), 6)
    assert all(r.partition == expected and r.offset >= 0 for r in placed.records)
    for topic in (DISPATCH_PRODUCTS, ORDERS):
        assert len(read_all(own, topic).get(placed.order_id, [])) == (topic in topics)


def test_the_five_lines_of_the_documentation_place_an_order(own: Cluster) -> None:
    with OrderPlacer.connect(own.bootstrap) as placer:
        placed = placer.place(OrderRequest(address="1 Streetford Road"))
    assert placed.order_id > 2**32
    assert placed.records


def test_settings_that_the_guarantees_need_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="acks"):
        OrderPlacer.connect("127.0.0.1:1", kafka={"acks": "0"})


def test_our_partitions_are_librdkafkas_murmur2(own: Cluster) -> None:
    numbers = [fresh_id() for _ in range(200)] + [0, -1, 2**63 - 1, -(2**63)]
    chosen: dict[int, int | None] = {}
    producer = Producer(own.producer())
    for number in numbers:
        producer.produce(
            "orders",
            value=Codec().encode(ORDERS, OrderPlaced(number, "x", 0, mode_epoch=1)),
            key=encode_key(number),
            on_delivery=lambda _error, record: chosen.update({_number(record): record.partition()}),
        )
    assert producer.flush(20) == 0
    assert chosen == {number: partition_of(encode_key(number), 6) for number in numbers}


def _follows(follower: ModeFollower, change: ModeChanged) -> bool:
    return follower.current == change


def test_a_running_producer_follows_the_mode_within_seconds(own: Cluster) -> None:
    mode(own, Mode.COMMAND)
    with ModeFollower(own, Codec()) as follower:
        for wanted in (Mode.EVENT, Mode.SHADOW, Mode.COMMAND):
            change = mode(own, wanted)
            assert until(partial(_follows, follower, change), 3)


def test_a_mode_is_visible_to_every_reader_when_setting_it_returns(own: Cluster) -> None:
    for wanted in (Mode.EVENT, Mode.COMMAND) * 3:
        assert mode(own, wanted) == read_mode(own, Codec())


def test_a_record_that_is_no_mode_is_ignored(own: Cluster) -> None:
    change = mode(own, Mode.EVENT)
    producer = Producer(own.producer())
    for value in (b"garbage", None, b"\xc3\x01" + b"\x00" * 12):
        producer.produce(ORDER_MODE, value=value, key=encode_key(99))
    assert producer.flush(10) == 0
    assert read_mode(own, Codec()) == change
    assert mode(own, Mode.COMMAND).epoch == change.epoch + 1


def test_a_change_that_cannot_be_read_stops_placers_until_it_is_passed_over(own: Cluster) -> None:
    before = mode(own, Mode.COMMAND)
    framed = b"\x00\x00\x00\x00\x07" + Codec().encode(ORDER_MODE, before)[10:]
    with OrderPlacer(own, Codec()) as placer:
        write_mode(own, encode_key(before.epoch + 1), framed)
        assert until(partial(_refuses, placer), 5)
        with pytest.raises(UnreadableMode, match="--schema-registry-url"):
            set_mode(own, Codec(), Mode.EVENT, changed_by=ME)
        repaired = set_mode(own, Codec(), Mode.COMMAND, changed_by=ME, repair=True)
        assert (repaired.changed, repaired.change.epoch) == (True, before.epoch + 2)
        assert ["no registry" in suspect.reason for suspect in repaired.before.suspects] == [True]
        assert until(lambda: not _refuses(placer), 5)
        assert placer.place(OrderRequest(address="x", order_id=fresh_id())).epoch == repaired.change.epoch
    assert set_mode(own, Codec(), Mode.COMMAND, changed_by=ME, repair=True).changed is False


def test_the_largest_epoch_there_is_takes_nothing_from_the_switch(own: Cluster) -> None:
    before = mode(own, Mode.COMMAND)
    largest = ModeChanged(2**63 - 1, Mode.EVENT.value, 1, "somebody")
    write_mode(own, encode_key(largest.epoch), Codec().encode(ORDER_MODE, largest))
    assert read_mode(own, Codec()) == before
    [alarm] = mode_in_status(own, Codec(), timeout_s=10)[1]
    assert (alarm.name, "9223372036854775807" in alarm.text) == ("mode-suspect", True)
    assert mode(own, Mode.EVENT).epoch == before.epoch + 1
    assert mode_in_status(own, Codec(), timeout_s=10)[1] == []


def test_a_control_topic_that_is_made_anew_counts_for_placers_that_run_and_goes_on_counting(
    own: Cluster,
) -> None:
    before = mode(own, Mode.EVENT)
    with OrderPlacer(own, Codec()) as placer:
        placer.place(OrderRequest(address="x", order_id=fresh_id()))
        make_anew(own, ORDER_MODE)
        # As long as the old log, so that no offset tells the one from the other.
        write_mode(own, None, b"filler", times=100)
        assert until(lambda: placer.mode == INITIAL, 20)
        alarms = {alarm.name: alarm.text for alarm in mode_in_status(own, Codec(), timeout_s=10)[1]}
        assert f"epoch {before.epoch}, and it says command, epoch 0" in alarms["mode-anew"]
        said = set_mode(own, Codec(), Mode.COMMAND, changed_by=ME)
        assert (said.changed, said.lost_epoch, said.change.epoch) == (True, before.epoch, before.epoch + 1)
        assert until(lambda: placer.mode == said.change, 5)
    assert mode_in_status(own, Codec(), timeout_s=10) == (said.change, [])


def make_anew(cluster: Cluster, topic: str) -> None:
    """Delete a topic and create it again, once the broker has let go of it."""
    admin = AdminClient(cluster.admin())
    admin.delete_topics([topic])[topic].result(30)

    def created() -> bool:
        try:
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            return False
        return True

    assert until(created, 30)


def write_mode(cluster: Cluster, key: bytes | None, value: bytes, *, times: int = 1) -> None:
    producer = Producer(cluster.producer())
    for _ in range(times):
        producer.produce(ORDER_MODE, value=value, key=key)
    assert producer.flush(10) == 0


def _refuses(placer: OrderPlacer) -> bool:
    try:
        placer.prepare(OrderRequest(address="x"))
    except UnreadableMode:
        return True
    return False


def test_a_mode_that_was_expected_to_be_another_is_not_changed(own: Cluster) -> None:
    change = mode(own, Mode.EVENT)
    with pytest.raises(StaleEpoch, match=f"epoch {change.epoch}") as refused:
        set_mode(own, Codec(), Mode.COMMAND, changed_by=ME, if_epoch=change.epoch - 1)
    assert refused.value.exit_code == 4
    assert read_mode(own, Codec()) == change
    changed = set_mode(own, Codec(), Mode.COMMAND, changed_by=ME, if_epoch=change.epoch, why="planned")
    assert (changed.changed, changed.change.epoch, changed.change.why) == (True, change.epoch + 1, "planned")


def test_a_change_of_flow_alone_is_an_epoch_that_running_placers_follow(own: Cluster) -> None:
    before = mode(own, Mode.EVENT)
    with OrderPlacer(own, Codec()) as placer:
        change = set_mode(own, Codec(), Mode.EVENT, Flow.PROCESS, changed_by=ME).change
        assert (change.epoch, change.mode, change.flow) == (before.epoch + 1, "event", "process")
        assert until(lambda: placer.mode == change)
        number = placer.place(OrderRequest(address="x", order_id=fresh_id(), pay="tok_ok")).order_id
    (fact,) = read_all(own, ORDERS)[number]
    assert isinstance(fact, OrderPlaced)
    assert (fact.mode_epoch, fact.flow, fact.payment_method) == (change.epoch, "process", "tok_ok")
    assert not set_mode(own, Codec(), Mode.EVENT, Flow.PROCESS, changed_by=ME).changed


def test_of_two_writers_at_once_the_earlier_is_fenced_and_no_epoch_is_used_twice(own: Cluster) -> None:
    before = mode(own, Mode.COMMAND)
    with ModeWriter(own, Codec()) as first, ModeWriter(own, Codec()) as second:
        first.claim()
        assert first.read().change == before
        second.claim()
        assert second.read().change == before
        wanted = ModeChanged(before.epoch + 1, Mode.EVENT.value, 1, ME)
        with pytest.raises(Fenced) as fenced:
            first.write(wanted._replace(mode=Mode.SHADOW.value))
        assert fenced.value.exit_code == 4
        second.write(wanted)
    assert read_mode(own, Codec()) == wanted
    epochs = [change.epoch for change in read_history(own)]
    assert len(set(epochs)) == len(epochs)


def test_what_a_killed_writer_left_open_is_ended_by_the_next(own: Cluster) -> None:
    before = mode(own, Mode.COMMAND)
    killed = Producer(own.transactional_producer(TRANSACTIONAL_ID))
    killed.init_transactions(10)
    killed.begin_transaction()
    left = ModeChanged(before.epoch + 1, Mode.SHADOW.value, 1, ME)
    killed.produce(
        ORDER_MODE, value=Codec().encode(ORDER_MODE, left), key=encode_key(left.epoch), partition=0
    )
    killed.flush(10)
    change = mode(own, Mode.EVENT)
    assert change.epoch == before.epoch + 1
    assert left not in read_history(own)


def test_many_writers_at_once_never_share_an_epoch(own: Cluster) -> None:
    before = len(read_history(own))
    outcomes: list[str] = []

    def work(wanted: Mode) -> None:
        try:
            outcomes.append("set" if set_mode(own, Codec(), wanted, changed_by=ME).changed else "same")
        except Fenced:
            outcomes.append("fenced")

    threads = [threading.Thread(target=work, args=(m,)) for m in (*Mode, *Mode)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 6
    epochs = [change.epoch for change in read_history(own)]
    assert epochs == sorted(set(epochs))
    assert len(epochs) - before == outcomes.count("set")


def test_bulk_orders_are_answered_in_order_and_stored_once(own: Cluster) -> None:
    for wanted in Mode:
        mode(own, wanted)
        numbers = [fresh_id() for _ in range(1500)]
        with OrderPlacer(own, Codec()) as placer:
            outcomes = list(placer.place_many(OrderRequest(address="x", order_id=n) for n in numbers))
        assert [each.order_id for each in outcomes if isinstance(each, Placed)] == numbers
        for topic, there in ((DISPATCH_PRODUCTS, wanted != "event"), (ORDERS, wanted != "command")):
            stored = read_all(own, topic)
            assert all(len(stored.get(number, [])) == there for number in numbers)


def test_an_aborted_shadow_order_shows_neither_record(own: Cluster) -> None:
    mode(own, Mode.SHADOW)
    number = fresh_id()
    with OrderPlacer(own, Codec(), live=False) as placer:
        write = placer.prepare(OrderRequest(address="x", order_id=number))
    lonely = Producer(own.transactional_producer(f"test-{number}"))
    lonely.init_transactions(10)
    lonely.begin_transaction()
    for record in write.records:
        lonely.produce(record.topic, value=record.value, key=record.key)
    lonely.flush(10)
    lonely.abort_transaction(10)
    assert number not in read_all(own, DISPATCH_PRODUCTS)
    assert number not in read_all(own, ORDERS)


def test_a_shadow_batch_that_lost_its_producer_is_written_again_once(own: Cluster) -> None:
    mode(own, Mode.SHADOW)
    number = fresh_id()
    with OrderPlacer(own, Codec(), live=False) as placer:
        first = placer.prepare(OrderRequest(address="x", order_id=number - 1))
        second = placer.prepare(OrderRequest(address="x", order_id=number))
    transactions = TransactionalPublisher(own, deadline_s=20)
    transactions.write([first])
    thief = Producer(own.transactional_producer(transactions._producer._id))
    thief.init_transactions(10)
    transactions.write([second])
    assert second.error is None
    assert [position.topic for position in second.positions] == [DISPATCH_PRODUCTS, ORDERS]
    assert len(read_all(own, ORDERS)[number]) == 1


@pytest.mark.parametrize("size", [1_300_000, MAX_MESSAGE_BYTES + 1], ids=["for the broker", "for the client"])
def test_a_shadow_order_whose_fact_is_too_large_fails_alone(own: Cluster, size: int) -> None:
    mode(own, Mode.SHADOW)
    with OrderPlacer(own, Codec(), live=False) as placer:
        orders = [placer.prepare(OrderRequest(address="x", order_id=fresh_id())) for _ in range(4)]
    command, fact = orders[1].records
    orders[1].records = command, fact._replace(value=random.Random(1).randbytes(size))
    TransactionalPublisher(own, deadline_s=20).write(orders)
    error = orders[1].error
    assert isinstance(error, NotAcknowledged)
    assert "too large" in str(error)
    stored = [order for order in orders if order.error is None]
    assert stored == [orders[0], *orders[2:]]
    for order in stored:
        assert [position.topic for position in order.positions] == [DISPATCH_PRODUCTS, ORDERS]
    for topic in (DISPATCH_PRODUCTS, ORDERS):
        there = read_all(own, topic)
        assert [len(there.get(order.order_id, [])) for order in orders] == [1, 0, 1, 1]


def test_a_shadow_order_waits_for_no_input_to_be_written(own: Cluster) -> None:
    mode(own, Mode.SHADOW)
    told: list[Outcome] = []
    with OrderPlacer(own, Codec()) as placer:
        pipe: Pipeline[None] = placer.pipeline(lambda _tag, outcome: told.append(outcome))
        with pipe:
            pipe.submit(None, OrderRequest(address="x"))
            assert until(lambda: len(told) == 1)
    assert isinstance(told[0], Placed)


def test_orders_keep_flowing_while_the_mode_is_flipped(own: Cluster) -> None:
    mode(own, Mode.COMMAND)
    stop, flipped = threading.Event(), threading.Event()

    def flip() -> None:
        while not stop.is_set():
            for wanted in (Mode.SHADOW, Mode.EVENT, Mode.COMMAND):
                mode(own, wanted)
            flipped.set()

    loads: list[LoadResult] = []
    with OrderPlacer(own, Codec()) as placer:
        flipper = threading.Thread(target=flip)
        flipper.start()
        try:
            while not loads or not flipped.is_set():
                assert len(loads) < 20, "the modes are not flipped"
                loads.append(LoadGenerator(placer).run(islice(paced(sample_orders(1), 400), 1200)))
        finally:
            stop.set()
            flipper.join(60)
    for loaded in loads:
        assert (loaded.placed, loaded.failed) == (1200, 0)
        assert sum(loaded.modes.values()) == 1200
        assert loaded.seconds == pytest.approx(3, abs=1)
    assert {each for loaded in loads for each in loaded.modes} == set(Mode)


def test_a_bulk_that_is_run_again_names_the_same_orders(own: Cluster) -> None:
    street = f"{fresh_id()} Streetford Road"
    rows = [Row(1, 1, {"address": street}), Row(2, 2, {"address": ""}), Row(3, 3, {"address": street})]
    mended = [rows[0], Row(2, 2, {"address": f"{street}, Hayford"}), rows[2]]

    def run(these: list[Row]) -> list[int]:
        placed: list[Placed] = []
        with OrderPlacer(own, Codec()) as placer:
            OrderImport(placer, on_placed=placed.append, on_error=lambda _row, _message: None).run(these)
        return [each.order_id for each in placed]

    mode(own, Mode.COMMAND)
    first = run(rows)
    mode(own, Mode.EVENT)
    again = run(mended)
    assert len(set(first)) == 2
    assert [again[0], again[2]] == first


def result(cluster: Cluster, number: int, address: str) -> None:
    producer = Producer(cluster.producer())
    value = Codec().encode(DISPATCH_RESULTS, ProductDispatched(number, address, 5))
    producer.produce(DISPATCH_RESULTS, value=value, key=encode_key(number))
    assert producer.flush(10) == 0


def test_waiting_finds_a_result_that_comes_later_and_not_another_orders(own: Cluster) -> None:
    number = fresh_id()
    with ResultWatch(own, Codec(), order_id=number, address="x", fresh=True) as watch:
        result(own, number - 1, "x")
        result(own, number, "x")
        found = watch.wait(10)
    assert found is not None
    assert (found.type, found.good) == ("ProductDispatched", True)


def test_waiting_for_a_given_id_finds_the_earlier_result(own: Cluster) -> None:
    number = fresh_id()
    result(own, number, "x")
    with ResultWatch(own, Codec(), order_id=number, address="x", fresh=False) as watch:
        assert watch.wait(10) is not None


def test_an_order_that_is_not_paid_ends_the_wait_and_one_that_is_does_not(own: Cluster) -> None:
    number = fresh_id()
    with ResultWatch(own, Codec(), order_id=number, address="x", fresh=True) as watch:
        producer = Producer(own.producer())
        for fact in (
            PaymentCaptured(number, 100, "EUR", "cap_1", 5, "process"),
            PaymentFailed(number, "declined", 6, "process"),
        ):
            producer.produce(PAYMENTS, value=Codec().encode(PAYMENTS, fact), key=encode_key(number))
        assert producer.flush(10) == 0
        found = watch.wait(10)
    assert found is not None
    assert (found.type, found.reason) == ("PaymentFailed", "its payment failed: declined")


def test_waiting_ends_at_its_deadline(own: Cluster) -> None:
    with ResultWatch(own, Codec(), order_id=fresh_id(), address="x", fresh=False) as watch:
        assert watch.wait(0.3) is None


def test_a_mode_that_nobody_acts_in_is_warned_of(own: Cluster) -> None:
    assert [
        warning.split(":")[0] for warning in missing_consumer_warnings(own, Mode.EVENT, Flow.PROCESS)
    ] == [f"{group} has no live member" for group in ("fulfilment", "payments", "warehouse")]
    member = Consumer(own.consumer("warehouse"))
    member.subscribe([ORDERS])
    try:
        assert until(
            lambda: member.poll(0.1) is None and missing_consumer_warnings(own, Mode.EVENT) == [], 20
        )
        (warning,) = missing_consumer_warnings(own, Mode.COMMAND)
        assert "no live member of warehouse reads dispatch_products" in warning
    finally:
        member.close()


def test_without_topics_the_message_says_what_creates_them(bare: Cluster) -> None:
    with pytest.raises(TopicMissing, match="cev topics create"):
        OrderPlacer(bare, Codec())
    with pytest.raises(TopicMissing, match="order_mode; `cev topics create`"):
        set_mode(bare, Codec(), Mode.EVENT, changed_by=ME)


def test_without_a_broker_every_door_says_so_in_time() -> None:
    nowhere = Cluster(bootstrap="127.0.0.1:1")
    start = time.monotonic()
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1"):
        OrderPlacer(nowhere, Codec(), deadline_s=1)
    with pytest.raises(BrokerUnreachable):
        set_mode(nowhere, Codec(), Mode.EVENT, changed_by=ME, timeout_s=1)
    with pytest.raises(BrokerUnreachable):
        read_mode(nowhere, Codec(), timeout_s=1)
    assert time.monotonic() - start < 30, "each waits as long as it was told"
