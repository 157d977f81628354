"""What the failure of a transaction means to a group member, over a producer that is scripted."""

from types import SimpleNamespace
from typing import Any

import pytest

from clients.config import Cluster
from clients.errors import StaleBatch
from consumers.runtime.kafka import producer as module
from consumers.runtime.kafka.producer import ResultProducer
from schemas.errors import BrokerUnreachable, Fenced, NotAcknowledged, TopicMissing


class Transactions:
    """A transactional producer that fails as its script says; a failure may cost it its claim."""

    def __init__(self, _cluster: Cluster, _transactional_id: str, **_settings: object) -> None:
        self.claimed = False
        self.claims = 0
        self.written = 0
        self.failures: list[tuple[Exception, bool]] = []
        self.refuses_claims = False

    def claim(self, _timeout_s: float) -> None:
        if self.refuses_claims:
            raise BrokerUnreachable("nobody answers")
        self.claims += 1
        self.claimed = True

    def transaction(self, *_given: Any, timeout_s: float) -> None:
        assert self.claimed
        assert timeout_s > 0
        if self.failures:
            error, self.claimed = self.failures.pop(0)
            raise error
        self.written += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(module, "TransactionalProducer", Transactions)
    return made


@pytest.fixture
def producer(clock: SimpleNamespace) -> ResultProducer:  # noqa: ARG001 - it is made with it
    return ResultProducer(Cluster(bootstrap="here"), "id")


def transactions(producer: ResultProducer) -> Transactions:
    made = producer._producer
    assert isinstance(made, Transactions)
    return made


def fail(producer: ResultProducer, error: Exception, *, claimed: bool) -> None:
    transactions(producer).failures = [(error, claimed)]
    producer.send([], [], None)


@pytest.mark.parametrize("error", [BrokerUnreachable("x"), NotAcknowledged("x"), TopicMissing("x")])
@pytest.mark.parametrize("claimed", [True, False])
def test_whatever_stops_a_transaction_is_an_outage_and_the_id_is_held_again(
    producer: ResultProducer, error: Exception, *, claimed: bool
) -> None:
    with pytest.raises(BrokerUnreachable, match="aborted: x"):
        fail(producer, error, claimed=claimed)
    assert transactions(producer).claims == (1 if claimed else 2)
    producer.send([], [], None)
    assert transactions(producer).written == 1


@pytest.mark.parametrize("claimed", [True, False])
def test_a_stale_batch_is_reported_as_one_and_the_id_is_held_again(
    producer: ResultProducer, *, claimed: bool
) -> None:
    with pytest.raises(StaleBatch):
        fail(producer, StaleBatch("the group moved on"), claimed=claimed)
    assert transactions(producer).claimed


def test_a_transaction_that_the_broker_ended_makes_its_batch_stale(producer: ResultProducer) -> None:
    with pytest.raises(StaleBatch):
        fail(producer, Fenced("too late"), claimed=True)
    assert transactions(producer).claims == 1


def test_who_is_fenced_now_and_then_claims_again(producer: ResultProducer, clock: SimpleNamespace) -> None:
    for number in range(20):
        with pytest.raises(BrokerUnreachable, match="fenced"):
            fail(producer, Fenced("taken over"), claimed=False)
        assert transactions(producer).claims == number + 2
        clock.now += 8


def test_who_is_fenced_again_and_again_gives_in_to_the_other_copy_of_its_store(
    producer: ResultProducer, clock: SimpleNamespace
) -> None:
    for _ in range(4):
        with pytest.raises(BrokerUnreachable):
            fail(producer, Fenced("taken over"), claimed=False)
        clock.now += 7
    with pytest.raises(Fenced, match="two copies of one store"):
        fail(producer, Fenced("taken over"), claimed=False)
    assert not transactions(producer).claimed, "it does not fence the other one once more"


def test_who_could_not_claim_again_sends_nothing_before_it_was_asked_what_is_committed(
    producer: ResultProducer,
) -> None:
    transactions(producer).refuses_claims = True
    with pytest.raises(BrokerUnreachable, match="no transactions for id"):
        fail(producer, BrokerUnreachable("x"), claimed=False)
    with pytest.raises(BrokerUnreachable, match="no transactions for id"):
        producer.send([], [], None)
    transactions(producer).refuses_claims = False
    with pytest.raises(BrokerUnreachable, match="claimed again"):
        producer.send([], [], None)
    assert transactions(producer).written == 0
    producer.send([], [], None)
    assert transactions(producer).written == 1
