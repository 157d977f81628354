"""The way of one batch, from bytes to committed offsets (design §7, point 3).

    decode -> decide -> store transaction -> deliveries -> Kafka transaction

Everything that can be done is done in the first pass; what failed and may work later is tried again in
others, and the Kafka transaction comes when all is settled. Whatever stops it between two arrows, the batch
comes again and ends the same: effects are found by their key, stored results are sent once more with the same
id, unless Kafka already has them.

I/O: through the inlet, the outlet, the store and the lanes that it is given.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from clients.errors import StaleBatch
from clients.log import Log
from consumers.runtime.batch import Batch
from consumers.runtime.committed import CommittedOffsets
from consumers.runtime.config import MemberConfig
from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.decide import DecisionRules, decide
from consumers.runtime.decoding import again, decoded
from consumers.runtime.delivery.outcomes import DeliveryOutcome, delivery_outcome
from consumers.runtime.delivery.pool import DeliveryPool
from consumers.runtime.failures.alarms import SERVICES
from consumers.runtime.failures.tracker import FailureTracker
from consumers.runtime.failures.unknown_schemas import PausePoint
from consumers.runtime.kafka.consumer import GroupConsumer
from consumers.runtime.kafka.polled import PolledRecords
from consumers.runtime.kafka.producer import ResultProducer
from consumers.runtime.plan import Plan
from consumers.runtime.reaction import Context, Reaction
from consumers.runtime.records import FailedRecord, Item, Partition
from consumers.runtime.results import ResultRenderer
from consumers.runtime.stores.failure_tables import failure_changes
from consumers.runtime.stores.store import EffectTaken, Identity, Store, StoreWrite
from schemas.codec import Codec
from schemas.errors import DependencyUnavailable, Unreachable
from schemas.times import now_ms, rfc3339

_REDECIDE = 20
_KEEP_ALIVE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a passage works with: one of each for the life of a member."""

    reaction: Reaction
    codec: Codec
    options: MemberConfig
    store: Store
    identity: Identity
    outlet: ResultProducer
    lanes: DeliveryPool
    troubles: FailureTracker


@dataclass(frozen=True, kw_only=True)
class Unsettled:
    """A batch is not settled yet.

    Attributes:
        at: when to go on, ms.
        outage: what it waits for, or None.
    """

    at: int
    outage: Unreachable | None


class BatchProcessor:
    """Carries batches through, for as long as one inlet lives.

    Args:
        tools: see `Resources`.
        inlet: where the batches come from, and where plain offsets go.
        sent_upto: see `CommittedOffsets`; shared with whoever begins partitions, and updated.
    """

    def __init__(self, tools: Resources, inlet: GroupConsumer, sent_upto: dict[Partition, int]) -> None:
        self._reaction = tools.reaction
        self._codec = tools.codec
        self._options = tools.options
        self._store = tools.store
        self._identity = tools.identity
        self._outlet = tools.outlet
        self._lanes = tools.lanes
        self._troubles = tools.troubles
        self._inlet = inlet
        self._sent = CommittedOffsets(inlet, sent_upto)
        self._answers = ResultRenderer(tools.reaction, tools.codec)
        self._policy = DecisionRules(
            reaction=tools.reaction,
            act_on_foreign=tools.options.act_on_foreign,
            render=self._answers.render,
            patience=tools.options.retry_policy,
        )
        self._log = Log(group=tools.reaction.name)

    def run(self, haul: Batch) -> Unsettled | None:
        """Carry a batch as far as it goes.

        Returns:
            None when it is settled and committed; else when to run it again.

        Raises:
            StaleBatch: the group moved on; nothing was committed.
            Unreachable: something is down; the same batch may be run again.
        """
        haul.todo = again(self._codec, haul.todo)
        if haul.fresh is not None:
            self._look(haul, haul.fresh)
        self._sent.refresh_if_uncertain(haul.positions)
        pending = self._pass(haul) if haul.todo else None
        if pending is not None:
            return pending
        if not haul.stored:
            self._write(Plan(), now_ms(), haul.positions)
            haul.stored = True
        self._commit(haul)
        return None

    def _look(self, haul: Batch, fresh: PolledRecords) -> None:
        """Decode what was read, and cut it where a partition has to stand still."""
        items = decoded(self._codec, fresh.records, fresh.broken)
        unknown_schemas = self._troubles.unknown_schemas
        cuts, moved = dict[Partition, PausePoint](), set[Partition]()
        if unknown_schemas.active or any(type(item) is FailedRecord for item in items):
            cuts, moved = unknown_schemas.inspect(items)
        haul.looked(items, cuts)
        for partition, cut in cuts.items():
            self._troubles.alarms.pause(partition, cut.reason)
            self._log.warning("unknown schema", partition=partition, offset=cut.offset, why=cut.reason)
        for partition in moved:
            self._troubles.alarms.resume(partition)

    def _pass(self, haul: Batch) -> Unsettled | None:
        at = now_ms()
        self._answers.at = rfc3339(at)
        todo = haul.todo
        plan = self._decided(haul, todo, at)
        after, outages = self._deliver(plan, haul, at)
        unsettled = {item.record.position for item in plan.waiting} | after.unsettled
        haul.todo = [item for item in todo if item.record.position in unsettled] if unsettled else []
        if not haul.todo:
            return None
        blocked = plan.blocked | after.plan.blocked
        return Unsettled(
            at=min(blocked.get(item.order_id or 0, 0) for item in haul.todo),
            outage=next(iter(outages.values()), None),
        )

    def _decided(self, haul: Batch, todo: list[Item], at: int) -> Plan:
        """Decide, and store what is decided."""
        context = Context(
            now=at,
            first_start_at=self._identity.created_at,
            clock_skew_ms=self._options.clock_skew_ms,
            notify_max_age_ms=self._options.notify_max_age_ms,
        )
        for _ in range(_REDECIDE):
            known = self._store.find_effects([each.order_id for each in todo if each.order_id is not None])
            deciding = partial(
                decide,
                todo,
                known,
                self._sent.upto,
                context,
                self._policy,
                attempts=self._troubles.attempts,
            )
            plan = self._lanes.run_beside(deciding, self._stay)
            # Before the write: what is stored from here on is in hand already.
            stored = self._store.results(self._sent.missing(plan.resends, haul)) if plan.resends else []
            settled = not plan.deliveries and not plan.waiting
            try:
                # What is only intended is not done: a crash must bring the record again.
                self._write(plan, at, haul.positions if settled else {})
            except EffectTaken:
                continue
            haul.stored = settled
            haul.results += stored
            self._gather(haul, plan)
            return plan
        raise DependencyUnavailable(f"other members took effects of this batch {_REDECIDE} times in a row")

    def _deliver(self, plan: Plan, haul: Batch, at: int) -> tuple[DeliveryOutcome, dict[str, Unreachable]]:
        if not plan.deliveries:
            return DeliveryOutcome(), {}
        report = self._lanes.run(plan.deliveries, self._stay, lambda where: where[:2] in self._inlet.owned)
        after = delivery_outcome(
            report,
            attempts=self._troubles.attempts,
            retry_policy=self._options.retry_policy,
            now=now_ms(),
        )
        settled = not plan.waiting and not after.unsettled
        self._write(after.plan, at, haul.positions if settled else {}, report.delivered, after.withdrawn)
        haul.stored = settled
        self._gather(haul, after.plan)
        self._tell(report.outages, report.answering)
        return after, report.outages

    def _write(
        self,
        plan: Plan,
        at: int,
        positions: dict[Partition, int],
        finished: Iterable[tuple[int, str]] = (),
        withdrawn: Iterable[tuple[int, str]] = (),
    ) -> None:
        passed = self._troubles.passed(self._sent.upto)
        self._store.write(
            StoreWrite(
                at=at,
                effects=plan.effects,
                shadows=plan.shadows,
                results=plan.results,
                positions=positions,
                results_upto=self._sent.upto,
                finished=[*finished],
                withdrawn=[*withdrawn],
                failures=failure_changes(plan, passed),
            )
        )
        self._troubles.forget(passed)
        self._troubles.remember(plan.failed_attempts)

    def _gather(self, haul: Batch, plan: Plan) -> None:
        """Keep what was stored until it is committed."""
        haul.results += plan.results
        haul.dead |= {each.record.position: each for each in plan.dead}
        haul.effects += len(plan.effects)
        haul.duplicates += plan.duplicates
        haul.discarded += plan.discarded
        for each in plan.dead:
            self._log.warning("dead letter", why=str(each.error), attempts=each.attempts)
        for setback in plan.failed_attempts:
            self._log.warning(
                "setback", where=str(setback.position), why=setback.reason, tried=setback.attempts.times
            )

    def _tell(self, outages: dict[str, Unreachable], worked: set[str]) -> None:
        alarms = self._troubles.alarms
        for channel, error in outages.items():
            if self._lanes.is_down(channel):
                alarms.down(channel, error)
        alarms.up(*(worked - outages.keys()))

    def _stay(self) -> None:
        self._inlet.poll_paused(_KEEP_ALIVE_S)

    def _commit(self, haul: Batch) -> None:
        positions = haul.positions
        if not positions.keys() <= self._inlet.owned_since(haul.reading.generation):
            raise StaleBatch("a partition of the batch was revoked")
        haul.dead = {where: each for where, each in haul.dead.items() if not self._sent.covers(where)}
        outgoing = [out for where, out in haul.results if not self._sent.covers(where)]
        outgoing += [dead_letter(each, self._reaction.name) for each in haul.dead.values()]
        if outgoing:
            with self._sent.uncertain():
                self._outlet.send(outgoing, self._inlet.offsets(positions), haul.reading.metadata)
        else:
            self._inlet.commit(positions)
        self._sent.upto.update(positions)
        for partition, cut in haul.cuts.items():
            self._inlet.pause_until(partition, cut.offset, self._options.schema_retry_s)
        self._troubles.alarms.up(*SERVICES)

    def settle(self) -> None:
        """With nothing in flight, pass what is no record: transaction markers take offsets too.

        Raises:
            Unreachable: the store or the coordinator is down; try again later.
        """
        ahead = {
            each: offset
            for each, offset in self._inlet.end_offsets.items()
            if offset > self._sent.upto.get(each, -1)
        }
        if not ahead:
            return
        try:
            self._write(Plan(), now_ms(), ahead)
            self._inlet.commit(ahead)
        except StaleBatch:
            return  # the rebalance is on its way; the next owner settles
        self._sent.upto.update(ahead)
        self._troubles.alarms.up(*SERVICES)
