"""The outbox and the relay's view of it: one suite, a real SQLite and a real PostgreSQL."""

import sqlite3
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from clients.records import ProducerRecord
from producers.outbox import create
from producers.outbox.batch_publisher import Batch
from producers.outbox.queue import BATCH_ROWS, NotLeading, OutboxQueue
from producers.outbox.record_codec import pack, unpack
from producers.placing.request import OrderRequest
from schemas.codec import Codec
from schemas.control import Mode, ModeChanged
from schemas.errors import DependencyUnavailable, InvalidOrder, InvalidSetting, OperationFailed, Position
from schemas.facts import OrderPlaced
from schemas.times import now_ms
from schemas.topics import DISPATCH_PRODUCTS, ORDERS
from tests.support.crash.code import code_of
from tests.support.kafka.log import until
from tests.support.stores import children
from tests.support.stores.outboxes import HOME, ORDER_SERVICES, Service, opened

EVENT = ModeChanged(epoch=7, mode="event", changed_at=0, changed_by="tester@here", why="")
SHADOW = EVENT._replace(epoch=8, mode="shadow")


@pytest.fixture(params=ORDER_SERVICES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with opened(request, tmp_path) as made:
        yield made


@pytest.fixture
def queue(service: Service) -> Iterator[OutboxQueue]:
    made = service.queue()
    assert made.acquire_leadership()
    yield made
    made.close()


def orders(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [row.order_id for row in batch.rows]


def ids(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [row.id for row in batch.rows]


# -- accepting ---------------------------------------------------------------------------------------------


def test_a_row_comes_and_goes_with_the_services_own_transaction(service: Service) -> None:
    outbox = service.by_hand()
    service.accept(outbox, 1)
    with service.engine.connect() as connection:
        service.write(connection, outbox, 2)
        connection.rollback()
    assert service.waiting() == [1]
    assert service.rows("SELECT id FROM shop_orders") == [(1,)]


@pytest.mark.parametrize(
    ("mode", "topics"),
    [
        (EVENT._replace(mode="command"), [DISPATCH_PRODUCTS]),
        (SHADOW, [DISPATCH_PRODUCTS, ORDERS]),
        (EVENT, [ORDERS]),
    ],
)
def test_a_row_holds_mode_epoch_and_the_records_of_its_acceptance(
    service: Service, mode: ModeChanged, topics: list[str]
) -> None:
    before = now_ms()
    with service.engine.begin() as connection:
        accepted = service.by_hand(mode).add(connection, OrderRequest(address=HOME))
    ((order_id, named, epoch, at, records),) = service.rows(
        "SELECT order_id, mode, epoch, accepted_at, records FROM cev_outbox"
    )
    assert (order_id, named, epoch, at) == (accepted.order_id, mode.mode, mode.epoch, accepted.accepted_at)
    assert accepted.mode is Mode(mode.mode)
    assert before <= accepted.accepted_at <= now_ms()
    assert [each.topic for each in unpack(records)] == topics


def test_a_session_of_the_orm_will_do(service: Service) -> None:
    with Session(service.engine) as session, session.begin():
        service.by_hand().add(session, OrderRequest(address=HOME, order_id=5))
    assert service.waiting() == [5]


def test_a_bare_driver_inserts_the_same_row(service: Service) -> None:
    raw: Any
    mark = "?" if service.lite else "%s"
    if service.lite:
        raw = sqlite3.connect(service.url.removeprefix("sqlite:///"))
    else:
        raw = psycopg.connect(service.url)
    with closing(raw):
        accepted, sql, parameters = service.by_hand(EVENT).insertion(
            OrderRequest(address=HOME, order_id=-(2**63)), mark=mark
        )
        raw.execute(sql, parameters)
        raw.commit()
    assert accepted.order_id == -(2**63)
    assert service.waiting() == [-(2**63)]


def test_what_an_order_says_comes_out_as_it_went_in(service: Service, queue: OutboxQueue) -> None:
    hostile = [
        "żółć\n\tß",
        "\u202eevil\u202c",
        "🦄" * 500,
        "'; DROP TABLE cev_outbox; --",
        "%s ? :id {}",
        "\\x00",
    ]
    with service.engine.begin() as connection:
        for number, address in enumerate(hostile, 1):
            request = OrderRequest(address=address, order_id=number, customer="Ω " * 50)
            service.by_hand(EVENT).add(connection, request)
    batch = queue.next([])
    assert batch is not None
    for row, address in zip(batch.rows, hostile, strict=True):
        (record,) = row.records
        fact = Codec().decode(record.topic, record.key, record.value, Position(ORDERS, 0, 0))
        assert isinstance(fact, OrderPlaced)
        assert (fact.order_id, fact.address, fact.customer) == (row.order_id, address, "Ω " * 49 + "Ω")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=60), st.integers(-(2**63), 2**63 - 1))
def test_any_text_is_an_order_with_that_text_spelled_one_way_or_no_order(
    service: Service, said: str, order_id: int
) -> None:
    try:
        request = OrderRequest(address=said, order_id=order_id)
    except InvalidOrder:
        return
    with service.engine.connect() as connection:
        service.by_hand().add(connection, request)
        records = connection.execute(
            text("SELECT records FROM cev_outbox ORDER BY id DESC LIMIT 1")
        ).scalar_one()
        connection.rollback()
    (record,) = unpack(records)
    command = Codec().decode(record.topic, record.key, record.value, Position(record.topic, 0, 0))
    assert command[:2] == (order_id, request.address)
    assert request.address.split() == unicodedata.normalize("NFC", said).split()


def test_a_nul_is_no_order() -> None:
    with pytest.raises(InvalidOrder, match=r"U\+0000"):
        OrderRequest(address="1 Streetford\x00 Road")


def test_making_the_tables_again_keeps_everything(service: Service) -> None:
    service.accept(service.by_hand(), 1)
    first = service.queue().identity()
    create(service.engine)
    assert service.queue().identity() == first
    assert service.waiting() == [1]


def test_services_that_start_together_make_one_outbox(service: Service) -> None:
    for table in ("cev_outbox", "cev_outbox_relay"):
        service.rows(f"DROP TABLE {table}")
    threads = [threading.Thread(target=create, args=(service.engine,)) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert service.rows("SELECT count(*) FROM cev_outbox_relay") == [(1,)]


# -- choosing ----------------------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_acceptance_and_once(service: Service, queue: OutboxQueue) -> None:
    service.accept(service.by_hand(), *range(10))
    first = queue.next([])
    assert orders(first) == list(range(10))
    assert queue.in_doubt() == (first.name if first else "", ids(first))
    assert queue.next(ids(first)) is None
    assert queue.in_doubt() == ("", [])
    assert service.published() == 10
    assert not queue.waiting()


def test_a_batch_is_bounded_in_rows_and_in_bytes(service: Service, queue: OutboxQueue) -> None:
    outbox = service.by_hand()
    service.accept(outbox, *range(BATCH_ROWS + 5))
    first = queue.next([])
    assert len(ids(first)) == BATCH_ROWS
    assert len(ids(queue.next(ids(first)))) == 5
    service.rows("DELETE FROM cev_outbox")
    for number in range(4):
        insert(service, number, value=bytes(2_000_000))
    assert [len(ids(batch)) for batch in batches(queue)] == [2, 2]


def batches(queue: OutboxQueue) -> Iterator[Batch]:
    done: list[int] = []
    while batch := queue.next(done):
        yield batch
        done = ids(batch)


def insert(service: Service, order_id: int, *, value: bytes = b"x", records: str | None = None) -> None:
    """A row as somebody else might write it."""
    said = records or pack((ProducerRecord(ORDERS, order_id.to_bytes(8, "big"), value, []),))
    service.rows(
        "INSERT INTO cev_outbox (order_id, mode, epoch, accepted_at, records) VALUES (:o, 'event', 1, 1, :r)",
        o=order_id,
        r=said,
    )


@pytest.mark.parametrize("service", ["postgresql"], indirect=True)
def test_a_row_of_a_slower_transaction_is_not_skipped(service: Service, queue: OutboxQueue) -> None:
    """On SQLite there is one writer at a time: a lower id is always committed first."""
    outbox = service.by_hand()
    with service.engine.connect() as slow:
        service.write(slow, outbox, 1)
        service.accept(outbox, 2, 3)
        first = queue.next([])
        assert orders(first) == [2, 3]
        assert queue.next(ids(first)) is None
        slow.commit()
    second = queue.next([])
    assert orders(second) == [1]
    assert max(ids(second)) < min(ids(first)), "its id is the lowest, its commit the last"


def test_a_writer_that_holds_its_transaction_open_hides_nobody_elses_rows_for_longer(
    service: Service, queue: OutboxQueue
) -> None:
    """Also on SQLite: whoever only looks waits for no writer."""
    outbox = service.by_hand()
    service.accept(outbox, 1)
    with service.engine.connect() as slow:
        service.write(slow, outbox, 2)
        assert queue.waiting()
        assert queue.backlog().rows == 1
        slow.rollback()


def test_refused_rows_hold_up_their_own_order_until_they_are_offered_again(
    service: Service, queue: OutboxQueue
) -> None:
    service.accept(service.by_hand(), 1, 2, 1)
    first, second, third = ids(queue.next([]))
    queue.quarantine(first, "too large")
    assert orders(queue.next([])) == [2]
    assert queue.next([second]) is None
    assert queue.backlog()[::2] == (2, 1)
    assert queue.next([], only=third) is None
    assert queue.retry_refused() == 1
    assert orders(queue.next([])) == [1, 1]
    assert queue.backlog().refused == 0


def test_a_row_that_nobody_can_read_is_refused_and_stops_no_other(
    service: Service, queue: OutboxQueue
) -> None:
    insert(service, 1, records="garbage")
    insert(service, 1)
    insert(service, 2)
    insert(service, 3, records='[{"topic": "order_mode", "key": "", "value": "", "headers": []}]')
    assert orders(queue.next([])) == [2]
    told = dict(service.rows("SELECT order_id, error FROM cev_outbox WHERE error IS NOT NULL"))
    assert told.keys() == {1, 3}
    assert "unreadable" in told[1]
    assert "order_mode" in told[3]


def test_one_row_can_be_chosen_alone(service: Service, queue: OutboxQueue) -> None:
    service.accept(service.by_hand(), 1, 2, 3)
    every = ids(queue.next([]))
    assert orders(queue.next([], only=every[1])) == [2]
    assert queue.next([every[1]], only=every[1]) is None


def test_published_rows_are_cleaned_by_age_in_portions_and_others_never(
    service: Service, queue: OutboxQueue
) -> None:
    service.accept(service.by_hand(), *range(1, 6))
    every = ids(queue.next([]))
    queue.mark_published(every[:3])
    queue.quarantine(every[3], "too large")
    service.rows(
        "UPDATE cev_outbox SET published_at = 1000 WHERE id <> :keep AND published_at > 0", keep=every[0]
    )
    assert queue.clean(999) == 0
    assert queue.clean(1000) == 2
    assert queue.clean(now_ms() - 60_000) == 0
    assert queue.clean(now_ms()) == 1
    assert service.waiting() == [4, 5]


def test_the_backlog_names_the_oldest_row(service: Service, queue: OutboxQueue) -> None:
    assert queue.backlog() == (0, None, 0)
    before = now_ms()
    service.accept(service.by_hand(), 1)
    service.accept(service.by_hand(), 2)
    rows, oldest, refused = queue.backlog()
    assert (rows, refused) == (2, 0)
    assert oldest is not None
    assert before <= oldest <= now_ms()


# -- leading -----------------------------------------------------------------------------------------------


def test_one_process_leads_and_a_kill_hands_over(service: Service) -> None:
    held = subprocess.Popen(
        [sys.executable, "-c", code_of(children.lead, service.url)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    other = service.queue()
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "True\n"
        assert not other.acquire_leadership()
        assert not other.acquire_leadership()
        held.kill()
        held.wait()
        until(other.acquire_leadership, "the other one leads")
    finally:
        held.kill()
        held.communicate()
        other.close()


def test_giving_up_the_lead_lets_another_one_have_it(service: Service) -> None:
    one, other = service.queue(), service.queue()
    assert one.acquire_leadership()
    assert not other.acquire_leadership()
    one.close()
    # A server frees the lock when it has noticed that the session is over, which is a moment later.
    until(other.acquire_leadership, "the other one leads")
    other.close()


def test_who_does_not_lead_any_more_changes_nothing(service: Service, queue: OutboxQueue) -> None:
    service.accept(service.by_hand(), 1, 2)
    batch = queue.next([])
    service.rows("UPDATE cev_outbox_relay SET leader = 'other'")
    with pytest.raises(NotLeading) as fault:
        queue.next(ids(batch))
    assert fault.value.exit_code == 4
    with pytest.raises(NotLeading):
        queue.mark_published(ids(batch))
    with pytest.raises(NotLeading):
        queue.quarantine(ids(batch)[0], "too large")
    assert service.waiting() == [1, 2]
    assert service.rows("SELECT count(error) FROM cev_outbox") == [(0,)]


def test_a_database_without_an_outbox_says_what_makes_one(service: Service) -> None:
    service.rows("DROP TABLE cev_outbox_relay")
    queue = service.queue()
    with pytest.raises(OperationFailed, match=r"producers\.outbox\.create") as fault:
        queue.identity()
    assert fault.value.exit_code == 1
    assert "s3cret" not in str(fault.value)
    queue.close()


def test_a_database_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'none.sqlite3'}", "postgresql://u:s3cret@127.0.0.1:1/shop"):
        queue = OutboxQueue(url)
        with pytest.raises(DependencyUnavailable) as fault:
            queue.identity()
        assert fault.value.exit_code == 3
        assert "s3cret" not in str(fault.value)
        assert "\n" not in str(fault.value)
    assert list(tmp_path.iterdir()) == []


def test_no_form_of_an_address_shows_its_password() -> None:
    for query in ("password=s3cret", "sslpassword=s3cret", "nosuch=s3cret"):
        queue = OutboxQueue(f"postgresql://u@127.0.0.1:1/shop?{query}")
        with pytest.raises(DependencyUnavailable) as fault:
            queue.identity()
        assert "s3cret" not in f"{queue.address} {fault.value}"
    for url in ("postgresql://u:se@s3cret@h/shop", "postgresql://u:s3cret@h", "mysql://u:s3cret@h/shop"):
        with pytest.raises(InvalidSetting) as wrong:
            OutboxQueue(url)
        assert "s3cret" not in str(wrong.value)


@pytest.mark.parametrize("service", ["postgresql"], indirect=True)
def test_a_connection_that_broke_gives_up_the_lead_and_the_next_call_connects_anew(
    service: Service, queue: OutboxQueue
) -> None:
    service.accept(service.by_hand(), 1)
    service.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        " AND datname = current_database()"
    )
    with pytest.raises(DependencyUnavailable):
        queue.next([])
    until(queue.acquire_leadership, "it leads again")
    assert orders(queue.next([])) == [1]
