"""What users of other systems suffered from, where they told it, and the test that holds it here.

- an offset committed before its effect, or past one in flight (Wolverine #1708, #3161; parallel-consumer
  #857, #875, #894; Eventuate core#48)
      test_crash_points, test_zombies
- committing on shutdown what is not done (FastStream #923)
      below: told to stop
- at most once by default, found out by loss (FastStream #1190, #1980, #2618)
      test_crash_points; test_runtime_crashes: killed again and again under load
- instant retries that burn a core (FastStream #1488, #1657)
      below: burns no core; test_runtime_outages: not hammered
- attempts multiplied by the instances (NServiceBus)
      test_runtime_retries: two members, a kill and another member
- one dependency is down, all is dead-lettered (Wolverine #3153, draft KIP-1316)
      test_runtime_outages, test_runtime_process: down fills no dead letters
- a retry topic that all groups read (sda-dropwizard-commons #116)
      test_operations_redrive: for the failed group alone
- redriven twice; later arrivals grabbed; stuck after a restart; no progress shown (ServiceControl #4797,
  #660, #2040, #679)
      test_operations_redrive, test_operations_redrive_crash
- alive, and no longer consuming (Faust #175, Quix #1124, parallel-consumer #484)
      below: no longer consumes; test_runtime_member_status
- slower than a poll may take, so the next one does it again (aiokafka #848)
      test_runtime_outages: slower than a poll may take
- order per key, side by side, at least once, together (watermill #374, FastStream)
      below: workers; test_runtime_retries: keeps the order of its orders
- one repeated check counted as two (confluentinc/examples #1265)
      test_crash_points: sales; test_runtime_paths: many times has one result
- tables of an outbox or inbox that are never cleaned (Eventuate core#46)
      test_outbox_relay: cleaned; test_store_contract: results stay until
- rows of slower transactions skipped (emmett #336)
      test_outbox_relay: a slow transaction, many writers at once
- correlation lost between command and event (watermill #206)
      test_runtime_paths: names its cause
- `latest` loses history, `earliest` mails everybody
      test_runtime_groups: told now, joins later; test_runtime_paths: old facts are skipped
- a command read by who does not own it (NServiceBus #1471)
      test_consumers_registry: its owner alone; test_operations_status: a foreign group
- the same order dead by one path, alive by the other
      below: takes no key; test_runtime_paths: by both paths, with another address, in shadow
"""

import signal
import time
from threading import Lock
from typing import TYPE_CHECKING

import httpx
import psutil  # type: ignore[import-untyped]  # it ships no types

from schemas.framing import encode_key
from schemas.topics import DISPATCH_PRODUCTS
from tests.support.consumers.harness import ConsumerHarness
from tests.support.crash import reactions
from tests.support.crash.code import code_of
from tests.support.crash.points import Point
from tests.support.crash.scenarios import letters
from tests.support.kafka.log import until
from tests.support.receivers import TextGateway, free_port

if TYPE_CHECKING:
    from consumers.runtime.reaction import Delivery
    from schemas.errors import Position

HANGS = Point("the store has the batch", "producer.begin_transaction:before").hung()
BUSY_S = 4.0


class Recorder:
    """A way to the outside that notes who was on it, and takes its time."""

    describe = "recorder"

    def __init__(self) -> None:
        self.order: dict[int, list[str]] = {}
        self.inside: set[int] = set()
        self.overlaps: list[int] = []
        self.most = 0
        self._lock = Lock()

    def deliver(self, delivery: "Delivery", key: str, where: "Position") -> None:  # noqa: ARG002 - a channel's
        order_id = int(key.split("/")[1])
        with self._lock:
            self.overlaps += [order_id] if order_id in self.inside else []
            self.inside.add(order_id)
            self.most = max(self.most, len(self.inside))
            self.order.setdefault(order_id, []).append(delivery.channel)
        time.sleep(0.01)
        with self._lock:
            self.inside.discard(order_id)

    def close(self) -> None:
        pass


def asked(port: int, what: str) -> int | None:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/{what}").status_code
    except httpx.HTTPError:
        return None


def test_a_member_that_is_told_to_stop_commits_nothing_that_it_has_not_finished(
    shop: ConsumerHarness,
) -> None:
    for order_id in range(20):
        shop.command(order_id)
    child = shop.cev("consume", "warehouse", code=HANGS, CEV_DRAIN_S="0.3")
    shop.until_outcomes("warehouse", 1)
    child.send_signal(signal.SIGTERM)
    _, told = child.communicate(timeout=60)
    assert "the drain deadline of 0.3 s passed" in told
    assert shop.lag("warehouse", [DISPATCH_PRODUCTS]) == 20
    assert shop.results() == []
    shop.handled("warehouse")
    assert sorted(shop.results()) == [(order_id, "ProductDispatched") for order_id in range(20)]


def test_waiting_for_a_receiver_that_is_down_burns_no_core(shop: ConsumerHarness) -> None:
    gateway = TextGateway()
    gateway.refuse = 503
    for order_id in range(50):
        shop.fact(order_id, phone=f"+4930{order_id}")
    child = shop.cev("consume", "notification", CEV_TEXT_URL=gateway.url)
    shop.until_outcomes("notification", 1)
    program, began = psutil.Process(child.pid), time.monotonic()
    before = sum(program.cpu_times()[:2])
    until(lambda: time.monotonic() - began > BUSY_S, "a while")
    assert sum(program.cpu_times()[:2]) - before < BUSY_S / 2
    gateway.refuse = None
    until(lambda: len(set(gateway.keys)) == 50, "all texts arrive")
    child.send_signal(signal.SIGTERM)
    _, told = child.communicate(timeout=60)
    gateway.down()
    assert child.returncode == 0, told


def test_a_member_that_lives_and_no_longer_consumes_is_not_ready(shop: ConsumerHarness) -> None:
    port = free_port()
    shop.command(1)
    child = shop.cev(
        "consume", "warehouse", code=code_of(reactions.be_impatient) + HANGS, CEV_HEALTH_PORT=str(port)
    )
    shop.until_outcomes("warehouse", 1)
    until(lambda: asked(port, "ready") == 503, "it is not ready")
    assert asked(port, "live") == 200
    child.kill()


def test_workers_work_side_by_side_and_an_orders_messages_one_after_the_other(shop: ConsumerHarness) -> None:
    for order_id in range(60):
        shop.fact(order_id, email=f"c{order_id}@customers.example", phone=f"+4930{order_id}")
    way = Recorder()
    shop.handled("notification", channels={"email": way, "text": way}, workers=8)
    assert way.order == {order_id: ["email", "text"] for order_id in range(60)}
    assert way.overlaps == []
    assert way.most > 1


def test_a_dead_letter_takes_no_key_so_its_order_is_done_by_the_other_path_in_either_sequence(
    shop: ConsumerHarness,
) -> None:
    shop.raw(DISPATCH_PRODUCTS, encode_key(1), b"no avro at all")
    shop.fact(2)
    shop.handled("warehouse")
    shop.fact(1)
    shop.raw(DISPATCH_PRODUCTS, encode_key(2), b"no avro at all")
    shop.handled("warehouse")
    assert sorted(shop.results()) == [(1, "ProductDispatched"), (2, "ProductDispatched")]
    assert letters(shop, "warehouse", DISPATCH_PRODUCTS) == {1: 1, 2: 1}
