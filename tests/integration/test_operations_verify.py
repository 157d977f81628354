"""The reconciliation against a real broker and real groups: ok when all is well, and red at each tampering.

The orders run once; every test then works on a copy of the stores, or leaves the log as it found it.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest
from confluent_kafka import Producer

from cli.run_consumers import _channel
from cli.settings import load
from clients.config import Cluster
from consumers.registry import REACTIONS, all_topics
from consumers.runtime.config import MemberConfig
from consumers.runtime.member import Member
from consumers.runtime.runner import Runner
from consumers.runtime.status import MemberStatus
from databases.address import StoreAddress
from operations import effects
from operations.topics import provision
from operations.verify import reading
from operations.verify.check import check_all
from operations.verify.evidence import FLOW_READS, READS
from operations.verify.reconciliation import Reconciliation
from producers import Item, Mode, OrderPlacer, OrderRequest
from producers.mode.change import set_mode
from schemas.codec import Codec
from schemas.commands import DispatchProduct
from schemas.errors import DependencyUnavailable, ForeignStore, OperationFailed, TopicMissing
from schemas.facts import OrderPlaced, PaymentCaptured, PaymentFailed, PaymentRefunded, ProductDispatched
from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS, DISPATCH_RESULTS, ORDERS, PAYMENTS
from tests.support.kafka.broker import BrokerFixture, world

GROUPS = {**READS, "fulfilment": FLOW_READS["fulfilment"]}
LONG = "ü" * 501
HUGE = "x" * 3_000


class Shop(NamedTuple):
    """A world in which orders were placed in every mode, and handled."""

    cluster: Cluster
    folder: Path

    def stores(self, folder: Path | None = None) -> Mapping[str, StoreAddress]:
        groups = (*READS, *FLOW_READS)
        return {group: StoreAddress.at(group, data_dir=folder or self.folder) for group in groups}

    def verdict(self, folder: Path | None = None) -> Reconciliation:
        return check_all(self.cluster, Codec(), self.stores(folder), lambda _text: None, GROUPS)

    def consume(self, *names: str) -> None:
        stopping = Event()
        settings = load({"data_dir": self.folder}, {}).settings
        members = []
        for reaction in REACTIONS:
            if reaction.name in names:
                status = MemberStatus(reaction.name)
                member = Member(
                    reaction,
                    cluster=self.cluster,
                    codec=Codec(),
                    store=StoreAddress.at(reaction.name, data_dir=self.folder),
                    channels={name: _channel(name, settings) for name in reaction.channels},
                    config=MemberConfig(),
                    status=status,
                    stopping=stopping,
                )
                members.append((member, status))
        service = Runner(members, stopping)
        assert service.run(until_idle_s=1, drain_s=30, watch=lambda: None)
        assert service.failures() == []

    def write(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        producer = Producer(self.cluster.producer())
        producer.produce(topic, value, key)
        assert producer.flush(20) == 0


def place_orders(cluster: Cluster) -> None:
    for mode in (Mode.COMMAND, Mode.SHADOW, Mode.EVENT):
        set_mode(cluster, Codec(), mode, changed_by="test@here")
        with OrderPlacer.connect(cluster.bootstrap) as placer:
            for number in range(3):
                placer.place(
                    OrderRequest(
                        address=f"{number} Streetford Road",
                        customer="amy",
                        email="amy@example.org",
                        phone="+4915112345678" if number else None,
                        items=[Item("tea", 2, 350)],
                    )
                )
            placer.place(OrderRequest(address="no contact, no items"))


def foreign_records(shop: Shop) -> None:
    """What others may write: refused, unreadable, conflicting, doubled, and from outside any mode."""
    codec = Codec()
    for order_id, address in ((1, None), (2, LONG), (3, HUGE), (4, "a"), (4, "a"), (5, "fact says b")):
        shop.write(
            DISPATCH_PRODUCTS,
            encode_key(order_id),
            codec.encode(DISPATCH_PRODUCTS, DispatchProduct(order_id, address)),
        )
    shop.write(DISPATCH_PRODUCTS, encode_key(6), b"garbage")
    shop.write(DISPATCH_PRODUCTS, None, b"x")
    shop.write(ORDERS, encode_key(7), None)
    shop.write(
        ORDERS, encode_key(8), codec.encode(ORDERS, OrderPlaced(8, "outside any mode", 1_700_000_000_000))
    )


def write_conversations(shop: Shop) -> None:
    """Orders in flows, and what became of their payments; order 105 waits for its payment."""
    codec = Codec()
    flows = {101: "collaboration", 102: "process", 103: "process", 104: "process", 105: "collaboration"}
    for order_id, flow in flows.items():
        address = LONG if order_id == 104 else "a"
        order = OrderPlaced(
            order_id, address, 1_700_000_000_000, email="amy@example.org", mode_epoch=3, flow=flow
        )
        shop.write(ORDERS, encode_key(order_id), codec.encode(ORDERS, order))
    for payment in (
        PaymentCaptured(101, 0, "EUR", "ref", 1, flows[101]),
        PaymentCaptured(102, 0, "EUR", "ref", 1, flows[102]),
        PaymentFailed(103, "declined", 1, flows[103]),
        PaymentCaptured(104, 0, "EUR", "ref", 1, flows[104]),
        PaymentRefunded(104, 0, "EUR", "ref", 1, flows[104]),
    ):
        shop.write(PAYMENTS, encode_key(payment.order_id), codec.encode(PAYMENTS, payment))


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerFixture]:
    """A broker of our own: verify reads the fixed topics and groups, which other tests use too."""
    with world() as started:
        yield started


@pytest.fixture(scope="module")
def shop(broker: BrokerFixture, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(Cluster(bootstrap=broker.bootstrap), tmp_path_factory.mktemp("data"))
    with pytest.raises(TopicMissing, match="cev topics create"):
        made.verdict()
    provision.create(made.cluster, all_topics())
    place_orders(made.cluster)
    before = made.verdict()
    assert (before.ok, before.accepted, len(before.unseen), before.dispatched) == (True, 12, 12, 0)
    foreign_records(made)
    made.consume("warehouse", "notification", "sales")
    return made


@pytest.fixture
def copied(shop: Shop, tmp_path: Path) -> Path:
    shutil.copytree(shop.folder / "stores", tmp_path / "stores")
    return tmp_path


def tamper(folder: Path, group: str, statement: str) -> None:
    with sqlite3.connect(folder / "stores" / f"{group}.sqlite3") as store:
        assert store.execute(statement).rowcount == 1
    store.close()


def test_every_order_of_every_mode_is_handled_exactly_once(shop: Shop) -> None:
    verdict = shop.verdict()
    assert verdict.ok, verdict
    assert (verdict.accepted, verdict.commands, verdict.facts) == (12 + 6, 8 + 5, 8 + 1)
    assert (verdict.dispatched, verdict.rejected, verdict.expired, verdict.dead) == (12 + 2, 3, 0, 1)
    assert (verdict.notified, verdict.no_contact, verdict.counted) == (6, 3, 9)
    assert (verdict.unreadable, verdict.unseen) == (3, ())


def test_waiting_ends_at_once_when_every_group_is_there(shop: Shop) -> None:
    assert reading.wait(shop.cluster, READS, 20, lambda _text: None)


def test_a_further_reaction_that_nobody_runs_is_not_waited_for(shop: Shop) -> None:
    reports: list[str] = []
    reads = {**READS, "bookkeeping": (ORDERS,)}
    assert reading.wait(shop.cluster, reads, 0.0, reports.append)
    assert reports == []


def test_an_effect_that_vanished_makes_its_order_lost(shop: Shop, copied: Path) -> None:
    tamper(copied, "sales", "DELETE FROM effects WHERE order_id = 8")
    verdict = shop.verdict(copied)
    assert (verdict.lost, verdict.ok) == (("8",), False)


def test_a_mail_that_was_only_intended_makes_its_order_lost(shop: Shop, copied: Path) -> None:
    tamper(
        copied,
        "notification",
        "UPDATE effects SET outcome = 'intended' WHERE (order_id, effect) IN "
        "(SELECT order_id, effect FROM effects LIMIT 1)",
    )
    verdict = shop.verdict(copied)
    assert (len(verdict.lost), verdict.notified, verdict.ok) == (1, 5, False)


def test_another_address_in_the_store_is_different(shop: Shop, copied: Path) -> None:
    tamper(copied, "warehouse", "UPDATE effects SET input = 'b' WHERE order_id = 2")
    verdict = shop.verdict(copied)
    assert (verdict.different, verdict.lost) == (("2",), ())


def test_a_long_address_is_compared_in_full(shop: Shop, copied: Path) -> None:
    tamper(
        copied,
        "warehouse",
        "UPDATE effects SET input = replace(input, 'blake2b:', 'blake2b:0') WHERE order_id = 3",
    )
    assert shop.verdict(copied).different == ("3",)


def test_a_shadow_decision_that_differs_is_different(shop: Shop, copied: Path) -> None:
    tamper(
        copied,
        "warehouse",
        "UPDATE shadow_decisions SET outcome = 'rejected' "
        "WHERE order_id = (SELECT max(order_id) FROM shadow_decisions)",
    )
    assert len(shop.verdict(copied).different) == 1


def test_an_effect_of_no_record_is_a_phantom(shop: Shop, copied: Path) -> None:
    tamper(
        copied,
        "sales",
        "INSERT INTO effects SELECT -9, effect, outcome, input, detail, via, message_id, source_topic, "
        "source_partition, source_offset, at FROM effects WHERE order_id = 8",
    )
    assert shop.verdict(copied).phantom == ("-9",)


def test_a_store_of_another_data_directory_is_refused(shop: Shop, copied: Path) -> None:
    tamper(copied, "sales", "UPDATE store SET id = 'another'")
    with pytest.raises(ForeignStore, match="another"):
        shop.verdict(copied)


def test_committed_offsets_without_a_store_are_explained(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(OperationFailed, match="CEV_DATA_DIR"):
        shop.verdict(tmp_path)


def test_a_file_that_is_no_store_is_named(shop: Shop, copied: Path) -> None:
    (copied / "stores" / "sales.sqlite3").write_bytes(
        b"not a database, but long enough to be read as one" * 30
    )
    with pytest.raises(DependencyUnavailable, match=r"sales\.sqlite3"):
        shop.verdict(copied)


def test_effects_are_read_by_order_and_outcome(shop: Shop) -> None:
    path = shop.stores()["warehouse"]
    assert [each.input for each in effects.read_effects(path, order_id=4)] == ["a"]
    assert sorted(each.order_id for each in effects.read_effects(path, outcome="rejected")) == [1, 2, 3]
    assert list(effects.read_effects(StoreAddress.at("nobody", data_dir=shop.folder))) == []


def test_looking_leaves_no_trace_beside_a_store(shop: Shop, copied: Path) -> None:
    before = sorted(path.name for path in (copied / "stores").iterdir())
    shop.verdict(copied)
    assert sorted(path.name for path in (copied / "stores").iterdir()) == before


def test_orders_of_each_flow_are_compared_step_by_step(shop: Shop, tmp_path: Path) -> None:
    """Payments are written by hand; all other steps are the work of the reactions."""
    write_conversations(shop)
    shop.consume("warehouse", "notification", "sales", "fulfilment")
    verdict = shop.verdict()
    assert verdict.ok, verdict
    assert (verdict.in_flows, verdict.captured, verdict.payment_failed, verdict.refunded) == (5, 3, 1, 1)
    assert (verdict.accepted, verdict.dispatched, verdict.rejected) == (18 + 5, 14 + 2, 3 + 1)
    assert (verdict.unseen, verdict.unpaid) == (("105",), ())
    shutil.copytree(shop.folder / "stores", tmp_path / "stores")
    tamper(tmp_path, "notification", "DELETE FROM effects WHERE effect = 'email:payment-failed'")
    tamper(tmp_path, "warehouse", "DELETE FROM effects WHERE order_id = 102")
    tampered = shop.verdict(tmp_path)
    assert (tampered.lost, tampered.unseen) == (("102", "103"), ("105",))


def test_the_log_itself_can_be_wrong(shop: Shop) -> None:
    """Last, because it writes: a conflict, a second result, and a result of nobody."""
    codec = Codec()
    conflict = codec.encode(DISPATCH_PRODUCTS, DispatchProduct(5, "command says c"))
    shop.write(DISPATCH_PRODUCTS, encode_key(5), conflict)
    for order_id, address in ((4, "a"), (-77, "nobody")):
        result = codec.encode(DISPATCH_RESULTS, ProductDispatched(order_id, address, 1))
        shop.write(DISPATCH_RESULTS, encode_key(order_id), result)
    verdict = shop.verdict()
    assert (verdict.duplicated, verdict.phantom, verdict.different) == (("4",), ("-77",), ("5",))
    assert not reading.wait(shop.cluster, READS, 0, lambda _text: None)
    shop.consume("warehouse")
    assert shop.verdict().lost == ()
