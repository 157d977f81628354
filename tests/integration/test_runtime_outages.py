"""Receivers that are down, slow or picky, under load, on a real broker."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from threading import Event, Lock
from typing import Any

from clients.config import Cluster
from consumers.channels.smtp import SmtpMail
from consumers.registry import named
from consumers.runtime.reaction import Context, Delivery
from consumers.runtime.retry_policy import RetryPolicy
from schemas.errors import DeliveryDeferred, DependencyUnavailable, Position
from schemas.topics import ORDERS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.kafka.log import until
from tests.support.receivers import MailServer

QUICK = RetryPolicy(initial_backoff_ms=20, max_backoff_ms=100)
SLOWER_THAN_A_POLL_S = 8.0


class Box:
    """A channel in this process; `hook` is called before each delivery and may raise."""

    describe = "box"

    def __init__(self, hook: Callable[[str], object] = lambda _: None) -> None:
        self.hook = hook
        self.keys: list[str] = []
        self.calls = 0
        self._lock = Lock()

    def deliver(self, _delivery: Delivery, key: str, _where: Position) -> None:
        with self._lock:
            self.calls += 1
        self.hook(key)
        with self._lock:
            self.keys.append(key)

    def close(self) -> None:
        pass


def orders(shop: ConsumerHarness, ids: range, partition: int = -1) -> None:
    for order_id in ids:
        shop.fact(order_id, email=f"c{order_id}@customers.example", phone="+4930123", partition=partition)


def impatient(shop: ConsumerHarness) -> Cluster:
    # The classic protocol, because KIP-848 lets no client ask for less than 45 s between two polls.
    short = {**shop.cluster.kafka, "session.timeout.ms": "6000", "max.poll.interval.ms": "6000"}
    return replace(shop.cluster, kafka=short, group_protocol="classic")


def alarms(shop: ConsumerHarness) -> list[tuple[Any, ...]]:
    return shop.rows("notification", "SELECT name, subject FROM alarms")


def done(shop: ConsumerHarness, effect: str) -> int:
    sql = "SELECT count(*) FROM effects WHERE effect = ? AND outcome = 'done'"
    return int((shop.rows("notification", sql, effect) or [(0,)])[0][0])


def test_a_mail_server_that_is_down_under_load_dead_letters_nothing_and_doubles_nothing(
    shop: ConsumerHarness,
) -> None:
    server, texts = MailServer(), Box()
    orders(shop, range(150))
    mail = SmtpMail(server.url, "shop@command-event.invalid")
    running = shop.member("notification", channels={"email": mail, "text": texts})
    until(lambda: len(server.mails) > 20, "mails go out")
    server.down()
    orders(shop, range(150, 250))
    shop.flush()
    until(lambda: alarms(shop) == [("outage", "email")], "the alarm")
    until(lambda: running.status.outage, "the status says so")
    assert "mail server" in str(running.status.outage)
    assert shop.members("notification") == 1
    server.up()
    until(lambda: shop.lag("notification", [ORDERS]) == 0, "it resumes by itself")
    until(lambda: alarms(shop) == [], "the alarm is over")
    running.stop()
    server.down()
    ids = Counter(server.ids())
    assert set(ids) == {f"notification.{n}.email" for n in range(250)}
    assert sum(ids.values()) <= 254, "only what was under way at the cut can come twice, with the same id"
    assert (done(shop, "email"), done(shop, "text")) == (250, 250)
    assert Counter(texts.keys) == Counter(f"notification/{n}/text" for n in range(250))
    assert shop.read("notification.orders.dlq") == []


def test_what_is_down_is_not_hammered_and_the_other_channel_of_the_batch_goes_on(
    shop: ConsumerHarness,
) -> None:
    down = [True]

    def hook(_key: str) -> None:
        if down:
            raise DependencyUnavailable("the mail server does not answer")

    mail, texts = Box(hook), Box()
    orders(shop, range(60), partition=0)
    running = shop.member("notification", channels={"email": mail, "text": texts})
    until(lambda: len(texts.keys) == 60, "all texts, though no mail")
    since, calls = time.monotonic(), mail.calls
    until(lambda: time.monotonic() - since > 3, "a while")
    assert mail.calls - calls <= 6, "probes only, further and further apart"
    assert calls <= 12
    down.clear()
    until(lambda: shop.lag("notification", [ORDERS]) == 0, "it goes on")
    running.stop()
    assert Counter(mail.keys) == Counter(f"notification/{n}/email" for n in range(60))
    assert len(texts.keys) == 60


def test_one_message_that_is_put_off_is_tried_again_and_at_last_given_up_without_the_others(
    shop: ConsumerHarness,
) -> None:
    left = Counter({"notification/3/email": 2, "notification/4/email": 99})

    def hook(key: str) -> None:
        if left[key] > 0:
            left[key] -= 1
            raise DeliveryDeferred("mailbox full", Position(ORDERS, 0, 0))

    mail, texts = Box(hook), Box()
    orders(shop, range(8))
    status = shop.handled("notification", channels={"email": mail, "text": texts}, retry_policy=QUICK)
    assert status.dead == 1
    assert sorted(mail.keys) == sorted(f"notification/{n}/email" for n in range(8) if n != 4)
    assert Counter(texts.keys) == Counter(f"notification/{n}/text" for n in range(8))
    [letter] = shop.read("notification.orders.dlq")
    assert letter.header("attempts") == b"5"
    assert letter.header("kafka_dlt-exception-fqcn") == b"schemas.errors.DeliveryDeferred"
    assert 99 - left["notification/4/email"] == 5
    assert alarms(shop) == []


def test_a_receiver_that_puts_everything_off_is_down_and_fills_no_dead_letters(shop: ConsumerHarness) -> None:
    busy = [True]

    def hook(_key: str) -> None:
        if busy:
            raise DeliveryDeferred("try later", Position(ORDERS, 0, 0))

    mail = Box(hook)
    orders(shop, range(100))
    running = shop.member("notification", channels={"email": mail, "text": Box()}, retry_policy=QUICK)
    until(lambda: alarms(shop) == [("outage", "email")], "it counts as an outage")
    since = time.monotonic()
    until(lambda: time.monotonic() - since > 2, "much longer than five attempts take")
    assert shop.read("notification.orders.dlq") == []
    busy.clear()
    until(lambda: shop.lag("notification", [ORDERS]) == 0, "it goes on")
    running.stop()
    assert shop.read("notification.orders.dlq") == []
    assert len(mail.keys) == 100


def test_a_reaction_slower_than_a_poll_may_take_is_asked_once_and_keeps_its_membership(
    shop: ConsumerHarness,
) -> None:
    asked: list[int] = []

    def slow(message: Any, given: Context) -> Any:
        asked.append(message.order_id)
        if message.order_id == 7:
            Event().wait(SLOWER_THAN_A_POLL_S)
        return named("sales").react(message, given)

    for order_id in (6, 7, 8):
        shop.fact(order_id)
    running = shop.member(replace(named("sales"), react=slow), cluster=impatient(shop))
    until(lambda: shop.lag("sales", [ORDERS]) == 0, "it is handled")
    assert running.status.owned == 12
    running.stop()
    assert sorted(asked) == [6, 7, 8]
    assert len(shop.outcomes("sales")) == 3


def test_a_delivery_slower_than_a_poll_may_take_is_made_once(shop: ConsumerHarness) -> None:
    mail = Box(lambda key: Event().wait(SLOWER_THAN_A_POLL_S) if key.endswith("/7/email") else None)
    for order_id in (6, 7, 8):
        shop.fact(order_id, email="c@customers.example")
    running = shop.member("notification", channels={"email": mail, "text": Box()}, cluster=impatient(shop))
    until(lambda: shop.lag("notification", [ORDERS]) == 0, "it is handled")
    running.stop()
    assert sorted(mail.keys) == [f"notification/{n}/email" for n in (6, 7, 8)]
    assert mail.calls == 3
