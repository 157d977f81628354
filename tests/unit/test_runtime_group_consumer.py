"""The consumer's memory of who had which partition, against a client that is scripted. Touches no broker."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from clients.config import Cluster
from clients.errors import STALE_MEMBER, StaleBatch
from consumers.runtime.kafka import consumer as module
from consumers.runtime.kafka import membership
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.records import Partition
from schemas.errors import BrokerUnreachable, Fenced, ForeignStore, InvalidSetting, LostOffset, Position
from tests.support.consumers.records import record

ORDERS = "orders"
P0, P1, P2 = (ORDERS, 0), (ORDERS, 1), (ORDERS, 2)


class Message:
    """A message as the client hands it over."""

    def __init__(
        self, partition: Partition, offset: int, code: int | None = None, reason: str | None = None
    ) -> None:
        self._partition, self._offset, self._code, self._reason = partition, offset, code, reason

    def topic(self) -> str:
        return self._partition[0]

    def partition(self) -> int:
        return self._partition[1]

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return None if self._code is None else KafkaError(self._code, self._reason)

    def timestamp(self) -> tuple[int, int]:
        return 1, 0

    def key(self) -> bytes:
        return b"k"

    value = key

    def headers(self) -> None:
        return None


class Client:
    """A consumer whose polls are a script: messages, or calls that stand for a rebalance in the poll."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.script: list[Message | Callable[[], None] | None] = []
        self.seeks: list[TopicPartition] = []
        self.paused: set[Partition] = set()
        self.committed_now: list[TopicPartition] = []
        self.refuse: int | None = None
        self.answers = True

    def subscribe(self, _topics: list[str], **_hooks: object) -> None:
        pass

    def list_topics(self, _topic: str, timeout: float) -> None:
        if not self.answers:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, f"nothing within {timeout} s"))

    def consumer_group_metadata(self) -> str:
        return "metadata"

    def poll(self, _timeout: float) -> Message | None:
        while self.script:
            step = self.script.pop(0)
            if not callable(step):
                return step
            step()
        return None

    def consume(self, _limit: int, _timeout: float) -> list[Message]:
        found = []
        while self.script:
            step = self.script.pop(0)
            if isinstance(step, Message):
                found.append(step)
            elif step is not None:
                step()
        return found

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        pass

    incremental_unassign = incremental_assign

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {(each.topic, each.partition) for each in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {(each.topic, each.partition) for each in partitions}

    def seek(self, to: TopicPartition) -> None:
        self.seeks.append(to)

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous
        if self.refuse is not None:
            raise KafkaException(KafkaError(self.refuse))
        self.committed_now += offsets
        return offsets


class Bench:
    """An consumer on a scripted client."""

    def __init__(self, begin: module.Assign) -> None:
        self.consumer = GroupConsumer(
            Cluster(bootstrap="nowhere:1"), "sales", {ORDERS: ORDERS}, begin, "store-1"
        )
        self.client: Client = self.consumer._consumer  # type: ignore[assignment]  # the script in the client's place
        self.consumer.subscribe()

    def assign(self, *partitions: Partition) -> None:
        self.consumer._on_assign(self.client, [TopicPartition(*each) for each in partitions])  # type: ignore[arg-type]  # the same

    def revoke(self, *partitions: Partition) -> None:
        self.consumer._on_revoke(self.client, [TopicPartition(*each) for each in partitions])  # type: ignore[arg-type]  # the same

    def read(self, *script: Message | Callable[[], None]) -> PolledRecords:
        self.client.script += script
        return self.consumer.poll(100, 0.0)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(module, "Consumer", Client)
    return Bench(lambda _consumer, partitions: dict.fromkeys(partitions, 0))


def positions(polled: PolledRecords) -> list[Position]:
    return [each.position for each in polled.records]


def test_a_partition_counts_as_owned_since_the_poll_until_it_is_revoked(bench: Bench) -> None:
    bench.assign(P0, P1)
    generation = bench.consumer.generation
    assert bench.consumer.owned_since(generation) == {P0, P1}
    bench.revoke(P1)
    assert bench.consumer.owned_since(generation) == {P0}


def test_a_partition_that_was_revoked_and_assigned_again_is_not_owned_since(bench: Bench) -> None:
    bench.assign(P0, P1)
    generation = bench.consumer.generation
    bench.revoke(P1)
    bench.assign(P1)
    assert bench.consumer.owned == {P0, P1}
    assert bench.consumer.owned_since(generation) == {P0}
    assert bench.consumer.owned_since(bench.consumer.generation) == {P0, P1}


def test_only_owned_partitions_are_read_again(bench: Bench) -> None:
    bench.assign(P0, P1)
    bench.read(Message(P0, 3), Message(P1, 4))
    bench.consumer.seek_back({P0: 3, P2: 4})
    assert [(each.topic, each.partition, each.offset) for each in bench.client.seeks] == [(*P0, 3)]


def test_seeking_back_keeps_what_was_polled_of_other_partitions(bench: Bench) -> None:
    bench.assign(P0)
    bench.read(Message(P0, 3))
    bench.client.script += [lambda: bench.assign(P1), Message(P1, 7), Message(P0, 4)]
    bench.consumer.poll_paused(0)
    bench.consumer.poll_paused(0)
    bench.consumer.seek_back({P0: 3})
    assert positions(bench.read()) == [Position(*P1, 7)]


def test_what_was_polled_of_a_partition_goes_with_it(bench: Bench) -> None:
    bench.assign(P0, P1)
    bench.client.script += [Message(P0, 3), Message(P1, 3)]
    bench.consumer.poll_paused(0)
    bench.consumer.poll_paused(0)
    bench.revoke(P0)
    bench.assign(P0)
    assert positions(bench.read()) == [Position(*P1, 3)]


def test_records_of_a_partition_that_left_in_the_same_poll_are_not_handed_out(bench: Bench) -> None:
    bench.assign(P0, P1)
    polled = bench.read(lambda: bench.revoke(P0), Message(P0, 1), Message(P1, 1))
    assert positions(polled) == [Position(*P1, 1)]


def test_what_was_taken_before_a_partition_left_and_came_back_is_not_handed_out(bench: Bench) -> None:
    bench.assign(P0, P1)

    def move() -> None:
        bench.revoke(P0)
        bench.assign(P0)

    assert positions(bench.read(Message(P0, 5), move, Message(P0, 10))) == [Position(*P0, 10)]
    assert positions(bench.read(Message(P1, 5), move, Message(P0, 10))) == [
        Position(*P1, 5),
        Position(*P0, 10),
    ]


def test_the_end_is_reached_when_every_partition_of_ours_is(bench: Bench) -> None:
    eof = KafkaError._PARTITION_EOF
    bench.assign(P0, P1)
    assert not bench.read(Message(P0, 4, eof)).at_end
    assert bench.read(Message(P1, 9, eof)).at_end
    assert bench.consumer.end_offsets == {P0: 4, P1: 9}
    assert not bench.read(Message(P0, 4)).at_end
    bench.revoke(P0)
    assert bench.read().at_end


def test_a_group_that_moves_on_while_partitions_begin_is_joined_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begin(consumer: GroupConsumer, partitions: list[Partition]) -> dict[Partition, int]:
        consumer.commit(dict.fromkeys(partitions, 0))
        return dict.fromkeys(partitions, 0)

    monkeypatch.setattr(module, "Consumer", Client)
    bench = Bench(begin)
    bench.client.refuse = KafkaError.STALE_MEMBER_EPOCH
    with pytest.raises(BrokerUnreachable, match="the group moved on while partitions began"):
        bench.read(lambda: bench.assign(P0))
    assert bench.consumer.owned == set()
    with pytest.raises(BrokerUnreachable, match="the group moved on"):
        bench.consumer.poll_paused(0)


def test_a_partition_that_must_not_begin_stops_the_member(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(_consumer: GroupConsumer, _partitions: list[Partition]) -> dict[Partition, int]:
        raise LostOffset("gone")

    monkeypatch.setattr(module, "Consumer", Client)
    bench = Bench(begin)
    with pytest.raises(LostOffset):
        bench.read(lambda: bench.assign(P0))
    bench.client.script.append(lambda: bench.assign(P0))
    with pytest.raises(LostOffset):
        bench.consumer.poll_paused(0)


def test_why_a_partition_must_not_begin_comes_before_what_the_client_says_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begin(_consumer: GroupConsumer, _partitions: list[Partition]) -> dict[Partition, int]:
        raise ForeignStore("offset 4 was committed with the store of another program")

    monkeypatch.setattr(module, "Consumer", Client)
    bench = Bench(begin)
    lost = Message(P1, -1, KafkaError._AUTO_OFFSET_RESET, "no previously committed offset available")
    with pytest.raises(ForeignStore, match="another program"):
        bench.read(lambda: bench.assign(P0, P1), lost)


@pytest.mark.parametrize("code", sorted(STALE_MEMBER))
def test_a_commit_that_the_group_refuses_is_a_stale_batch(bench: Bench, code: int) -> None:
    bench.assign(P0)
    bench.client.refuse = code
    with pytest.raises(StaleBatch):
        bench.consumer.commit({P0: 5})


def test_a_commit_that_nobody_answers_is_an_outage(bench: Bench) -> None:
    bench.assign(P0)
    bench.client.refuse = KafkaError.COORDINATOR_NOT_AVAILABLE
    with pytest.raises(BrokerUnreachable):
        bench.consumer.commit({P0: 5})


def test_partitions_that_come_while_we_wait_are_paused_too_and_read_later(bench: Bench) -> None:
    bench.assign(P0)
    bench.consumer.poll_paused(0)
    bench.client.script.append(lambda: bench.assign(P1))
    bench.consumer.poll_paused(0)
    assert bench.client.paused == {P0, P1}
    bench.read()
    assert bench.client.paused == set()


def test_polled_records_say_what_is_next_whatever_they_hold() -> None:
    records = [record(Position(*P0, 1)), record(Position(*P1, 2)), record(Position(*P1, 5))]
    polled = PolledRecords(records, [(Position(*P2, 9), "bad")])
    assert (polled.next_offsets(), len(polled)) == ({P0: 2, P1: 6, P2: 10}, 4)


def test_a_paused_partition_is_read_from_its_offset_once_its_time_is_over(bench: Bench) -> None:
    bench.assign(P0, P1)
    bench.read(Message(P0, 3), Message(P1, 4))
    bench.consumer.pause_until(P0, 3, seconds=600)
    assert [(each.topic, each.partition, each.offset) for each in bench.client.seeks] == [(*P0, 3)]
    bench.consumer.poll_paused(0)
    assert bench.client.paused == {P0, P1}
    bench.read()
    assert bench.client.paused == {P0}, "what ends the pause of all does not end that of one"
    bench.consumer.pause_until(P0, 3, seconds=0)
    bench.read()
    assert (bench.client.paused, bench.consumer.pauses.until) == (set(), {})


def test_a_partition_that_was_paused_and_assigned_again_is_read(bench: Bench) -> None:
    bench.assign(P0)
    bench.consumer.pause_until(P0, 3, seconds=600)
    bench.revoke(P0)
    bench.assign(P0)
    assert (bench.client.paused, bench.consumer.pauses.until) == (set(), {})


def test_a_partition_that_went_while_everything_was_paused_is_read_when_it_comes_back(bench: Bench) -> None:
    bench.assign(P0, P1)
    bench.consumer.poll_paused(0)
    bench.revoke(P0)
    bench.read()
    assert bench.client.paused == {P0}, "the client keeps the pause of what it has not any more"
    bench.assign(P0)
    assert bench.client.paused == set()


def test_a_paused_partition_is_never_at_its_end(bench: Bench) -> None:
    eof = KafkaError._PARTITION_EOF
    bench.assign(P0, P1)
    bench.read(Message(P0, 4, eof), Message(P1, 9, eof))
    bench.consumer.pause_until(P0, 3, seconds=600)
    assert not bench.read().at_end


NOBODY = ("", 0)
"""An error event about no partition: the client's own state, or the group's answer."""


def test_a_fatal_error_of_the_client_is_raised_until_the_consumer_is_closed(bench: Bench) -> None:
    bench.assign(P0)
    with pytest.raises(BrokerUnreachable, match="gave up"):
        bench.read(Message(NOBODY, -1, KafkaError._FATAL))
    with pytest.raises(BrokerUnreachable, match="gave up"):
        bench.read()
    with pytest.raises(BrokerUnreachable, match="gave up"):
        bench.consumer.poll_paused(0)


def test_a_fatal_error_while_partitions_are_paused_is_raised_at_once(bench: Bench) -> None:
    bench.assign(P0)
    bench.client.script.append(Message(NOBODY, -1, KafkaError._FATAL))
    with pytest.raises(BrokerUnreachable, match="gave up"):
        bench.consumer.poll_paused(0)


def test_a_fatal_error_of_the_error_callback_is_raised_by_the_next_poll(bench: Bench) -> None:
    bench.assign(P0)
    callback = bench.client.config["error_cb"]
    with pytest.raises(BrokerUnreachable, match="gave up"):
        bench.read(lambda: callback(KafkaError(KafkaError._FATAL, "no way back", True)))


def test_a_member_whose_instance_id_another_process_took_stops(bench: Bench) -> None:
    reason = f"Fatal error: {KafkaError(KafkaError.FENCED_INSTANCE_ID).str()}"
    with pytest.raises(Fenced, match=r"group\.instance\.id"):
        bench.read(Message(NOBODY, -1, KafkaError._FATAL, reason))


@pytest.mark.parametrize("code", [KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE])
def test_a_member_at_brokers_that_know_the_classic_protocol_only_stops_and_says_what_helps(
    bench: Bench, code: int
) -> None:
    reason = f"Fatal error: ConsumerGroupHeartbeat fatal error: {KafkaError(code).str()}"
    with pytest.raises(InvalidSetting, match="CEV_GROUP_PROTOCOL=classic"):
        bench.read(Message(NOBODY, -1, KafkaError._FATAL, reason))


def test_what_the_group_answers_to_a_member_that_it_does_not_take_is_an_outage_until_it_does(
    bench: Bench,
) -> None:
    polled = bench.read(Message(NOBODY, -1, KafkaError.INCONSISTENT_GROUP_PROTOCOL))
    assert "group sales" in str(polled.outage)
    assert "Inconsistent group protocol" in str(polled.outage)
    assert bench.read().outage is not None, "silence is no answer"
    bench.assign(P0)
    assert bench.read().outage is None


def test_a_partition_that_may_not_be_read_is_an_outage_until_it_is_read(bench: Bench) -> None:
    bench.assign(P0, P1)
    polled = bench.read(Message(P0, -1, KafkaError.TOPIC_AUTHORIZATION_FAILED), Message(P1, 3))
    assert "orders:0" in str(polled.outage)
    assert bench.read(Message(P1, 4)).outage is not None
    assert bench.read(Message(P0, 9)).outage is None


def test_a_partition_that_left_is_no_outage_any_more(bench: Bench) -> None:
    bench.assign(P0, P1)
    assert bench.read(Message(P0, -1, KafkaError.TOPIC_AUTHORIZATION_FAILED)).outage is not None
    bench.revoke(P0)
    assert bench.read().outage is None


def test_brokers_that_do_not_answer_after_a_silence_are_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.assign(P0)
    bench.client.answers = False
    assert bench.read().outage is None, "it was heard of a moment ago"
    monkeypatch.setattr(membership, "SILENCE_S", 0.0)
    bench.read(Message(P0, 1))
    assert "no broker answers at nowhere:1" in str(bench.read().outage)
    bench.client.answers = True
    assert bench.read().outage is None


def test_brokers_that_refuse_connections_are_named_at_once(bench: Bench) -> None:
    bench.assign(P0)
    bench.client.answers = False
    bench.client.config["error_cb"](KafkaError(KafkaError._ALL_BROKERS_DOWN))
    assert "no broker answers at nowhere:1" in str(bench.read().outage)
    bench.client.answers = True
    assert bench.read().outage is None
