"""The transactional producer's calls and their order, on a client that is scripted. Touches no broker."""

import threading
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from clients import transactional as module
from clients.config import Cluster
from clients.errors import FATAL, STATE, TIMED_OUT, StaleBatch
from clients.records import ProducerRecord
from clients.transactional import RecordsRefused, TransactionalProducer
from schemas.errors import BrokerUnreachable, Fenced, NotAcknowledged, Position, TopicMissing
from tests.support.architecture import sources

RECORDS = [ProducerRecord("orders", b"k", b"a", []), ProducerRecord("orders", b"k", b"b", [])]
OFFSETS = [TopicPartition("orders", 0, 5)]
WRITTEN = ["begin", "produce a", "produce b", "flush", "offsets", "commit"]
AGAIN = KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
ABORTABLE = KafkaError(KafkaError.INVALID_TXN_STATE, txn_requires_abort=True)
FENCED = KafkaError(KafkaError.PRODUCER_FENCED, fatal=True)
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)


class Delivered:
    """A report's message, as the client hands it over."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def topic(self) -> str:
        return "orders"

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return self._offset


class Client:
    """A producer that fails as its script says: per call, what it raises the next times, or None."""

    script: dict[str, list[BaseException | None]]
    deliveries: list[KafkaError | None]
    made: list["Client"]

    def __init__(self, _config: dict[str, Any]) -> None:
        self.calls: list[str] = []
        self.unreported: list[tuple[Any, int]] = []
        self.made.append(self)

    def _step(self, name: str, label: str | None = None) -> None:
        self.calls.append(label or name)
        failure = self.script[name].pop(0) if self.script.get(name) else None
        if failure is not None:
            raise failure

    def list_topics(self, *, timeout: float) -> None:
        """Connects; what comes of it shows in the next call."""
        del timeout

    def init_transactions(self, _timeout: float) -> None:
        self._step("init")

    def begin_transaction(self) -> None:
        self._step("begin")

    def produce(self, _topic: str, value: bytes, _key: bytes, *, on_delivery: Any, **_more: Any) -> None:
        self._step("produce", f"produce {value.decode()}")
        self.unreported.append((on_delivery, len(self.unreported)))

    def poll(self, _timeout: float) -> None:
        self._step("poll")

    def flush(self, _timeout: float) -> int:
        self._step("flush")
        while self.unreported and self.deliveries:
            on_delivery, offset = self.unreported.pop(0)
            on_delivery(self.deliveries.pop(0), Delivered(offset))
        return len(self.unreported)

    def send_offsets_to_transaction(self, offsets: Any, metadata: Any, _timeout: float) -> None:
        assert (offsets, metadata) == (OFFSETS, "metadata")
        self._step("offsets")

    def commit_transaction(self, _timeout: float) -> None:
        self._step("commit")

    def abort_transaction(self, _timeout: float) -> None:
        self._step("abort")

    def purge(self) -> None:
        self._step("purge")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[Client]:
    """The class of the clients that the producer makes, which do as they are told by default."""
    monkeypatch.setattr(module, "Producer", Client)
    monkeypatch.setattr(module, "_ABORT_S", 0.05)
    Client.script, Client.deliveries, Client.made = {}, [None, None], []
    return Client


@pytest.fixture
def producer(client: type[Client]) -> TransactionalProducer:  # noqa: ARG001 - it is made of it
    made = TransactionalProducer(Cluster(bootstrap="here"), "id")
    made.claim(10)
    return made


def write(producer: TransactionalProducer, timeout_s: float = 10) -> list[Position]:
    return producer.transaction(RECORDS, OFFSETS, "metadata", timeout_s=timeout_s)


def calls() -> list[str]:
    """What was asked of the first client, behind the claim."""
    assert Client.made[0].calls[0] == "init"
    return Client.made[0].calls[1:]


def raises(error: KafkaError) -> Exception:
    return KafkaException(error)


def test_the_steps_have_their_order(producer: TransactionalProducer) -> None:
    assert write(producer) == [Position("orders", 3, 0), Position("orders", 3, 1)]
    assert calls() == WRITTEN


def test_without_offsets_none_are_sent(producer: TransactionalProducer) -> None:
    producer.transaction(RECORDS, timeout_s=10)
    assert calls() == [step for step in WRITTEN if step != "offsets"]


@pytest.mark.parametrize("step", ["offsets", "commit"])
def test_a_step_that_failed_retriably_is_made_again(producer: TransactionalProducer, step: str) -> None:
    Client.script = {step: [raises(AGAIN), raises(AGAIN)]}
    assert len(write(producer)) == 2
    at = WRITTEN.index(step)
    assert calls() == [*WRITTEN[:at], step, step, *WRITTEN[at:]]


def test_a_claim_that_failed_retriably_is_made_again(client: type[Client]) -> None:
    client.script = {"init": [raises(AGAIN)]}
    TransactionalProducer(Cluster(bootstrap="here"), "id").claim(10)
    assert client.made[0].calls == ["init", "init"]


def test_an_abort_that_failed_retriably_is_made_again(producer: TransactionalProducer) -> None:
    Client.script = {"commit": [raises(ABORTABLE)], "abort": [raises(AGAIN)]}
    with pytest.raises(NotAcknowledged):
        write(producer)
    assert calls() == [*WRITTEN, "flush", "abort", "abort"]
    assert producer.claimed


@pytest.mark.parametrize("step", ["offsets", "commit"])
def test_a_step_that_fails_until_the_deadline_is_an_outage(
    producer: TransactionalProducer, step: str
) -> None:
    Client.script = {step: [raises(AGAIN)]}
    with pytest.raises(BrokerUnreachable, match="here"):
        write(producer, timeout_s=0)
    assert calls()[-2:] == ["flush", "abort"]


def test_a_claim_that_fails_until_the_deadline_is_an_outage_and_leaves_no_client(
    client: type[Client],
) -> None:
    client.script = {"init": [raises(AGAIN)]}
    producer = TransactionalProducer(Cluster(bootstrap="here"), "id")
    with pytest.raises(BrokerUnreachable):
        producer.claim(0)
    assert not producer.claimed
    producer.claim(10)
    assert [made.calls for made in client.made] == [["init", "purge", "flush"], ["init"]]


def test_a_full_queue_is_waited_out(producer: TransactionalProducer) -> None:
    Client.script = {"produce": [BufferError(), BufferError()]}
    assert len(write(producer)) == 2
    assert calls()[:6] == ["begin", "produce a", "poll", "produce a", "poll", "produce a"]


def test_a_queue_that_stays_full_is_an_outage(producer: TransactionalProducer) -> None:
    Client.script = {"produce": [BufferError()]}
    with pytest.raises(BrokerUnreachable):
        write(producer, timeout_s=0)
    assert calls() == ["begin", "produce a", "flush", "abort"]


def test_records_without_a_report_are_not_committed(producer: TransactionalProducer) -> None:
    Client.deliveries = [None]
    with pytest.raises(BrokerUnreachable):
        write(producer, timeout_s=0)
    assert "commit" not in calls()
    assert "abort" in calls()


def test_a_record_that_was_not_delivered_is_not_committed(producer: TransactionalProducer) -> None:
    Client.deliveries = [None, KafkaError(KafkaError.NOT_ENOUGH_REPLICAS)]
    with pytest.raises(NotAcknowledged, match="replicas"):
        write(producer)
    assert calls() == ["begin", "produce a", "produce b", "flush", "flush", "abort"]


def test_a_record_that_the_client_refuses_is_named_and_the_others_are_tried(
    producer: TransactionalProducer,
) -> None:
    Client.script = {"produce": [raises(TOO_LARGE)]}
    with pytest.raises(RecordsRefused) as refused:
        write(producer)
    assert refused.value.errors == {0: TOO_LARGE}
    assert calls() == ["begin", "produce a", "produce b", "flush", "flush", "abort"]


def test_a_record_that_the_broker_refuses_is_named(producer: TransactionalProducer) -> None:
    Client.deliveries = [KafkaError(KafkaError.NOT_ENOUGH_REPLICAS), TOO_LARGE]
    with pytest.raises(RecordsRefused) as refused:
        write(producer)
    assert refused.value.errors == {1: TOO_LARGE}


def test_a_call_that_says_little_leaves_the_word_to_the_delivery(producer: TransactionalProducer) -> None:
    Client.script = {"produce": [None, raises(KafkaError(STATE))]}
    Client.deliveries = [TOO_LARGE]
    with pytest.raises(RecordsRefused) as refused:
        write(producer)
    assert refused.value.errors == {0: TOO_LARGE}
    assert calls() == ["begin", "produce a", "produce b", "flush", "abort"]


def test_a_fatal_error_drops_the_client_without_an_abort(producer: TransactionalProducer) -> None:
    Client.script = {"commit": [raises(FENCED)]}
    with pytest.raises(Fenced, match="id"):
        write(producer)
    assert calls() == [*WRITTEN, "purge", "flush"]
    assert not producer.claimed
    with pytest.raises(BrokerUnreachable, match="not claimed"):
        write(producer)
    producer.claim(10)
    Client.deliveries = [None, None]
    assert len(write(producer)) == 2
    assert Client.made[1].calls == ["init", *WRITTEN]


def test_a_fatal_error_that_a_later_call_explains_is_known_for_what_it_is(
    producer: TransactionalProducer,
) -> None:
    Client.script = {"commit": [raises(KafkaError(FATAL))], "abort": [raises(FENCED)]}
    with pytest.raises(Fenced):
        write(producer)
    assert not producer.claimed


def test_an_abort_that_fails_drops_the_client_and_hides_nothing(producer: TransactionalProducer) -> None:
    Client.script = {
        "offsets": [raises(KafkaError(KafkaError.ILLEGAL_GENERATION))],
        "abort": [raises(FENCED)],
    }
    with pytest.raises(StaleBatch):
        write(producer)
    assert calls()[-3:] == ["abort", "purge", "flush"]
    assert not producer.claimed


def test_a_call_that_outlives_its_timeout_is_given_up_with_its_client(
    producer: TransactionalProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clients.errors._SHORTEST_STEP_S", 0.01)
    monkeypatch.setattr("clients.bounded_call._GRACE_S", 0.01)
    returns = threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(Client, "send_offsets_to_transaction", lambda *_: returns.wait(60))
        with pytest.raises(BrokerUnreachable, match="outlived"):
            write(producer, timeout_s=0)
    assert not producer.claimed
    producer.claim(10)
    Client.deliveries = [None, None]
    assert len(write(producer)) == 2
    returns.set()
    assert Client.made[0].calls == ["init", "begin", "produce a", "produce b", "flush"]
    assert Client.made[1].calls == ["init", *WRITTEN]


def test_what_is_no_client_error_is_handed_on_behind_an_abort(producer: TransactionalProducer) -> None:
    Client.script = {"flush": [KeyboardInterrupt()]}
    with pytest.raises(KeyboardInterrupt):
        write(producer)
    assert calls() == ["begin", "produce a", "produce b", "flush", "flush", "abort"]


def test_a_report_of_an_earlier_transaction_changes_nothing(producer: TransactionalProducer) -> None:
    Client.deliveries = []
    with pytest.raises(BrokerUnreachable):
        write(producer, timeout_s=0)
    Client.deliveries = [KafkaError(KafkaError.NOT_ENOUGH_REPLICAS)] * 2 + [None, None]
    assert len(write(producer)) == 2


def test_a_claim_replaces_a_client_that_had_claimed(producer: TransactionalProducer) -> None:
    producer.claim(10)
    assert [made.calls for made in Client.made] == [["init", "purge", "flush"], ["init"]]


def test_closing_may_be_repeated_and_hides_what_a_broken_client_says(producer: TransactionalProducer) -> None:
    Client.script = {"flush": [raises(FENCED)]}
    producer.close()
    producer.close()
    assert calls() == ["purge", "flush"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (KafkaError(KafkaError.INVALID_PRODUCER_EPOCH), Fenced),
        (KafkaError(KafkaError.UNKNOWN_MEMBER_ID), StaleBatch),
        (KafkaError(KafkaError.STALE_MEMBER_EPOCH), StaleBatch),
        (KafkaError(TIMED_OUT), BrokerUnreachable),
        (KafkaError(KafkaError.REQUEST_TIMED_OUT), BrokerUnreachable),
        (KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), TopicMissing),
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), NotAcknowledged),
    ],
)
def test_each_client_error_means_one_of_ours(
    producer: TransactionalProducer, error: KafkaError, kind: type[Exception]
) -> None:
    Client.script = {"offsets": [raises(error)]}
    with pytest.raises(kind):
        write(producer)
    assert producer.claimed


def callers(*calls: str) -> set[str]:
    root = Path(__file__).parents[2]
    return {source.module for source in sources(root) if any(call in source.text for call in calls)}


def test_no_other_module_calls_a_clients_transactions() -> None:
    assert callers(".begin_transaction", ".commit_transaction", ".abort_transaction") == {
        "clients.transactional"
    }


def test_no_other_module_asks_for_a_transactional_configuration_but_to_check_it() -> None:
    assert callers(".transactional_producer(") == {"clients.transactional", "clients.config_check"}
