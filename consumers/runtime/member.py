"""One member of a group: the way of a batch, from bytes to committed offsets (design §7, point 3).

    read -> decode -> decide -> store transaction -> deliveries -> Kafka transaction

Whatever stops it between two arrows, the batch comes again and ends the same: effects are found by their
key, stored results are sent once more with the same id, unless Kafka already has them.

I/O: through the inlet, the outlet, the store and the channels that it is given.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event

import structlog

from broker.client import Cluster
from consumers.runtime import assignment
from consumers.runtime.answers import Answers
from consumers.runtime.dead_letters import dead_letter
from consumers.runtime.decide import Policy, decide
from consumers.runtime.inlet import Inlet, Reading, StaleBatch
from consumers.runtime.lanes import Channel, Lanes, Report
from consumers.runtime.outlet import Outlet
from consumers.runtime.pulse import Pulse
from consumers.runtime.reaction import Context, Reaction, Start
from consumers.runtime.stores.sql import Batch, EffectTaken, Identity, Store
from consumers.runtime.work import Dead, Decoded, Errand, Outgoing, Partition, Plan, Record
from schemas.codec import Codec
from schemas.envelope import from_headers
from schemas.errors import NotTheOwner, Position, RecordError, Undeliverable, Unreachable
from schemas.times import now_ms, rfc3339
from schemas.topics import BY_NAME, Kind, retries

POLL_S = 0.2
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 15.0
_REDECIDE = 20
_REJOIN_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a member runs.

    Attributes:
        batch: most records of one batch.
        workers: lanes for deliveries.
        start: overrides the registry's start at the very first start; None leaves it.
        clock_skew_ms, notify_max_age_ms: see `Context`.
        act_on_foreign: see `Policy`.
    """

    batch: int = 2_000
    workers: int = 4
    start: Start | None = None
    clock_skew_ms: int = 5_000
    notify_max_age_ms: int = 86_400_000
    act_on_foreign: bool = False


class Member:
    """A consumer group member, run by one thread.

    Args:
        reaction: what it does.
        cluster: where.
        codec: reads messages and writes results.
        store_url: SQLAlchemy address of the group's store.
        channels: ways to the outside, by name.
        options: see `Options`.
        pulse: where it reports how it is; read by health checks and the command line.
        stopping: set by others to end the run after the batch at hand.
    """

    def __init__(
        self,
        reaction: Reaction,
        *,
        cluster: Cluster,
        codec: Codec,
        store_url: str,
        channels: Mapping[str, Channel],
        options: Options,
        pulse: Pulse,
        stopping: Event,
    ) -> None:
        check_owner(reaction)
        self._reaction = reaction
        self._cluster = cluster
        self._codec = codec
        self._store_url = store_url
        self._options = options
        self._pulse = pulse
        self._stopping = stopping
        self._lanes = Lanes(reaction.name, channels, options.workers)
        self._answers = Answers(reaction, codec)
        self._policy = Policy(
            reaction=reaction, act_on_foreign=options.act_on_foreign, render=self._answers.render
        )
        self._sent_upto: dict[Partition, int] = {}
        self._log = structlog.get_logger().bind(group=reaction.name)

    def run(self) -> None:
        """Join, work until told to stop, leave.

        Raises:
            CommandEventError: why the group had to stop.
        """
        self._store = Store(self._store_url, self._reaction.name)
        try:
            self._inlet = self._new_inlet()
            self._identity: Identity = self._store.identity(self._inlet.cluster_id(), now_ms())
            slot = self._store.claim_slot()
            self._outlet = Outlet(self._cluster, f"cev-{self._reaction.name}-{self._identity.id[:12]}-{slot}")
            self._pulse.opened(self._identity.id, slot)
            self._join()
            try:
                self._loop()
            finally:
                self._inlet.close()
                self._outlet.close()
        finally:
            self._lanes.close()
            self._store.close()

    def _new_inlet(self) -> Inlet:
        sources = {topic: topic for topic in self._reaction.reads}
        sources |= {retries(self._reaction.name, topic): topic for topic in self._reaction.reads}
        return Inlet(self._cluster, self._reaction.name, sources, self._begin)

    def _join(self) -> None:
        self._inlet.store = self._identity.id
        self._inlet.subscribe()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except Unreachable as error:
                # An assignment that could not begin is given back: leave, wait, join again.
                self._pulse.outage(str(error))
                self._log.warning("joining again", why=str(error))
                self._inlet.close()
                self._stopping.wait(_REJOIN_S)
                self._inlet = self._new_inlet()
                self._join()

    def _turn(self) -> None:
        reading = self._inlet.read(self._options.batch, POLL_S)
        if reading.records or reading.broken:
            self._handle(reading)
        else:
            self._settle()
        self._pulse.looked(
            joined=self._inlet.joined,
            owned=len(self._inlet.owned),
            took=len(reading.records),
            ended=reading.ended,
        )

    def _handle(self, reading: Reading) -> None:
        positions = _positions(reading)
        wait = _FIRST_WAIT_S
        while positions:
            try:
                self._process(reading, positions)
            except StaleBatch as stale:
                self._log.warning("batch dropped: the group moved on", why=str(stale))
                self._inlet.rewind(_first(reading))
                return
            except Unreachable as error:
                self._pulse.outage(str(error))
                self._log.warning("waiting", why=str(error), seconds=wait)
                if not self._hold(wait):
                    return
                wait = min(wait * 2, _LONGEST_WAIT_S)
                reading = self._still_ours(reading)
                positions = _positions(reading)
            else:
                break
        self._pulse.outage(None)

    def _hold(self, seconds: float) -> bool:
        """Keep the membership alive for a while; False if told to stop meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._stopping.is_set():
                return False
            self._inlet.keep_alive(min(left, POLL_S))
        return True

    def _still_ours(self, reading: Reading) -> Reading:
        owned = self._inlet.owned
        return Reading(
            [each for each in reading.records if each.position[:2] in owned],
            [each for each in reading.broken if each[0][:2] in owned],
            reading.metadata,
            reading.ended,
        )

    def _process(self, reading: Reading, positions: dict[Partition, int]) -> None:
        at = now_ms()
        self._answers.at = rfc3339(at)
        batch, dead = self._decode(reading)
        plan = self._store_plan(batch, positions, at)
        report = self._deliver(plan.errands, positions, at)
        dead += plan.dead
        dead += [each for _, each in report.refused]
        outgoing = [out for _, out in plan.results]
        outgoing += [out for _, out in self._store.results(self._unsent(plan.replays))]
        outgoing += [dead_letter(each, self._reaction.name) for each in dead]
        self._commit(outgoing, positions, reading)
        for each in dead:
            self._log.warning("dead letter", why=str(each.error))
        self._pulse.handled(effects=len(plan.effects), dead=len(dead), duplicates=plan.duplicates)

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
        raise Unreachable(f"other members took effects of this batch {_REDECIDE} times in a row")

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
        for each, committed in self._inlet.committed({where[:2] for where in replays}).items():
            if committed is not None:
                self._sent_upto[each] = max(self._sent_upto.get(each, 0), committed.offset)
        return [where for where in replays if where.offset >= self._sent_upto.get(where[:2], 0)]

    def _commit(self, outgoing: list[Outgoing], positions: dict[Partition, int], reading: Reading) -> None:
        if any(each not in self._inlet.owned for each in positions):
            raise StaleBatch("a partition of the batch was revoked")
        if outgoing:
            self._outlet.send(outgoing, self._inlet.offsets(positions), reading.metadata)
        else:
            self._inlet.commit(positions)
        self._sent_upto.update(positions)

    def _settle(self) -> None:
        """With nothing in flight, pass what is no record: transaction markers take offsets too."""
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
        except Unreachable as error:
            self._pulse.outage(str(error))
            self._hold(_FIRST_WAIT_S)
            return
        self._pulse.outage(None)
        self._sent_upto.update(ahead)

    def _begin(self, partitions: list[Partition]) -> dict[Partition, int]:
        committed = self._inlet.committed(partitions)
        known = self._store.progress(partitions)
        first_edge = 1 if (self._options.start or self._reaction.start) == "now" else 0
        starts: dict[Partition, int] = {}
        fresh: dict[Partition, int] = {}
        for each in partitions:
            new = committed[each] is None and (each not in known or not known[each].started)
            beginning = assignment.begin(
                each,
                committed[each],
                known.get(each),
                store=self._identity.id,
                first=self._inlet.edges(each)[first_edge] if new else 0,
            )
            starts[each] = beginning.offset
            self._sent_upto[each] = beginning.sent_upto
            if beginning.first:
                fresh[each] = beginning.offset
        self._announce(fresh)
        self._pulse.assigned(starts, fresh=len(fresh))
        return starts

    def _announce(self, fresh: dict[Partition, int]) -> None:
        """Commit first positions before anything is read, so that a missing offset later means a lost one."""
        if not fresh:
            return
        at = now_ms()
        self._store.begin(fresh, at, started=False)
        self._inlet.commit_first(fresh)
        self._store.begin(fresh, at, started=True)


def check_owner(reaction: Reaction) -> None:
    """Refuse a reaction that reads a command topic which it does not own (design §7, point 10).

    Raises:
        NotTheOwner: naming the topic and its owner.
    """
    for name in reaction.reads:
        topic = BY_NAME[name]
        if topic.kind is Kind.COMMAND and topic.owner != reaction.name:
            raise NotTheOwner(
                f"{reaction.name} reads the command topic {name}, whose only reader is {topic.owner}; "
                "read a fact instead"
            )


def _positions(reading: Reading) -> dict[Partition, int]:
    positions: dict[Partition, int] = {}
    for record in reading.records:
        topic, number, offset = record.position
        positions[topic, number] = offset + 1
    for (topic, number, offset), _ in reading.broken:
        positions[topic, number] = max(offset + 1, positions.get((topic, number), 0))
    return positions


def _first(reading: Reading) -> dict[Partition, int]:
    first: dict[Partition, int] = {}
    for topic, number, offset in [each.position for each in reading.records] + [w for w, _ in reading.broken]:
        first[topic, number] = min(offset, first.get((topic, number), offset))
    return first
