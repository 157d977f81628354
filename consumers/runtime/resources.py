"""What a session works with, opened once and closed by the member."""

from dataclasses import dataclass

from consumers.runtime.clock import MemberClock
from consumers.runtime.config import MemberConfig
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.events import MemberEvents
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.kafka.producer import ResultProducer
from consumers.runtime.reaction import AnyReaction
from consumers.runtime.stores.store import Identity, Store
from schemas.codec import Codec


@dataclass(frozen=True, kw_only=True)
class Resources:
    """One of each, for the life of a session.

    Attributes:
        reaction: whose group it is.
        codec: reads messages and writes results.
        config: how the member runs.
        store: the group's store.
        identity: of that store.
        producer: sends results, dead letters and offsets.
        pool: makes deliveries.
        failures: what is remembered of failed records.
        events: reports what happens to the member.
        clock: compares this machine's with the broker's.
    """

    reaction: AnyReaction
    codec: Codec
    config: MemberConfig
    store: Store
    identity: Identity
    producer: ResultProducer
    pool: DeliveryPool
    failures: FailureTracker
    events: MemberEvents
    clock: MemberClock
