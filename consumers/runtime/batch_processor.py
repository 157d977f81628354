"""One step of the loop, from polled bytes to committed offsets (invariants 3 to 6).

    decode -> decide -> store transaction -> deliveries -> Kafka transaction

What a step handles are the records of one poll, the records that waited and are due, and deliveries that
ended. Everything that can be settled is settled at once. What waits is kept in the retry queue, holds back
later records of its order, and keeps the offset of its partition from being committed. Whatever stops a step
between two arrows, its batch comes again and ends the same: effects are found by their key, and stored
results are sent once more under the same id, unless Kafka already has them.

I/O: through the consumer, the producer, the store and the delivery pool that it is given.
"""

import sys
from collections.abc import Collection, Mapping
from functools import partial

from clients.errors import StaleBatch
from clients.records import ProducerRecord
from consumers.runtime.assigned import AssignedPartitions
from consumers.runtime.batch import Batch, Step
from consumers.runtime.batch_decoder import BatchDecoder
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.decide import DecisionRules
from consumers.runtime.decoding import decode_again
from consumers.runtime.delivery.outages import ChannelOutages
from consumers.runtime.delivery.outcomes import DeliveryOutcome, delivery_outcome
from consumers.runtime.delivery.results import DeliveryResults
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.offset_tracker import OffsetTracker
from consumers.runtime.plan import Plan
from consumers.runtime.reaction import Context
from consumers.runtime.records import Partition
from consumers.runtime.resources import Resources
from consumers.runtime.results import ResultRenderer
from consumers.runtime.retry_queue import UNTIL_DELIVERED, key_of
from consumers.runtime.step_decision import decision_of
from consumers.runtime.stores.batch_write import EffectTaken, StoreWrite
from consumers.runtime.stores.failure_tables import failure_changes
from consumers.runtime.timers import Timers
from schemas.errors import DependencyUnavailable, Position, Unreachable
from schemas.times import now_ms, rfc3339

_MAX_DECISIONS = 20
"""How often a batch is decided anew because other members took its effects meanwhile."""
MAX_IN_FLIGHT = 100
"""Most records with deliveries under way: a crash among them delivers no more than these once again."""
_KEEP_ALIVE_S = 0.05


class BatchProcessor:
    """Carries batches through, for as long as one consumer lives.

    Args:
        resources: see `Resources`.
        consumer: where the batches come from, and where plain offsets go.
        assigned: what is known of its partitions; updated.
        committed: what Kafka is known to have.
    """

    def __init__(
        self,
        resources: Resources,
        consumer: GroupConsumer,
        assigned: AssignedPartitions,
        committed: CommittedOffsets,
    ) -> None:
        self._reaction = resources.reaction
        self._codec = resources.codec
        self._config = resources.config
        self._store = resources.store
        self._clock = resources.clock
        self._producer = resources.producer
        self._pool = resources.pool
        self._failures = resources.failures
        self._events = resources.events
        self._consumer = consumer
        self._committed = committed
        self._renderer = ResultRenderer(resources.reaction, resources.codec)
        self._rules = DecisionRules(
            reaction=resources.reaction,
            act_on_foreign=resources.config.act_on_foreign,
            render=self._renderer.render,
            retry_policy=resources.config.retry_policy,
        )
        self._timers = Timers(
            resources.reaction, resources.codec, resources.store.states, lambda: consumer.owned
        )
        self._assigned = assigned
        self._decoder = BatchDecoder(resources, consumer, assigned)
        self._outages = ChannelOutages()

    @property
    def outage(self) -> Unreachable | None:
        """Why a channel is down for which records wait; None if none is."""
        return self._outages.first(any_waits=len(self._assigned.waiting) > 0)

    def process(self, batch: Batch) -> None:
        """Carry a batch through, and whatever is due.

        Raises:
            StaleBatch: the group moved on; nothing was committed.
            Unreachable: something is down; the same batch may be processed again.
        """
        if committed := self._committed.refresh_if_uncertain(self._assigned.tracker.partitions):
            is_behind = self._assigned.tracker.is_behind(committed)
            self._assigned.committed(committed)
            if is_behind:
                raise StaleBatch("records were read again that the group has committed")
        if not batch.stored:
            self._decoder.decode(batch)
            self._handle(batch)
            batch.stored = True
        self._commit(batch)

    def record_deliveries(self, results: DeliveryResults) -> None:
        """Store which deliveries are done, and nothing else: the end of a session.

        Raises:
            Unreachable: the store is down; they are made again.
        """
        if results.delivered:
            done, records = results.delivered, results.result_records
            self._store.write(StoreWrite(at=now_ms(), finished=done, results=records))
        self._pool.recorded(results)

    def _handle(self, batch: Batch) -> None:
        """Decide and store, let wait what is not settled, and begin deliveries."""
        at = now_ms()
        self._renderer.at = rfc3339(at)
        step = self._step(batch, at)
        # Transaction markers take offsets too: what was read to its end is passed up to there.
        next_offsets = batch.next_offsets | self._consumer.end_offsets
        ended = step.results.positions
        if not (step.ready or step.held or ended or self._assigned.tracker.is_behind(next_offsets)):
            return
        self._store_step(step, next_offsets, at)
        self._pool.recorded(step.results)
        self._pool.submit(step.plan.deliveries, partial(self._is_owned, self._assigned.generation))
        self._report(step, batch)

    def _step(self, batch: Batch, at: int) -> Step:
        waiting, in_flight = self._assigned.waiting, {*self._pool.in_flight}
        due = waiting.due(at, self._most_retries(batch, in_flight))
        # Whatever else became of such an order, it is due when the deliveries under way have ended.
        delivering = {key_of(item) for item in due if item.record.position in in_flight}
        waiting.wait(dict.fromkeys(delivering, UNTIL_DELIVERED))
        due = decode_again(self._codec, [item for item in due if key_of(item) not in delivering])
        batch.retried = len(due)
        ready, held = waiting.split(batch.items or [], due, in_flight)
        results, ended = batch.delivered, batch.delivered.positions & self._assigned.delivering
        outcome = self._outcome(results.of(ended))
        return Step(
            ready=ready, held=held, in_flight=in_flight, results=results, ended=ended, outcome=outcome
        )

    def _most_retries(self, batch: Batch, in_flight: Collection[Position]) -> int:
        """Of how many orders records may be tried again, so that no more is in flight than may be."""
        if not self._reaction.channels:
            return sys.maxsize
        under_way = len(in_flight) - len(batch.delivered.positions)
        return max(0, MAX_IN_FLIGHT - under_way - len(batch.items or ()))

    def _outcome(self, results: DeliveryResults) -> DeliveryOutcome:
        """What becomes of records whose deliveries did not all succeed."""
        if not results.failed and not results.remaining:
            return DeliveryOutcome()
        return delivery_outcome(
            results, attempts=self._failures.attempts, retry_policy=self._config.retry_policy, now=now_ms()
        )

    def _store_step(self, step: Step, next_offsets: Mapping[Partition, int], at: int) -> None:
        """Decide, and store what is decided together with how deliveries ended."""
        context = self._config.context(
            now=at, first_start_at=self._clock.first_start_at, clock_offset_ms=self._clock.offset_ms
        )
        for _ in range(_MAX_DECISIONS):
            step.plan = self._decide(step, context)
            # Before the write: results that are stored from here on are new here (invariant 6).
            resends = self._missing_results(step.plan)
            waits = [item.record.position for item in step.waiting()]
            tracker = self._assigned.tracker.after(next_offsets, settled=step.settled(), unsettled=waits)
            try:
                self._write(step, at, tracker)
            except EffectTaken:
                continue  # invariant 1
            dead_letters = [
                (dead.record.position, dead_letter(dead, self._reaction.name))
                for dead in step.plan.dead + step.outcome.plan.dead
            ]
            answered = step.results.of(step.ended).result_records
            self._assigned.stored(step, tracker, resends + step.plan.results + answered + dead_letters)
            return
        raise DependencyUnavailable(
            f"other members took effects of this batch {_MAX_DECISIONS} times in a row"
        )

    def _decide(self, step: Step, context: Context) -> Plan:
        decision = decision_of(
            step,
            context,
            store=self._store,
            rules=self._rules,
            results_upto=self._committed.upto,
            attempts=self._failures.attempts,
        )
        return self._pool.run_beside(decision, self._keep_alive)

    def _missing_results(self, plan: Plan) -> list[tuple[Position, ProducerRecord]]:
        if not plan.resends:
            return []
        return self._store.results(self._committed.missing(plan.resends, self._assigned.unsent))

    def _write(self, step: Step, at: int, tracker: OffsetTracker) -> None:
        if not self._assigned.current:
            # Another member may have settled these records since they were looked up (invariant 4).
            raise StaleBatch("the group was rebalanced while the batch was decided")
        stored = self._assigned.tracker.lowest_unsettled()
        passed = self._failures.passed(self._committed.upto)
        failed_attempts = step.plan.failed_attempts + step.outcome.plan.failed_attempts
        self._store.write(
            StoreWrite(
                at=at,
                effects=step.plan.effects,
                changed=step.plan.changed,
                states=step.plan.states,
                timers=step.plan.timers,
                shadows=step.plan.shadows,
                # Results come with the end of the deliveries, in the same transaction (invariant 11).
                results=step.plan.results + step.results.result_records,
                # An effect that is only intended is not done: its record waits, and after a crash it comes
                # again (invariants 5 and 11).
                positions={
                    partition: offset
                    for partition, offset in tracker.lowest_unsettled().items()
                    if offset > stored[partition]
                },
                results_upto=self._committed.upto,
                finished=step.results.delivered,
                withdrawn=step.outcome.withdrawn,
                failures=failure_changes(failed_attempts, passed),
            )
        )
        self._failures.forget(passed)
        self._failures.remember(failed_attempts)

    def _report(self, step: Step, batch: Batch) -> None:
        plan, outcome, results = step.plan, step.outcome, step.results
        batch.effects, batch.dead = len(plan.effects), len(plan.dead) + len(outcome.plan.dead)
        batch.duplicates, batch.discarded = plan.duplicates, plan.discarded
        self._events.unread_expiries(plan.unread_expiries)
        for dead in plan.dead + outcome.plan.dead:
            self._events.dead_letter(dead)
        for failed in plan.failed_attempts + outcome.plan.failed_attempts:
            self._events.failed(failed)
        if results.positions:
            answered = self._outages.note(results)
            down = {name: error for name, error in results.outages.items() if self._pool.is_down(name)}
            self._events.channels(down, answered)

    def _keep_alive(self) -> None:
        """Stay in the group (invariant 13)."""
        self._consumer.poll_paused(_KEEP_ALIVE_S)

    def _is_owned(self, generation: int, position: Position) -> bool:
        """Whether a delivery that was begun in a generation may still be made; for any thread.

        Where its partition went and came back, another member may have made it.
        """
        return self._consumer.owns_since(position.topic_partition, generation)

    def _commit(self, batch: Batch) -> None:
        """Send what Kafka is owed, with its offsets; the store has all of it (invariant 3)."""
        offsets, timers = self._assigned.tracker.to_commit(), self._timers.due()
        if not offsets and not timers:
            return
        if not self._assigned.current:
            raise StaleBatch("the group was rebalanced meanwhile")  # invariant 4
        records = self._committed.not_in_log(self._assigned.unsent.below(offsets, self._committed.upto))
        records += [timer.record for timer in timers]
        with self._committed.uncertain():
            if records:
                self._producer.send(records, self._consumer.offsets(offsets), batch.polled.metadata)
            else:
                self._consumer.commit(offsets)
        self._committed.advance(offsets)
        self._assigned.committed(offsets)
        if timers:
            self._store.write(StoreWrite(at=now_ms(), fired=[timer.timer for timer in timers]))
        self._events.services_up()
