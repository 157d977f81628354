"""Setting the mode: one writer at a time, and no epoch twice (design §6).

The order of the steps is the promise:

    1. claim    `init_transactions` with the one fixed transactional id: fences every other writer, and ends
                what it left open
    2. read     the control topic to its end, read_committed
    3. write    the next epoch, and commit

The next epoch is above all that the topic has used up, and above that of the newest orders: where the topic
was made anew, the numbers go on. Reading before claiming would let two writers choose the same epoch. Whoever
was fenced learns it at step 3 at the latest, and has written nothing.

I/O: Kafka (reads and writes order_mode; reads the ends of the orders' topics).
"""

import uuid
from typing import NamedTuple

from clients.closing import Closing
from clients.config import Cluster
from clients.errors import unreachable
from clients.log import Log
from clients.records import ProducerRecord
from clients.transactional import TransactionalProducer
from producers.mode.log import ModeLog
from producers.mode.order_epochs import newest_order_epoch
from producers.mode.sequence import FOLLOWS, ModeState
from schemas.codec import Codec
from schemas.control import Flow, Mode, ModeChanged
from schemas.envelope import Envelope, new_traceparent, to_headers
from schemas.errors import (
    BrokerUnreachable,
    CommandEventError,
    Fenced,
    NotAcknowledged,
    OperationFailed,
    StaleEpoch,
    Unreachable,
    UsageError,
)
from schemas.framing import encode_key
from schemas.times import now_ms, rfc3339
from schemas.topics import ORDER_MODE

TRANSACTIONAL_ID = "cev-order-mode"
"""The same for every writer of the control topic, for ever: that is what fences."""


_COMPARE_S = 5.0
"""How long the newest orders may take to be read; who may not read them waits for so long."""


class ModeChangeResult(NamedTuple):
    """What came of setting the mode.

    Attributes:
        change: the change in force now.
        changed: whether it is new.
        before: what the topic said before.
        lost_epoch: the epoch of an order that the topic did not know: it was made anew. 0 without any.
    """

    change: ModeChanged
    changed: bool
    before: ModeState
    lost_epoch: int


class ModeWriter(Closing):
    """The three steps, one method each; a context manager. `set_mode` is what most callers want.

    Args:
        cluster: where.
        codec: for the control topic's values.
        timeout_s: how long each step may take.

    Raises:
        BrokerUnreachable: no broker answered.
        TopicMissing: the control topic is not there.
    """

    def __init__(self, cluster: Cluster, codec: Codec, *, timeout_s: float = 15.0) -> None:
        self._codec = codec
        self._timeout_s = timeout_s
        self._cluster = cluster
        self._log: ModeLog | None = None
        self._last = 0
        self._producer = TransactionalProducer(cluster, TRANSACTIONAL_ID)
        self._producer.partitions_of((ORDER_MODE,), timeout_s)

    def close(self) -> None:
        """Let go of the connections."""
        self._producer.close()
        if self._log is not None:
            self._log.close()

    def claim(self) -> None:
        """Become the one writer.

        Raises:
            Fenced: somebody else claimed at the same moment.
            BrokerUnreachable: no answer in time.
        """
        try:
            self._producer.claim(self._timeout_s)
        except CommandEventError as error:
            raise self._failure(error) from error

    def read(self) -> ModeState:
        """What the topic says, read to its end.

        Raises:
            BrokerUnreachable, RegistryUnreachable: the end was not reached.
        """
        # Made only now: a reader from before the claim may have an end from before another writer's commit.
        # That way two of six writers took the same epoch.
        self._log = ModeLog(self._cluster, self._codec, timeout_s=self._timeout_s)
        for _ in self._log.to_end(self._timeout_s):
            pass  # the state of the log is what counts
        self._last = self._log.state.last
        return self._log.state

    def write(self, change: ModeChanged) -> None:
        """Write a change that follows what `read` read, and return when every reader can see it.

        Raises:
            Fenced: another writer claimed since; nothing was written.
            BrokerUnreachable, NotAcknowledged: it was not confirmed: it may or may not be in force.
            DeadlinePassed: it is in force, but readers do not see it yet.
        """
        value = self._codec.encode(ORDER_MODE, change)
        headers = to_headers(
            Envelope(uuid.uuid4().hex, f"mode-{change.epoch}", traceparent=new_traceparent()),
            record="ModeChanged",
            source="mode",
            at=rfc3339(change.changed_at),
        )
        headers.append((FOLLOWS, str(self._last)))
        record = ProducerRecord(ORDER_MODE, encode_key(change.epoch), value, [*headers], 0)
        try:
            self._producer.transaction([record], timeout_s=self._timeout_s)
        except CommandEventError as error:
            raise self._failure(error) from error
        # A commit is confirmed before its marker is on the topic: until then a reader sees the old mode, and
        # `mode set` followed by `order place` would place in it.
        if self._log is not None:
            self._log.until_epoch(change.epoch, self._timeout_s)

    def _failure(self, error: CommandEventError) -> CommandEventError:
        if isinstance(error, Fenced):
            return Fenced(
                "somebody else is setting the mode at this moment, nothing was changed; see `cev mode show`"
            )
        if isinstance(error, BrokerUnreachable):
            return unreachable(self._cluster.bootstrap, self._timeout_s)
        return NotAcknowledged(
            f"the change of mode was not confirmed ({error}): it may or may not be in force; see "
            "`cev mode show`"
        )


def set_mode(
    cluster: Cluster,
    codec: Codec,
    mode: Mode,
    flow: Flow = Flow.DIRECT,
    *,
    changed_by: str,
    why: str = "",
    if_epoch: int | None = None,
    repair: bool = False,
    timeout_s: float = 15.0,
) -> ModeChangeResult:
    """Set the mode and its flow for every order producer.

    Args:
        cluster: where.
        codec: for the control topic's values.
        mode: the new mode; if it is in force already, with this flow, nothing is written unless something is
            to be repaired.
        flow: who coordinates what follows an order; only mode event has another than direct.
        changed_by: who, as user@host.
        why: the reason, for the history.
        if_epoch: only if this epoch is in force.
        repair: pass over records that cannot be read, or are suspect: with a higher epoch than theirs, the
            change tells every reader to do so.
        timeout_s: how long each step may take.

    Raises:
        UsageError: the mode has no such flow.
        UnreadableMode: a newer change may be there, and cannot be read; only without `repair`.
        StaleEpoch: another epoch than `if_epoch` is in force.
        Fenced: another writer came in between.
        BrokerUnreachable, TopicMissing, NotAcknowledged, DeadlinePassed: see `ModeWriter`.
    """
    _refuse_flow_without_facts(mode, flow)
    with ModeWriter(cluster, codec, timeout_s=timeout_s) as writer:
        writer.claim()
        before = writer.read()
        current = before.change if repair else before.in_force
        _refuse_stale(current, if_epoch)
        lost_epoch = _lost_epoch(cluster, codec, before, timeout_s)
        mends = repair and (before.unreadable is not None or bool(before.suspects))
        same = (current.mode, current.flow) == (mode, flow)
        if same and not mends and not lost_epoch:
            return ModeChangeResult(current, changed=False, before=before, lost_epoch=0)
        epoch = max(before.last, lost_epoch) + 1
        change = ModeChanged(epoch, mode.value, now_ms(), changed_by, why, flow.value)
        writer.write(change)
        return ModeChangeResult(change, changed=True, before=before, lost_epoch=lost_epoch)


def _refuse_flow_without_facts(mode: Mode, flow: Flow) -> None:
    if flow is not Flow.DIRECT and mode is not Mode.EVENT:
        raise UsageError(f"flow {flow} goes with mode event alone: `cev mode set event --flow {flow}`")


def _refuse_stale(current: ModeChanged, if_epoch: int | None) -> None:
    if if_epoch is not None and current.epoch != if_epoch:
        raise StaleEpoch(
            f"epoch {current.epoch} ({current.mode}, flow {current.flow}) is in force, not {if_epoch}: "
            "somebody changed it since; see `cev mode history`"
        )


def _lost_epoch(cluster: Cluster, codec: Codec, before: ModeState, timeout_s: float) -> int:
    try:
        epoch = newest_order_epoch(cluster, codec, timeout_s=min(timeout_s, _COMPARE_S))
        return before.lost_epoch(epoch)
    except (Unreachable, OperationFailed) as error:
        # The topics of orders must not keep anybody from setting the mode.
        Log(topic=ORDER_MODE).warning("cannot compare with the newest orders", error=str(error))
        return 0
