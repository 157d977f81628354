"""`cev relay` on a real broker, with an order service on a real SQLite and on a real PostgreSQL."""

import json
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from sqlalchemy import text

from clients.config import Cluster
from clients.records import ProducerRecord
from producers.mode.change import set_mode
from producers.mode.follower import ModeFollower
from producers.outbox import Outbox
from producers.outbox.batch_publisher import BatchPublisher
from producers.outbox.record_codec import pack, unpack
from producers.outbox.relay import Relay, RelayStatus
from producers.placing.request import OrderRequest
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.control import Mode
from schemas.framing import encode_key
from schemas.registry import Registry
from schemas.topics import CATALOGUE, DISPATCH_PRODUCTS, ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash.points import DEATH, Point
from tests.support.kafka.log import PATIENCE_S, until
from tests.support.receivers import free_port
from tests.support.stores.outboxes import HOME, ORDER_SERVICES, Service, opened
from tests.support.stores.postgres import Server

if TYPE_CHECKING:
    import subprocess


either_database = pytest.mark.parametrize(
    "service", ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)], indirect=True
)
"""For what the relay does with any rows; tests/contract holds the reading of them on both."""


@pytest.fixture(params=ORDER_SERVICES)
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with opened(request, tmp_path) as made:
        yield made


@pytest.fixture
def outbox(shop: ConsumerHarness) -> Iterator[Outbox]:
    """An outbox that follows the mode of the broker."""
    with Outbox.connect(shop.bootstrap) as made:
        yield made


def switch(shop: ConsumerHarness, outbox: Outbox, mode: Mode) -> None:
    """Set the mode, and wait until the service has heard of it."""
    epoch = set_mode(shop.cluster, Codec(), mode, changed_by="tester@here").change.epoch
    until(lambda: outbox.mode.epoch == epoch, "the service follows the mode")


def relayed(
    shop: ConsumerHarness, service: Service, *words: str, code: str | None = None, exit_code: int = 0
) -> Any:
    """Run `cev relay` until nothing waits; what it reports."""
    child = shop.cev("relay", "--until-idle", "0", "--json", *words, code=code, CEV_OUTBOX_URL=service.url)
    told, said = child.communicate(timeout=2 * PATIENCE_S)
    assert "Traceback" not in said, said
    assert child.returncode == exit_code, said
    return json.loads(told) if told else said


def on(shop: ConsumerHarness, topic: str) -> list[int]:
    """Order ids on a topic, as often as they are there."""
    return [int.from_bytes(seen.key or b"", "big", signed=True) for seen in shop.read(topic)]


@contextmanager
def relaying(
    shop: ConsumerHarness, service: Service, cluster: Cluster | None = None
) -> Iterator[RelayStatus]:
    """A relay on a thread of this process, for the block."""
    queue, pulse, stop = service.queue(), RelayStatus(), threading.Event()
    relay = Relay(
        queue,
        BatchPublisher(cluster or shop.cluster, queue.identity(), answer_s=3),
        pulse,
        stopping=stop.is_set,
        clean_after_ms=10**9,
    )
    thread = threading.Thread(target=relay.run)
    # SQLite connections belong to the thread that opened them: the relay opens its own.
    queue.close()
    thread.start()
    try:
        yield pulse
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def role(port: int) -> str | None:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return str(json.loads(answer.read())["role"])
    except HTTPError as error:
        with error:
            return str(json.loads(error.read())["role"])
    except OSError:  # nobody listens, or no answer in time
        return None


# -- what is published -------------------------------------------------------------------------------------


def test_accepted_orders_are_published_as_they_were_rendered(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    service.accept(outbox, 1, 2, 3)
    told = relayed(shop, service)
    assert (told["published"], told["lag"], told["oldest_age_s"], told["refused"]) == (3, 0, None, 0)
    kept = {
        (each.key, each.value, tuple(each.headers))
        for (records,) in service.rows("SELECT records FROM cev_outbox")
        for each in unpack(records)
    }
    seen = shop.read(DISPATCH_PRODUCTS)
    came = {(s.key, s.value, tuple((n, v.decode()) for n, v in s.headers)) for s in seen}
    assert came == kept
    assert len(seen) == 3
    assert relayed(shop, service)["published"] == 0


@either_database
def test_a_switch_between_acceptance_and_publication_changes_nothing(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    service.accept(outbox, 1)
    switch(shop, outbox, Mode.SHADOW)
    service.accept(outbox, 2)
    switch(shop, outbox, Mode.EVENT)
    service.accept(outbox, 3)
    switch(shop, outbox, Mode.COMMAND)
    relayed(shop, service)
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == [1, 2]
    facts = {seen.message[0]: seen.message for seen in shop.read(ORDERS)}
    assert {number: (f.mode_epoch, f.shadow_of) for number, f in facts.items()} == {  # type: ignore[union-attr]  # on this topic they are facts
        2: (1, (DISPATCH_PRODUCTS,)),
        3: (2, ()),
    }
    shop.handled("warehouse")
    assert set(shop.outcomes("warehouse")) == {1, 2, 3}


def test_a_registrys_framing_is_rendered_at_acceptance(
    shop: ConsumerHarness, service: Service, registry: str
) -> None:
    with Registry(registry) as client:
        for topic in CATALOGUE:
            for record in topic.records:
                client.register(topic.name, record)
        codec = Codec(client)
        with Outbox(ModeFollower(shop.cluster, codec), codec) as framed:
            service.accept(framed, 1)
        expected = client.id_of(DISPATCH_PRODUCTS, DispatchProduct)
    relayed(shop, service)
    (seen,) = shop.read(DISPATCH_PRODUCTS)
    assert seen.value is not None
    assert seen.value[0] == 0
    assert int.from_bytes(seen.value[1:5], "big") == expected


def test_orders_accepted_one_after_the_other_under_one_id_keep_their_order(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    for number in range(30):
        service.accept(outbox, 7, address=f"{number} Streetford Road")
    relayed(shop, service)
    came = [seen.message[1] for seen in shop.read(DISPATCH_PRODUCTS)]
    assert came == [f"{number} Streetford Road" for number in range(30)]


# -- slow transactions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["postgresql"], indirect=True)
def test_rows_of_a_slow_transaction_come_out_although_later_ids_went_before(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    with relaying(shop, service) as pulse, service.engine.connect() as slow:
        service.write(slow, outbox, 1)
        service.accept(outbox, 2, 3)
        until(lambda: pulse.published == 2, "later ids are published")
        slow.commit()
        until(lambda: pulse.published == 3, "the slow one too")
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == [1, 2, 3]
    ids = dict(service.rows("SELECT order_id, id FROM cev_outbox"))
    assert ids[1] < ids[2]


def test_of_many_writers_at_once_none_is_skipped_and_none_comes_twice(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    """Each writer inserts, dawdles for as long as others take to commit, and commits or rolls back."""
    writers, rounds = 6, 25
    kept: list[int] = []

    def write(number: int) -> None:
        source = random.Random(number)
        for turn in range(rounds):
            order_id = number * rounds + turn
            with service.engine.connect() as connection:
                service.write(connection, outbox, order_id)
                # PostgreSQL counts no time here: other writers' commits come in between.
                threading.Event().wait(source.random() * 0.03)
                if source.random() < 0.1:
                    connection.rollback()
                else:
                    connection.commit()
                    kept.append(order_id)

    with relaying(shop, service) as pulse:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        until(lambda: pulse.published >= len(kept), "all are published")
    assert Counter(on(shop, DISPATCH_PRODUCTS)) == Counter(kept)
    assert service.waiting() == []


# -- crashes -----------------------------------------------------------------------------------------------

CRASHES = [
    Point("before Kafka", "producer.begin_transaction:before"),
    Point("in Kafka, half a batch produced", "producer.produce(dispatch_products):after", 2),
    Point("in Kafka, before the commit", "producer.commit_transaction:before"),
    Point("after Kafka, before the rows are marked", "producer.commit_transaction:after"),
    Point("while the rows are marked", "store.update cev_outbox:after"),
    Point("after the rows are marked", "store.commit(update cev_outbox):after"),
]


@pytest.mark.parametrize("point", CRASHES, ids=[point.name for point in CRASHES])
def test_a_relay_that_is_killed_loses_nothing_and_doubles_nothing(
    shop: ConsumerHarness, service: Service, outbox: Outbox, point: Point
) -> None:
    switch(shop, outbox, Mode.SHADOW)
    service.accept(outbox, *range(5))
    child = shop.cev("relay", code=point.killed(), CEV_OUTBOX_URL=service.url)
    _, said = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == DEATH, said
    service.accept(outbox, *range(5, 8))
    relayed(shop, service)
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == list(range(8))
    assert sorted(on(shop, ORDERS)) == list(range(8))
    assert service.waiting() == []
    sent = [seen.header("ce_id") for topic in (DISPATCH_PRODUCTS, ORDERS) for seen in shop.read(topic)]
    assert len(set(sent)) == 16


@either_database
def test_sigterm_finishes_what_is_on_its_way(shop: ConsumerHarness, service: Service, outbox: Outbox) -> None:
    port = free_port()
    child = shop.cev("relay", CEV_OUTBOX_URL=service.url, CEV_HEALTH_PORT=str(port))
    until(lambda: role(port) == "leading", "it leads")
    service.accept(outbox, *range(300))
    until(lambda: service.published() > 0, "it works")
    child.send_signal(signal.SIGTERM)
    told, said = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 0, said
    assert "Traceback" not in said
    assert service.published() == len(on(shop, DISPATCH_PRODUCTS))
    assert told.startswith("published ")


# -- two relays --------------------------------------------------------------------------------------------


def test_a_second_relay_stands_by_and_takes_over_when_the_first_is_killed(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    ports = free_port(), free_port()
    first = shop.cev("relay", CEV_OUTBOX_URL=service.url, CEV_HEALTH_PORT=str(ports[0]))
    until(lambda: role(ports[0]) == "leading", "the first leads")
    second = shop.cev("relay", CEV_OUTBOX_URL=service.url, CEV_HEALTH_PORT=str(ports[1]))
    until(lambda: role(ports[1]) == "standing by", "the second stands by")
    service.accept(outbox, *range(50))
    until(lambda: service.published() == 50, "the first publishes")
    first.kill()
    service.accept(outbox, *range(50, 100))
    until(lambda: service.published() == 100, "the second took over")
    assert role(ports[1]) == "leading"
    second.send_signal(signal.SIGTERM)
    _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0, said
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == list(range(100))


def stopped(child: "subprocess.Popen[str]") -> bool:
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_zombie_that_lost_its_lock_writes_nothing_more(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    """Stopped before its commit, robbed of its lock, continued: its transaction is refused."""
    service.accept(outbox, *range(5))
    zombie = shop.cev(
        "relay",
        code=Point("in Kafka, before the commit", "producer.commit_transaction:before").stopped(),
        CEV_OUTBOX_URL=service.url,
    )
    until(lambda: stopped(zombie), "it is stopped before its commit")
    if service.lite:
        # The file is another one for whoever comes now: as on a network share that forgets locks.
        Path(service.url.removeprefix("sqlite:///") + ".relay.lock").unlink()
    else:
        service.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    relayed(shop, service)
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == list(range(5))
    zombie.send_signal(signal.SIGCONT)
    service.accept(outbox, 5)
    until(lambda: service.published() == 6, "it found its way back to the lead")
    zombie.send_signal(signal.SIGTERM)
    _, said = zombie.communicate(timeout=PATIENCE_S)
    assert "took over" in said
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == list(range(6))


# -- refused rows, outages, cleaning -----------------------------------------------------------------------


@either_database
def test_a_record_too_large_is_kept_with_its_error_and_holds_up_its_own_order_alone(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    service.accept(outbox, 1)
    big = pack(
        (ProducerRecord(ORDERS, encode_key(2), random.Random(1).randbytes(1_300_000), [("ce_id", "big")]),)
    )
    service.rows(
        "INSERT INTO cev_outbox (order_id, mode, epoch, accepted_at, records) VALUES (2, 'event', 1, 1, :r)",
        r=big,
    )
    service.accept(outbox, 2, 3)
    told = relayed(shop, service, exit_code=1)
    assert (told["published"], told["lag"], told["refused"]) == (2, 2, 1)
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == [1, 3]
    ((error,),) = service.rows("SELECT error FROM cev_outbox WHERE error IS NOT NULL")
    assert "too large" in error.lower()
    assert service.waiting() == [2, 2]
    told = relayed(shop, service, "--retry-refused", exit_code=1)
    assert (told["published"], told["refused"]) == (0, 1)
    service.rows("DELETE FROM cev_outbox WHERE error IS NOT NULL")
    assert relayed(shop, service)["published"] == 1
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == [1, 2, 3]


def test_published_rows_are_cleaned_after_the_setting_and_others_never(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    service.accept(outbox, 1, 2, 3)
    assert relayed(shop, service)["cleaned"] == 0
    assert service.published() == 3
    service.rows("UPDATE cev_outbox SET published_at = published_at - 15 * 86400000 WHERE order_id < 3")
    service.accept(outbox, 4)
    service.rows("UPDATE cev_outbox SET accepted_at = 1, error = 'kept' WHERE order_id = 4")
    told = relayed(shop, service, exit_code=1)
    assert told["cleaned"] == 2
    assert service.rows("SELECT order_id FROM cev_outbox ORDER BY 1") == [(3,), (4,)]


def test_a_database_that_goes_away_is_waited_for(
    shop: ConsumerHarness, postgres: Server, request: pytest.FixtureRequest, outbox: Outbox
) -> None:
    service = Service(request.getfixturevalue("postgres_url"))
    with relaying(shop, service) as pulse:
        service.accept(outbox, 1)
        until(lambda: pulse.published == 1, "it works")
        service.close()
        postgres.stop()
        try:
            until(lambda: pulse.outage, "it sees that the database is gone")
        finally:
            postgres.start()
        service.accept(outbox, 2)
        until(lambda: pulse.published == 2, "it goes on by itself")
        until(lambda: pulse.outage is None, "and says so")
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == [1, 2]
    service.close()


# -- how it ends -------------------------------------------------------------------------------------------


def test_what_is_missing_at_the_start_is_said_in_one_line(shop: ConsumerHarness, tmp_path: Path) -> None:
    nowhere = f"sqlite:///{tmp_path / 'none.sqlite3'}"
    empty = tmp_path / "empty.sqlite3"
    empty.touch()
    with opened_file(tmp_path) as service:
        foreign, nobody = {"CEV_OUTBOX_URL": "mysql://u:s3cret@h/d"}, {"CEV_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        cases = [
            (2, {}, "CEV_OUTBOX_URL"),
            (2, foreign, "PostgreSQL"),
            (2, {**foreign, **nobody}, "PostgreSQL"),
            (3, {"CEV_OUTBOX_URL": nowhere}, "none.sqlite3"),
            (3, {"CEV_OUTBOX_URL": "postgresql://u:s3cret@127.0.0.1:1/shop"}, "does not answer"),
            (1, {"CEV_OUTBOX_URL": f"sqlite:///{empty}"}, "producers.outbox.create"),
            (3, {"CEV_OUTBOX_URL": service.url, **nobody}, "no broker"),
        ]
        children = [shop.cev("relay", **environment) for _, environment, _ in cases]
        for child, (code, _, words) in zip(children, cases, strict=True):
            told, said = child.communicate(timeout=2 * PATIENCE_S)
            assert (child.returncode, told) == (code, ""), said
            assert words in said
            assert said.count("\n") == 1, said
            assert "s3cret" not in said


@contextmanager
def opened_file(folder: Path) -> Iterator[Service]:
    made = Service(f"sqlite:///{folder / 'shop.sqlite3'}")
    yield made
    made.close()


def test_orders_accepted_in_one_transaction_with_others_work_at_any_size(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    with service.engine.begin() as connection:
        for number in range(1500):
            outbox.add(connection, OrderRequest(address=HOME, order_id=number))
        assert connection.execute(text("SELECT count(*) FROM cev_outbox")).scalar_one() == 1500
    assert relayed(shop, service)["published"] == 1500
    assert sorted(on(shop, DISPATCH_PRODUCTS)) == list(range(1500))


@either_database
def test_status_shows_what_waits_and_no_reader_where_there_is_none(
    shop: ConsumerHarness, service: Service, outbox: Outbox
) -> None:
    def status(**environment: str) -> dict[str, Any]:
        child = shop.cev("status", "--json", **environment)
        told, said = child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0, said
        document: dict[str, Any] = json.loads(told)
        return document

    assert status()["outbox"] is None
    service.accept(outbox, 1, 2)
    service.rows("UPDATE cev_outbox SET accepted_at = accepted_at - 90000 WHERE order_id = 1")
    found = status(CEV_OUTBOX_URL=service.url)
    assert found["outbox"]["rows"] == 2
    assert 90 <= found["outbox"]["oldest_age_s"] < 150
    assert "outbox-waits" in [each["name"] for each in found["alarms"]]
    relayed(shop, service)
    found = status(CEV_OUTBOX_URL=service.url)
    assert found["outbox"] == {"rows": 0, "oldest_age_s": None, "refused": 0}
    assert not [each for each in found["alarms"] if each["subject"] == "outbox"]
    groups = [group["group"] for topic in found["topics"] for group in topic["groups"]]
    assert not [group for group in groups if group.startswith("cev-relay-")]
    gone = status(CEV_OUTBOX_URL="postgresql://u:s3cret@127.0.0.1:1/shop")
    assert gone["outbox"] is None
    assert [each["name"] for each in gone["alarms"] if each["subject"] == "outbox"] == ["outage"]
    assert "s3cret" not in json.dumps(gone)
