"""What may happen while deliveries are in flight: partitions that come and go, probes that hang, a stop.

The real loop on a real store (SQLite) with real workers; Kafka is a list.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock

import pytest

from consumers.registry import named
from consumers.runtime.batch_processor import MAX_IN_FLIGHT
from consumers.runtime.reaction import Delivery
from consumers.runtime.records import Attempts, Intention, Partition
from consumers.runtime.retry_policy import RetryPolicy
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.store import Store
from schemas.codec import Codec
from schemas.errors import BrokerUnreachable, DeliveryRejected, DependencyUnavailable, Position
from schemas.facts import OrderPlaced
from schemas.framing import encode_key
from schemas.topics import ORDERS
from tests.support.consumers.list_kafka import ListKafka
from tests.support.consumers.list_member import ListMember, WatchedStore
from tests.support.kafka.log import until

FACTS, RETRIES = (ORDERS, 0), ("notification.orders.retry", 0)
CODEC = Codec()
PATIENT = RetryPolicy(initial_backoff_ms=60_000, max_backoff_ms=60_000, jitter=lambda: 1.0)


class Receiver:
    """A channel that takes nothing before it is told to; it may be down, refuse, or fail at first."""

    describe = "receiver"

    def __init__(self, *, down: bool = False, rejects: bool = False, fails_once: bool = False) -> None:
        self.go_on, self.down, self.rejects, self.fails_once = Event(), down, rejects, fails_once
        self.calls = 0
        self.orders: list[int] = []
        self._lock = Lock()

    def deliver(self, _delivery: Delivery, key: str, position: Position) -> None:
        with self._lock:
            self.calls += 1
            order_id = int(key.split("/")[1])
            is_first = order_id not in self.orders
            self.orders.append(order_id)
        assert self.go_on.wait(20)
        if self.rejects:
            raise DeliveryRejected("nobody", position)
        if self.fails_once and is_first:
            raise TimeoutError("not now")
        if self.down:
            raise DependencyUnavailable("down")

    def close(self) -> None:
        pass


class Run:
    """One member over some partitions, with its store."""

    def __init__(self, path: Path, partitions: tuple[Partition, ...], **channels: Receiver) -> None:
        self.kafka = ListKafka({partition: [] for partition in partitions})
        self.store = WatchedStore(path, "notification", self.kafka)
        self.member = ListMember(self.kafka, self.store, named("notification"), PATIENT, channels)
        self.status = self.member._loop._status
        self.status.joined = True

    def put(self, order_id: int, partition: Partition = FACTS, *, phone: bool = False) -> None:
        contact = {"phone": "+442079460958"} if phone else {"email": "a@b.example"}
        order = OrderPlaced(order_id, "1 Road", placed_at=2**50, mode_epoch=1, **contact)  # type: ignore[arg-type]
        self.kafka.put(partition, ORDERS, encode_key(order_id), CODEC.encode(ORDERS, order), [])

    def turns(self, count: int) -> None:
        self.member.take(9, count)

    def turns_until(self, happened: Callable[[], object], what: str) -> None:
        def turned() -> bool:
            self.turns(1)
            return bool(happened())

        until(turned, what)

    def outcome(self, order_id: int) -> str:
        return self.store.find_effects([order_id])[order_id, "email"].outcome

    def during_a_decision(self, happens: Callable[[], None]) -> None:
        """Let something happen once, right after the store was asked about the orders of a batch."""

        def looked_up() -> None:
            del self.kafka.looked_up  # the method of its class is back
            happens()

        self.kafka.looked_up = looked_up  # type: ignore[method-assign]  # for one call

    def rebalance(self) -> None:
        """The first partition goes and comes back."""
        assert self.kafka.consumer is not None
        self.kafka.consumer.rebalance()


@contextmanager
def run(tmp_path: Path, *partitions: Partition, **channels: Receiver) -> Iterator[Run]:
    made = Run(tmp_path / "store.sqlite3", partitions, **channels)
    yield made
    for channel in channels.values():
        channel.go_on.set()
    made.member.close()
    made.store.close()


def test_a_record_behind_that_is_revoked_lets_nobody_deliver_the_one_before_it_again(tmp_path: Path) -> None:
    mail = Receiver()
    with run(tmp_path, RETRIES, FACTS, email=mail) as shop:
        shop.put(1)
        shop.turns(1)
        until(lambda: mail.calls, "it is under way")
        shop.put(1, RETRIES)
        shop.turns(1)
        shop.rebalance()
        shop.turns(3)
        mail.go_on.set()
        shop.turns_until(shop.kafka.at_the_end, "all is settled")
        assert mail.calls == 1


def test_what_another_member_has_done_meanwhile_is_not_delivered_from_the_queue_of_the_pool(
    tmp_path: Path,
) -> None:
    mail = Receiver()
    with run(tmp_path, FACTS, email=mail) as shop:
        for order_id in range(3):
            shop.put(order_id)
        shop.turns(1)
        until(lambda: mail.calls == 2, "two workers are at it, and a third mail waits for one")
        done = StoreWrite(
            at=1,
            finished=[Intention(n, "email", Position(*FACTS, n)) for n in range(3)],
            positions={FACTS: 3},
        )
        Store.write(shop.store, done)
        shop.kafka.committed[FACTS] = 3
        shop.rebalance()
        shop.turns(1)
        mail.go_on.set()
        shop.turns_until(lambda: not shop.member._pool.in_flight, "nothing is in flight")
        assert mail.calls == 2


def test_while_a_probe_hangs_nothing_is_decided_again_and_again(tmp_path: Path) -> None:
    mail = Receiver(down=True)
    mail.go_on.set()
    with run(tmp_path, FACTS, email=mail) as shop:
        for order_id in range(5):
            shop.put(order_id)
        shop.turns_until(lambda: shop.member._pool.is_down("email"), "the receiver counts as down")
        mail.go_on.clear()
        before = mail.calls
        shop.turns_until(lambda: mail.calls > before, "a probe is under way, and hangs")
        shop.turns(2)
        began, shop.kafka.left = time.monotonic(), 10**9
        shop.turns(60)
        steps, seconds = 10**9 - shop.kafka.left, time.monotonic() - began
        # Each of the four that wait is decided once in 250 ms, and its end stored: two writes of two steps.
        assert steps <= 4 * 4 * (1 + seconds / 0.25), f"{steps} steps of the store in {seconds:.1f} s"


def test_a_mail_that_is_taken_leaves_the_other_channel_down_and_the_member_not_ready(tmp_path: Path) -> None:
    mail, text = Receiver(), Receiver(down=True)
    text.go_on.set()
    with run(tmp_path, FACTS, email=mail, text=text) as shop:
        for order_id in range(4):
            shop.put(order_id, phone=True)
        shop.put(4)
        shop.turns_until(lambda: shop.member._pool.is_down("text"), "the text channel is down")
        mail.go_on.set()
        shop.turns_until(lambda: shop.outcome(4) == "done", "the mail is taken")
        assert shop.status.outage is not None
        assert len(shop.member._loop._assigned.waiting) == 4


def test_a_delivery_that_ends_in_the_drain_is_stored_although_kafka_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = Receiver()
    with run(tmp_path, FACTS, email=mail) as shop:
        shop.put(1)
        shop.turns(1)
        until(lambda: mail.calls, "it is under way")

        def gone(_partitions: object) -> None:
            raise BrokerUnreachable("gone")

        monkeypatch.setattr(shop.kafka.consumer, "committed", gone)
        shop.member._loop._processor._committed._uncertain = True
        mail.go_on.set()
        shop.member._loop._finish()
        assert shop.outcome(1) == "done"


def test_what_another_member_gave_up_during_a_decision_is_not_intended_again(tmp_path: Path) -> None:
    mail = Receiver()
    mail.go_on.set()
    with run(tmp_path, FACTS, email=mail) as shop:
        shop.put(1)

        def given_up() -> None:
            Store.write(shop.store, StoreWrite(at=1, positions={FACTS: 1}))
            shop.kafka.committed[FACTS] = 1
            shop.rebalance()

        shop.during_a_decision(given_up)
        shop.turns(5)
        assert (shop.store.find_effects([1]), mail.calls) == ({}, 0)
        assert shop.kafka.committed[FACTS] == 1


def test_an_intention_that_the_next_owner_may_be_delivering_is_not_taken_back(tmp_path: Path) -> None:
    mail = Receiver(rejects=True)
    with run(tmp_path, FACTS, email=mail) as shop:
        shop.put(1)
        shop.turns(1)
        until(lambda: mail.calls, "it is under way")
        shop.put(2)
        mail.go_on.set()
        until(lambda: shop.member._pool.ended().positions, "it is refused")
        mail.go_on.clear()
        shop.during_a_decision(shop.rebalance)
        shop.turns(1)
        assert shop.outcome(1) == "intended"
        shop.turns_until(lambda: mail.calls > 1, "the record is decided anew, as the store has it")
        assert (shop.outcome(1), shop.kafka.sent) == ("intended", [])


def test_how_a_delivery_of_an_owner_before_ends_gives_up_nothing_that_another_member_has_done(
    tmp_path: Path,
) -> None:
    mail = Receiver(rejects=True)
    with run(tmp_path, FACTS, email=mail) as shop:
        shop.put(1)
        shop.turns(1)
        until(lambda: mail.calls, "it is under way")
        done = Intention(1, "email", Position(*FACTS, 0))
        Store.write(shop.store, StoreWrite(at=1, finished=[done]))
        shop.rebalance()
        shop.turns(1)
        mail.go_on.set()
        shop.turns_until(shop.kafka.at_the_end, "all is settled")
        assert (shop.outcome(1), shop.kafka.sent, mail.calls) == ("done", [], 1)


def test_retries_that_fall_due_together_are_in_flight_a_hundred_at_a_time_and_in_their_turn(
    tmp_path: Path,
) -> None:
    mail = Receiver(fails_once=True)
    mail.go_on.set()
    with run(tmp_path, FACTS, email=mail) as shop:
        for order_id in range(300):
            shop.put(order_id)
        waiting = shop.member._loop._assigned.waiting

        def all_wait() -> bool:
            shop.member.take(100, 1)
            return len(waiting) == 300 and not shop.member._pool.in_flight

        until(all_wait, "all have failed once")
        first = mail.calls
        failures = shop.member._loop._processor._failures
        failures.attempts = {position: Attempts(1, 0) for position in failures.attempts}
        waiting.wake(failures.attempts)
        in_flight = list[int]()

        def turned() -> bool:
            shop.turns(1)
            in_flight.append(len(shop.member._pool.in_flight))
            return shop.kafka.at_the_end()

        until(turned, "all are done")
        assert max(in_flight) == MAX_IN_FLIGHT
        assert sorted(mail.orders[first : first + 100]) == [*range(100)]


def test_a_group_that_only_waits_for_a_retry_is_ready(tmp_path: Path) -> None:
    mail = Receiver(fails_once=True)
    mail.go_on.set()
    with run(tmp_path, FACTS, email=mail) as shop:
        shop.put(1)
        shop.turns_until(lambda: mail.calls and not shop.member._pool.in_flight, "it has failed once")
        shop.status.progress_at = 0.0
        shop.turns(1)
        assert shop.status.ready
