"""The way of one batch, from bytes to committed offsets (design §7, point 3).

    decode -> decide -> store transaction -> deliveries -> Kafka transaction

Whatever stops it between two arrows, the batch comes again and ends the same: effects are found by their
key, stored results are sent once more with the same id, unless Kafka already has them.

I/O: through the inlet, the outlet, the store and the lanes that it is given.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from consumers.runtime.answers import Answers
from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.decide import Policy, decide
from consumers.runtime.inlet import Inlet, StaleBatch
from consumers.runtime.lanes import Lanes, Report
from consumers.runtime.options import Options
from consumers.runtime.outlet import Outlet
from consumers.runtime.reaction import Context, Reaction
from consumers.runtime.reading import Reading
from consumers.runtime.stores.sql import Batch, EffectTaken, Identity, Store
from consumers.runtime.work import Dead, Decoded, Errand, Outgoing, Partition, Plan, Record
from schemas.codec import Codec
from schemas.envelope import from_headers
from schemas.errors import DependencyDown, Position, RecordError, Undeliverable
from schemas.times import now_ms, rfc3339
from schemas.topics import BY_NAME

_REDECIDE = 20


class Done(NamedTuple):
    """What a batch came to, in numbers."""

    effects: int
    dead: int
    duplicates: int


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a passage works with: one of each for the life of a member."""

    reaction: Reaction
    codec: Codec
    options: Options
    store: Store
    identity: Identity
    outlet: Outlet
    lanes: Lanes


class Passage:
    """Carries batches through, for as long as one inlet lives.

    Args:
        tools: see `Tools`.
        inlet: where the batches come from, and where plain offsets go.
        sent_upto: per partition, the offset below which results are known to be in Kafka; shared with
            whoever begins partitions, and updated.
    """

    def __init__(self, tools: Tools, inlet: Inlet, sent_upto: dict[Partition, int]) -> None:
        self._reaction = tools.reaction
        self._codec = tools.codec
        self._options = tools.options
        self._store = tools.store
        self._identity = tools.identity
        self._outlet = tools.outlet
        self._lanes = tools.lanes
        self._inlet = inlet
        self._sent_upto = sent_upto
        self._doubtful = False
        self._answers = Answers(tools.reaction, tools.codec)
        self._policy = Policy(
            reaction=tools.reaction, act_on_foreign=tools.options.act_on_foreign, render=self._answers.render
        )
        self._log = structlog.get_logger().bind(group=tools.reaction.name)

    def run(self, reading: Reading, positions: dict[Partition, int]) -> Done:
        """Carry one batch through.

        Args:
            reading: its records.
            positions: per partition, the offset to commit when they are done.

        Raises:
            StaleBatch: the group moved on; nothing was committed.
            Unreachable: something is down; the same batch may be run again.
        """
        if self._doubtful:
            self._ask_what_was_sent(positions)
            self._doubtful = False
        at = now_ms()
        self._answers.at = rfc3339(at)
        batch, dead = self._decode(reading)
        plan = self._store_plan(batch, positions, at)
        report = self._deliver(plan.errands, positions, at)
        dead += plan.dead
        dead += [each for _, each in report.refused]
        dead = [each for each in dead if not self._sent(each.record.position)]
        outgoing = [out for _, out in plan.results]
        outgoing += [out for _, out in self._store.results(self._unsent(plan.replays))]
        outgoing += [dead_letter(each, self._reaction.name) for each in dead]
        self._commit(outgoing, positions, reading)
        for each in dead:
            self._log.warning("dead letter", why=str(each.error))
        return Done(len(plan.effects), len(dead), plan.duplicates)

    def _decode(self, reading: Reading) -> tuple[list[Decoded], list[Dead]]:
        decoded: list[Decoded] = []
        dead = [
            Dead(Record(where, self._source(where.topic), 0, None, None, None), Undeliverable(words, where))
            for where, words in reading.broken
        ]
        decode = self._codec.decode
        for record in reading.records:
            where = record.position
            try:
                message = decode(record.source, record.key, record.value, where)
            except RecordError as error:
                dead.append(Dead(record, error))
                continue
            order_id: int = message[0]  # the first field of every message is what its key says
            envelope = from_headers(record.headers, order_id=order_id, where=where)
            decoded.append(Decoded(record, order_id, message, envelope))
        return decoded, dead

    def _source(self, topic: str) -> str:
        return topic if topic in BY_NAME else topic.split(".")[1]

    def _store_plan(self, batch: list[Decoded], positions: dict[Partition, int], at: int) -> Plan:
        context = Context(
            now=at,
            first_start_at=self._identity.created_at,
            clock_skew_ms=self._options.clock_skew_ms,
            notify_max_age_ms=self._options.notify_max_age_ms,
        )
        for _ in range(_REDECIDE):
            known = self._store.known([each.order_id for each in batch])
            plan = decide(batch, known, self._sent_upto, context, self._policy)
            done = not plan.errands
            try:
                self._store.write(
                    Batch(
                        at=at,
                        effects=plan.effects,
                        shadows=plan.shadows,
                        results=plan.results,
                        # What is only intended is not done: a crash must bring the record again.
                        positions=positions if done else {},
                        results_upto=self._sent_upto,
                    )
                )
            except EffectTaken:
                continue
            return plan
        raise DependencyDown(f"other members took effects of this batch {_REDECIDE} times in a row")

    def _deliver(self, errands: list[Errand], positions: dict[Partition, int], at: int) -> Report:
        if not errands:
            return Report()
        report = self._lanes.run(errands, lambda: self._inlet.keep_alive(0.05))
        if report.outage is not None:
            self._store.write(Batch(at=at, finished=report.done))
            raise report.outage
        refused = [(errand.order_id, errand.effect) for errand, _ in report.refused]
        self._store.write(
            Batch(
                at=at,
                finished=report.done,
                withdrawn=refused,
                positions=positions,
                results_upto=self._sent_upto,
            )
        )
        return report

    def _unsent(self, replays: list[Position]) -> list[Position]:
        """Positions whose results Kafka does not have, asked of Kafka itself.

        A member that was stopped and went on may hold records that another one has finished meanwhile; its
        own memory of what was sent is then too old.
        """
        if not replays:
            return []
        self._ask_what_was_sent({where[:2] for where in replays})
        return [where for where in replays if not self._sent(where)]

    def _ask_what_was_sent(self, partitions: Iterable[Partition]) -> None:
        for each, committed in self._inlet.committed(partitions).items():
            if committed is not None:
                self._sent_upto[each] = max(self._sent_upto.get(each, 0), committed.offset)

    def _sent(self, where: Position) -> bool:
        return where.offset < self._sent_upto.get(where[:2], 0)

    def _commit(self, outgoing: list[Outgoing], positions: dict[Partition, int], reading: Reading) -> None:
        if not positions.keys() <= self._inlet.held(reading.rebalances):
            raise StaleBatch("a partition of the batch was revoked")
        if outgoing:
            # Whether a transaction that fails here was committed all the same, only Kafka knows.
            self._doubtful = True
            self._outlet.send(outgoing, self._inlet.offsets(positions), reading.metadata)
            self._doubtful = False
        else:
            self._inlet.commit(positions)
        self._sent_upto.update(positions)

    def settle(self) -> None:
        """With nothing in flight, pass what is no record: transaction markers take offsets too.

        Raises:
            Unreachable: the store or the coordinator is down; try again later.
        """
        ahead = {
            each: offset
            for each, offset in self._inlet.ends.items()
            if offset > self._sent_upto.get(each, -1)
        }
        if not ahead:
            return
        try:
            self._store.write(Batch(at=now_ms(), positions=ahead, results_upto=self._sent_upto))
            self._inlet.commit(ahead)
        except StaleBatch:
            return  # the rebalance is on its way; the next owner settles
        self._sent_upto.update(ahead)
