"""Setting the mode: one writer at a time, and no epoch twice (design §6).

The order of the steps is the promise:

    1. claim    `init_transactions` with the one fixed transactional id: fences every other writer, and ends
                what it left open
    2. read     the control topic to its end, read_committed
    3. write    epoch + 1, and commit

Reading before claiming would let two writers choose the same epoch. Whoever was fenced learns it at step 3 at
the latest, and has written nothing.

I/O: Kafka (reads and writes order_mode).
"""

import uuid
from typing import NamedTuple

from clients.closing import Closing
from clients.config import Cluster
from clients.errors import unreachable
from clients.records import ProducerRecord
from clients.transactional import TransactionalProducer
from producers.mode.log import ModeLog, in_force
from schemas.codec import Codec
from schemas.control import INITIAL, Mode, ModeChanged
from schemas.envelope import Envelope, new_traceparent, to_headers
from schemas.errors import BrokerUnreachable, CommandEventError, Fenced, NotAcknowledged, StaleEpoch
from schemas.framing import encode_key
from schemas.times import now_ms, rfc3339
from schemas.topics import ORDER_MODE

TRANSACTIONAL_ID = "cev-order-mode"
"""The same for every writer of the control topic, for ever: that is what fences."""


class ModeChangeResult(NamedTuple):
    """What came of setting the mode: the change in force now, and whether it is new."""

    change: ModeChanged
    changed: bool


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

    def read(self) -> ModeChanged:
        """The change in force, read to the end.

        Raises:
            BrokerUnreachable, RegistryUnreachable: the end was not reached.
        """
        # Made only now: a reader from before the claim may have an end from before another writer's commit.
        # That way two of six writers took the same epoch.
        self._log = ModeLog(self._cluster, self._codec, timeout_s=self._timeout_s)
        current = INITIAL
        for change in self._log.to_end(self._timeout_s):
            current = in_force(current, change)
        return current

    def write(self, change: ModeChanged) -> None:
        """Write a change, and return when every reader can see it.

        Raises:
            Fenced: another writer claimed since; nothing was written.
            BrokerUnreachable, NotAcknowledged: it was not confirmed: it may or may not be in force.
            DeadlinePassed: it is in force, but readers do not see it yet.
        """
        value = self._codec.encode(ORDER_MODE, change)
        record = ProducerRecord(ORDER_MODE, encode_key(change.epoch), value, [*_headers(change)], 0)
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
    *,
    changed_by: str,
    why: str = "",
    if_epoch: int | None = None,
    timeout_s: float = 15.0,
) -> ModeChangeResult:
    """Set the mode for every order producer.

    Args:
        cluster: where.
        codec: for the control topic's values.
        mode: the new mode; if it is in force already, nothing is written.
        changed_by: who, as user@host.
        why: the reason, for the history.
        if_epoch: only if this epoch is in force.
        timeout_s: how long each step may take.

    Raises:
        StaleEpoch: another epoch than `if_epoch` is in force.
        Fenced: another writer came in between.
        BrokerUnreachable, TopicMissing, NotAcknowledged, DeadlinePassed: see `ModeWriter`.
    """
    with ModeWriter(cluster, codec, timeout_s=timeout_s) as writer:
        writer.claim()
        current = writer.read()
        if if_epoch is not None and current.epoch != if_epoch:
            raise StaleEpoch(
                f"epoch {current.epoch} ({current.mode}) is in force, not {if_epoch}: somebody changed it "
                "since; see `cev mode history`"
            )
        if current.mode == mode:
            return ModeChangeResult(current, changed=False)
        change = ModeChanged(
            epoch=current.epoch + 1, mode=mode.value, changed_at=now_ms(), changed_by=changed_by, why=why
        )
        writer.write(change)
        return ModeChangeResult(change, changed=True)


def _headers(change: ModeChanged) -> list[tuple[str, str]]:
    envelope = Envelope(
        message_id=uuid.uuid4().hex,
        correlation_id=f"mode-{change.epoch}",
        traceparent=new_traceparent(),
    )
    return to_headers(envelope, record="ModeChanged", source="mode", at=rfc3339(change.changed_at))
