"""The way of one batch, from bytes to committed offsets (invariants 3 to 6).

    decode -> decide -> store transaction -> deliveries -> Kafka transaction

The first pass does everything that can be done. What failed and may work later is tried again in further
passes, and the Kafka transaction comes when all is settled. Whatever stops a batch between two arrows, it
comes again and ends the same: effects are found by their key, and stored results are sent once more under the
same id, unless Kafka already has them.

I/O: through the consumer, the producer, the store and the delivery pool that it is given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from clients.errors import StaleBatch
from consumers.runtime.batch import Batch
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.decide import DecisionRules, decide
from consumers.runtime.decoding import decode, decode_again
from consumers.runtime.delivery.outcomes import DeliveryOutcome, delivery_outcome
from consumers.runtime.delivery.pool import DeliveryResults
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.plan import Plan
from consumers.runtime.reaction import Context
from consumers.runtime.records import Item, Partition
from consumers.runtime.resources import Resources
from consumers.runtime.results import ResultRenderer
from consumers.runtime.stores.batch_write import StoreWrite
from consumers.runtime.stores.failure_tables import failure_changes
from consumers.runtime.stores.store import EffectTaken
from schemas.errors import DependencyUnavailable, Position, Unreachable
from schemas.times import now_ms, rfc3339

_MAX_DECISIONS = 20
"""How often a batch is decided anew because other members took its effects meanwhile."""
_KEEP_ALIVE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Unsettled:
    """A batch is not settled yet.

    Attributes:
        at: when to process it again, ms since the epoch.
        outage: the channel that is down, or None.
    """

    at: int
    outage: Unreachable | None


class BatchProcessor:
    """Carries batches through, for as long as one consumer lives.

    Args:
        resources: see `Resources`.
        consumer: where the batches come from, and where plain offsets go.
        committed: what Kafka is known to have.
    """

    def __init__(self, resources: Resources, consumer: GroupConsumer, committed: CommittedOffsets) -> None:
        self._reaction = resources.reaction
        self._codec = resources.codec
        self._config = resources.config
        self._store = resources.store
        self._clock = resources.clock
        self._producer = resources.producer
        self._pool = resources.pool
        self._failures = resources.failures
        self._consumer = consumer
        self._committed = committed
        self._renderer = ResultRenderer(resources.reaction, resources.codec)
        self._rules = DecisionRules(
            reaction=resources.reaction,
            act_on_foreign=resources.config.act_on_foreign,
            render=self._renderer.render,
            retry_policy=resources.config.retry_policy,
        )
        self._events = resources.events

    def process(self, batch: Batch) -> Unsettled | None:
        """Carry a batch as far as it goes.

        Returns:
            None when it is settled and committed; else when to process it again.

        Raises:
            StaleBatch: the group moved on; nothing was committed.
            Unreachable: something is down; the same batch may be processed again.
        """
        batch.unsettled = decode_again(self._codec, batch.unsettled)
        if batch.undecoded is not None:
            self._decode(batch, batch.undecoded)
        self._committed.refresh_if_uncertain(batch.next_offsets)
        unsettled = self._process_once(batch) if batch.unsettled else None
        if unsettled is not None:
            return unsettled
        if not batch.stored:
            self._write(Plan(), now_ms(), batch.next_offsets)
            batch.stored = True
        self._commit(batch)
        return None

    def _decode(self, batch: Batch, polled: PolledRecords) -> None:
        """Decode what was polled, and leave alone what lies behind an unknown schema."""
        items = decode(self._codec, polled.records, polled.broken)
        pauses, resumed = self._failures.unknown_schemas.inspect(items)
        batch.add_decoded(items, pauses)
        for partition, pause in pauses.items():
            self._events.paused(partition, pause.offset, pause.reason)
        for partition in resumed:
            self._events.resumed(partition)

    def _process_once(self, batch: Batch) -> Unsettled | None:
        """One pass: decide, store, deliver; what is left comes in another pass."""
        at = now_ms()
        self._renderer.at = rfc3339(at)
        plan = self._decide(batch, at)
        outcome, outages = self._deliver(batch, plan, at)
        left = {item.record.position for item in plan.waiting} | outcome.unsettled
        batch.unsettled = [item for item in batch.unsettled if item.record.position in left] if left else []
        if not batch.unsettled:
            return None
        blocked = plan.blocked | outcome.plan.blocked
        return Unsettled(
            at=min(_retry_at(item, blocked) for item in batch.unsettled),
            outage=next(iter(outages.values()), None),
        )

    def _decide(self, batch: Batch, at: int) -> Plan:
        """Decide, and store what is decided."""
        context = Context(
            now=at,
            first_start_at=self._clock.first_start_at,
            clock_skew_ms=self._config.clock_skew_ms,
            notify_max_age_ms=self._config.notify_max_age_ms,
            clock_offset_ms=self._clock.offset_ms,
        )
        items, order_ids = batch.unsettled, [item.order_id for item in batch.unsettled]
        for _ in range(_MAX_DECISIONS):
            effects = self._store.find_effects(order_id for order_id in order_ids if order_id is not None)
            decision = partial(
                decide,
                items,
                effects,
                self._committed.upto,
                context,
                self._rules,
                attempts=self._failures.attempts,
            )
            plan = self._pool.run_beside(decision, self._keep_alive)
            # Before the write: results that are stored from here on are in the batch already (invariant 6).
            resends = (
                self._store.results(self._committed.missing(plan.resends, batch)) if plan.resends else []
            )
            settled = not plan.deliveries and not plan.waiting
            try:
                # An effect that is only intended is not done: after a crash the record must come again, so
                # its offset is not stored yet (invariants 5 and 11).
                self._write(plan, at, batch.next_offsets if settled else {})
            except EffectTaken:
                continue  # invariant 1
            batch.stored = settled
            batch.results += resends
            self._collect(batch, plan)
            return plan
        raise DependencyUnavailable(
            f"other members took effects of this batch {_MAX_DECISIONS} times in a row"
        )

    def _deliver(self, batch: Batch, plan: Plan, at: int) -> tuple[DeliveryOutcome, dict[str, Unreachable]]:
        if not plan.deliveries:
            return DeliveryOutcome(), {}
        results = self._pool.run(plan.deliveries, self._keep_alive, self._is_owned)
        outcome = delivery_outcome(
            results,
            attempts=self._failures.attempts,
            retry_policy=self._config.retry_policy,
            now=now_ms(),
        )
        settled = not plan.waiting and not outcome.unsettled
        next_offsets = batch.next_offsets if settled else {}
        self._write(outcome.plan, at, next_offsets, results.delivered, outcome.withdrawn)
        batch.stored = settled
        self._collect(batch, outcome.plan)
        self._report_channels(results)
        return outcome, results.outages

    def _write(
        self,
        plan: Plan,
        at: int,
        next_offsets: dict[Partition, int],
        finished: Iterable[tuple[int, str]] = (),
        withdrawn: Iterable[tuple[int, str]] = (),
    ) -> None:
        passed = self._failures.passed(self._committed.upto)
        self._store.write(
            StoreWrite(
                at=at,
                effects=plan.effects,
                shadows=plan.shadows,
                results=plan.results,
                positions=next_offsets,
                results_upto=self._committed.upto,
                finished=[*finished],
                withdrawn=[*withdrawn],
                failures=failure_changes(plan, passed),
            )
        )
        self._failures.forget(passed)
        self._failures.remember(plan.failed_attempts)

    def _collect(self, batch: Batch, plan: Plan) -> None:
        batch.add_stored(plan)
        self._events.unread_expiries(plan.unread_expiries)
        for dead in plan.dead:
            self._events.dead_letter(dead)
        for failed in plan.failed_attempts:
            self._events.failed(failed)

    def _report_channels(self, results: DeliveryResults) -> None:
        down = {name: error for name, error in results.outages.items() if self._pool.is_down(name)}
        self._events.channels(down, results.answering - results.outages.keys())

    def _keep_alive(self) -> None:
        """Stay in the group (invariant 13)."""
        self._consumer.poll_paused(_KEEP_ALIVE_S)

    def _is_owned(self, position: Position) -> bool:
        return position.topic_partition in self._consumer.owned

    def _commit(self, batch: Batch) -> None:
        """Send what the batch owes Kafka, with its offsets; the store has all of it (invariant 3)."""
        next_offsets = batch.next_offsets
        if not next_offsets.keys() <= self._consumer.owned_since(batch.polled.generation):
            raise StaleBatch("a partition of the batch was revoked")  # invariant 4
        covers = self._committed.covers
        batch.dead = {position: dead for position, dead in batch.dead.items() if not covers(position)}
        owed = [(position, record) for position, record in batch.results if not covers(position)]
        name = self._reaction.name
        owed += [(position, dead_letter(dead, name)) for position, dead in batch.dead.items()]
        records = self._committed.unsent(owed)
        if records:
            with self._committed.uncertain():
                self._producer.send(records, self._consumer.offsets(next_offsets), batch.polled.metadata)
        else:
            self._consumer.commit(next_offsets)
        self._committed.advance(next_offsets)
        for partition, pause in batch.pauses.items():
            self._consumer.pause_until(partition, pause.offset, self._config.schema_retry_s)
        self._events.services_up()

    def commit_end_offsets(self) -> None:
        """With nothing in flight, commit past what is no record: transaction markers take offsets too.

        Raises:
            Unreachable: the store or the coordinator is down; try again later.
        """
        ahead = {
            partition: offset
            for partition, offset in self._consumer.end_offsets.items()
            if offset > self._committed.upto.get(partition, -1)
        }
        if not ahead:
            return
        try:
            self._write(Plan(), now_ms(), ahead)
            self._consumer.commit(ahead)
        except StaleBatch:
            return  # the rebalance is on its way; the next owner commits
        self._committed.advance(ahead)
        self._events.services_up()


def _retry_at(item: Item, blocked: Mapping[int, int]) -> int:
    return 0 if item.order_id is None else blocked.get(item.order_id, 0)
