"""What the relay decides, against a database and a Kafka of a few lines that fail and die at any step."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.outbox.batch_publisher import Batch, Row
from producers.outbox.queue import Backlog, NotLeading
from producers.outbox.relay import Relay, RelayStatus
from schemas.errors import BrokerUnreachable, DependencyUnavailable, Fenced, TopicMissing

BATCH = 3
NAMES = count(1)


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Plan:
    """What happens at each step of the relays: well, or a fault before or after the step took effect."""

    def __init__(self, faults: Sequence[str] = ()) -> None:
        self._faults = list(faults)

    def step(self, effect: Callable[[], object], fault: type[Exception]) -> object:
        what = self._faults.pop(0) if self._faults else "well"
        if what.endswith("before"):
            raise Killed if what.startswith("killed") else fault("before")
        done = effect()
        if what.endswith("after"):
            raise Killed if what.startswith("killed") else fault("after")
        return done


class Entry(NamedTuple):
    """A row of the model: its order, and whether Kafka takes it."""

    order_id: int
    good: bool = True


class Database:
    """Rows by id; invisible ones belong to transactions that are not committed yet."""

    def __init__(self) -> None:
        self.rows: dict[int, Entry] = {}
        self.invisible: set[int] = set()
        self.published: set[int] = set()
        self.errors: dict[int, str] = {}
        self.doubt: tuple[str, list[int]] = ("", [])
        self.leader = ""
        self.lock = ""

    def free(self) -> list[int]:
        held = {self.rows[each].order_id: each for each in sorted(self.errors, reverse=True)}
        return [
            each
            for each, row in sorted(self.rows.items())
            if each not in self.invisible | self.published | set(self.errors)
            and not (row.order_id in held and held[row.order_id] < each)
        ]


class Kafka:
    """A log, the name of its last committed transaction, and who may write."""

    def __init__(self) -> None:
        self.log: list[int] = []
        self.last = ""
        self.writer = ""


class Queue:
    """`OutboxQueue` over the model."""

    def __init__(self, db: Database, plan: Plan) -> None:
        self.db, self.plan, self.me = db, plan, ""

    def _do(self, effect: Callable[[], object]) -> object:
        try:
            return self.plan.step(effect, DependencyUnavailable)
        except DependencyUnavailable:
            self.close()
            raise

    def acquire_leadership(self) -> bool:
        if self.me:
            return True
        if self.db.lock:
            return False

        def effect() -> None:
            self.me = self.db.lock = self.db.leader = str(next(NAMES))

        self._do(effect)
        return True

    def in_doubt(self) -> tuple[str, list[int]]:
        return self._do(lambda: self.db.doubt)  # type: ignore[return-value]  # what the effect gave

    def waiting(self) -> bool:
        return bool(self.db.free())

    def next(self, published: Sequence[int], *, limit: int, only: int | None = None) -> Batch | None:
        def effect() -> Batch | None:
            self._lead_or_raise()
            self.db.published.update(published)
            ids = [each for each in self.db.free() if only in (None, each)][: min(BATCH, limit)]
            name = f"batch-{next(NAMES)}" if ids else ""
            self.db.doubt = (name, ids)
            rows = tuple([Row(each, self.db.rows[each].order_id, ()) for each in ids])
            return Batch(name, rows) if ids else None

        return self._do(effect)  # type: ignore[return-value]  # what the effect gave

    def mark_published(self, published: Sequence[int]) -> None:
        def effect() -> None:
            self._lead_or_raise()
            self.db.published.update(published)
            self.db.doubt = ("", [])

        self._do(effect)

    def quarantine(self, row_id: int, reason: str) -> None:
        def effect() -> None:
            self._lead_or_raise()
            self.db.errors[row_id] = reason
            self.db.doubt = ("", [])

        self._do(effect)

    def clean(self, until: int) -> int:
        del until
        return 0

    def backlog(self) -> Backlog:
        left = set(self.db.rows) - self.db.published - self.db.invisible
        return Backlog(len(left), 1 if left else None, len(self.db.errors))

    def close(self) -> None:
        if self.me and self.db.lock == self.me:
            self.db.lock = ""
        self.me = ""

    def _lead_or_raise(self) -> None:
        if self.db.leader != self.me:
            raise NotLeading("another one")


class Log:
    """`BatchPublisher` over the model."""

    def __init__(self, kafka: Kafka, db: Database, plan: Plan) -> None:
        self.kafka, self.db, self.plan, self.me = kafka, db, plan, ""

    def claim(self) -> str:
        def effect() -> str:
            self.me = self.kafka.writer = str(next(NAMES))
            return self.kafka.last

        return str(self.plan.step(effect, BrokerUnreachable))

    def publish(self, batch: Batch) -> dict[int, str]:
        assert self.me, "publishes without a claim"
        refused = {row.id: "too large" for row in batch.rows if not self.db.rows[row.id].good}

        def effect() -> None:
            if self.kafka.writer != self.me:
                raise Fenced("fenced")
            self.kafka.log += [row.id for row in batch.rows if not refused]
            self.kafka.last = self.kafka.last if refused else batch.name

        self.plan.step(effect, BrokerUnreachable)
        self.me = "" if refused else self.me
        return refused

    def close(self) -> None:
        self.me = ""


class World:
    """One outbox and its relays, on a clock that moves when somebody waits."""

    def __init__(self, entries: Sequence[Entry] = (), faults: Sequence[str] = ()) -> None:
        self.db, self.kafka, self.plan, self.now = Database(), Kafka(), Plan(faults), 0.0
        self.db.rows.update(enumerate(entries, 1))

    def relay(
        self,
        until_idle_s: float | None = 0,
        stopping: Callable[[], bool] | None = None,
        log: type[Log] = Log,
    ) -> RelayStatus:
        """Run a relay to its end, however it ends."""
        pulse = RelayStatus()
        queue = Queue(self.db, self.plan)
        limit = self.now + 10_000
        relay = Relay(
            queue,
            log(self.kafka, self.db, self.plan),
            pulse,
            stopping=stopping or (lambda: self.now > limit),
            clean_after_ms=0,
            until_idle_s=until_idle_s,
            sleep=self._sleep,
            clock=lambda: self.now,
        )
        try:
            relay.run()
        except Killed:
            queue.close()
        return pulse

    def _sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)

    def until_all_is_out(self) -> None:
        for _ in range(100):
            self.relay()
            if not self.db.free():
                return
        raise AssertionError("rows are left")


FAULTS = st.lists(
    st.sampled_from(["well", "well", "well", "killed before", "killed after", "down before", "down after"]),
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(1, 4).map(Entry), max_size=12), FAULTS)
def test_every_row_is_published_once_and_in_order_whatever_fails_or_dies(
    entries: list[Entry], faults: list[str]
) -> None:
    world = World(entries, faults)
    world.until_all_is_out()
    assert sorted(world.kafka.log) == sorted(world.db.rows)
    assert world.db.published == set(world.db.rows)
    for order in range(1, 5):
        mine = [each for each in world.kafka.log if world.db.rows[each].order_id == order]
        assert mine == sorted(mine)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(Entry, st.integers(1, 4), st.booleans()), max_size=12), FAULTS)
def test_a_refused_row_is_kept_and_holds_up_its_own_order_alone(
    entries: list[Entry], faults: list[str]
) -> None:
    world = World(entries, faults)
    world.until_all_is_out()
    first_bad: dict[int, int] = {}
    for number, row in world.db.rows.items():
        if not row.good:
            first_bad.setdefault(row.order_id, number)
    held = {n for n, row in world.db.rows.items() if n > first_bad.get(row.order_id, 99)}
    assert set(world.db.errors) == set(first_bad.values())
    assert sorted(world.kafka.log) == sorted(set(world.db.rows) - set(first_bad.values()) - held)
    assert all("too large" in why for why in world.db.errors.values())


def test_rows_that_were_refused_for_their_company_do_not_overtake_their_order() -> None:
    world = World([Entry(1), Entry(2), Entry(1)])
    publish = Log.publish

    class Picky(Log):
        def publish(self, batch: Batch) -> dict[int, str]:
            if len(batch.rows) > 1:
                self.me = ""
                return {batch.rows[-1].id: "the batch is too large"}
            return publish(self, batch)

    world.relay(log=Picky)
    assert world.db.errors == {}
    assert world.kafka.log.index(1) < world.kafka.log.index(3)
    assert sorted(world.kafka.log) == [1, 2, 3]


@given(st.lists(st.lists(st.integers(1, 6), max_size=3), max_size=6))
def test_rows_of_slower_transactions_come_out_when_they_are_committed(late: list[list[int]]) -> None:
    world = World([Entry(each) for each in range(1, 7)])
    world.db.invisible = {1, 2, 3, 4, 5}
    world.relay()
    assert world.kafka.log == [6], "the highest id is out, the lower ones are still being written"
    for committed in late:
        world.db.invisible -= set(committed)
        world.relay()
    world.db.invisible.clear()
    world.until_all_is_out()
    assert sorted(world.kafka.log) == [1, 2, 3, 4, 5, 6]


def test_a_second_relay_stands_by_and_ends_once_it_is_idle() -> None:
    world = World([Entry(1)])
    world.db.lock = "somebody"
    seen: list[str] = []

    def stopping() -> bool:
        if world.now > 3:
            world.db.published.add(1)
        return world.now > 60

    pulse = world.relay(until_idle_s=0, stopping=stopping)
    seen.append(pulse.role)
    assert seen == ["standing by"]
    assert pulse.ready
    assert 3 < world.now < 60
    assert world.kafka.log == []


def test_a_missing_topic_is_an_outage_and_no_row_is_put_aside() -> None:
    world = World([Entry(1)])
    pulses: list[str | None] = []
    pulse = RelayStatus()
    queue, log = Queue(world.db, world.plan), Log(world.kafka, world.db, world.plan)
    claim = log.claim

    def missing() -> str:
        if world.now < 20:
            raise TopicMissing("the cluster has no topic orders")
        return claim()

    log.claim = missing  # type: ignore[method-assign]  # a broker that lacks the topic for a while
    relay = Relay(
        queue,
        log,
        pulse,
        stopping=lambda: world.now > 500,
        watch=lambda: pulses.append(pulse.outage),
        clean_after_ms=0,
        until_idle_s=0,
        sleep=world._sleep,
        clock=lambda: world.now,
    )
    relay.run()
    assert world.kafka.log == [1]
    assert world.db.errors == {}
    assert "the cluster has no topic orders" in pulses
    assert 4 < sum(each is not None for each in pulses) < 60, "it waits with backoff"
    assert pulse.outage is None


def test_a_leader_whose_lock_does_not_hold_ends_and_writes_nothing_more() -> None:
    world = World([Entry(1), Entry(2)])
    queue, log = Queue(world.db, world.plan), Log(world.kafka, world.db, world.plan)
    publish = log.publish

    def overtaken(batch: Batch) -> dict[int, str]:
        done = publish(batch)
        world.db.leader, world.kafka.writer = "other", "other"
        return done

    log.publish = overtaken  # type: ignore[method-assign]  # another relay leads from here on
    relay = Relay(
        queue,
        log,
        RelayStatus(),
        stopping=lambda: False,
        clean_after_ms=0,
        sleep=world._sleep,
        clock=lambda: world.now,
    )
    with pytest.raises(NotLeading) as fault:
        relay.run()
    assert fault.value.exit_code == 4
    assert world.db.published == set(), "the other one settles it"
    world.db.lock = ""
    world.until_all_is_out()
    assert world.kafka.log == [1, 2]


def test_who_is_fenced_at_the_broker_stands_by() -> None:
    world = World([Entry(1)])
    queue, log = Queue(world.db, world.plan), Log(world.kafka, world.db, world.plan)
    claim = log.claim

    def fenced_after() -> str:
        last = claim()
        world.kafka.writer, world.db.lock = "other", "other"
        return last

    log.claim = fenced_after  # type: ignore[method-assign]  # another relay takes over at the broker
    pulse = RelayStatus()
    relay = Relay(
        queue,
        log,
        pulse,
        stopping=lambda: world.now > 20,
        clean_after_ms=0,
        sleep=world._sleep,
        clock=lambda: world.now,
    )
    relay.run()
    assert pulse.role == "standing by"
    assert world.kafka.log == []


def test_a_batch_that_is_too_much_for_a_slow_broker_gets_smaller_until_it_gets_through() -> None:
    world = World([Entry(each) for each in range(1, 4)])
    queue, log = Queue(world.db, world.plan), Log(world.kafka, world.db, world.plan)
    publish = log.publish

    def slow(batch: Batch) -> dict[int, str]:
        if len(batch.rows) > 1:
            raise BrokerUnreachable("the transaction took too long")
        return publish(batch)

    log.publish = slow  # type: ignore[method-assign]  # one record is all that this broker takes in time
    relay = Relay(
        queue,
        log,
        RelayStatus(),
        stopping=lambda: world.now > 500,
        clean_after_ms=0,
        until_idle_s=0,
        sleep=world._sleep,
        clock=lambda: world.now,
    )
    relay.run()
    assert world.kafka.log == [1, 2, 3]
