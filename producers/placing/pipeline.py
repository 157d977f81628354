"""Many orders at once: in flight together, answered in the order in which they came.

    submit(tag, request)  ->  ...  ->  on_outcome(tag, Placed | error)

Promises: every submitted order gets exactly one outcome, in the order of submission, never two at a time; at
most `IN_FLIGHT` orders are held; an order is written in the mode that is in force at its submission; in
shadow up to 500 orders share a transaction and none waits longer than 100 ms for others to join it. While the
caller waits for its input, a thread of the pipeline's own serves reports and writes what is due.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from clients.closing import Closing
from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import broker_responds, unconfirmed, unreachable
from producers.placing.pending_order import OrderRenderer, PendingOrder, Placed
from producers.placing.publisher import Publisher
from producers.placing.request import OrderRequest
from producers.placing.transactional_publisher import TransactionalPublisher
from schemas.control import Mode
from schemas.errors import CommandEventError, NotAcknowledged

T = TypeVar("T")
Outcome = Placed | CommandEventError

IN_FLIGHT = 10_000
"""Orders that may be on their way."""
BATCH_ORDERS = 500
"""Orders in one transaction, at most."""
BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of values in one transaction, about."""
BATCH_AGE_S = 0.1
"""How long an order may wait for others to join its transaction."""

_SERVE_EVERY = 64
_BEAT_S = 0.05
_GRACE_S = 5.0
_PROBE_S = 2.0


class Pipeline(Closing, Generic[T]):
    """Places a stream of orders. A context manager: leaving it waits for every outcome.

    Args:
        cluster: where to.
        desk: makes records of requests.
        on_outcome: told about every order; must not call the pipeline.
        deadline_s: how long one order may wait for its acknowledgement.
    """

    def __init__(
        self,
        cluster: Cluster,
        desk: OrderRenderer,
        on_outcome: Callable[[T, Outcome], None],
        *,
        deadline_s: float,
    ) -> None:
        self._cluster = cluster
        self._desk = desk
        self._on_outcome = on_outcome
        self._deadline_s = deadline_s
        self._publisher = Publisher(cluster, deadline_s=deadline_s, linger_ms=20)
        self._transactions = TransactionalPublisher(cluster, deadline_s=deadline_s)
        self._waiting: deque[tuple[T, PendingOrder]] = deque()
        self._batch: list[PendingOrder] = []
        self._batch_bytes = 0
        self._batch_due = 0.0
        self._submitted = 0
        self._trouble: BaseException | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="placing", daemon=True)
        self._heart.start()

    @property
    def lost(self) -> CommandEventError | None:
        """Why no further order could be placed: no broker answers any more. None while all is well."""
        return self._trouble if isinstance(self._trouble, CommandEventError) else None

    def submit(self, tag: T, request: OrderRequest, order_id: int | None = None) -> None:
        """Place an order; returns when it is on its way, or waits for room.

        Args:
            tag: comes back with the outcome.
            request: the order.
            order_id: its id where the request has none; None makes one.

        Raises:
            BrokerUnreachable: orders ran out of time and no broker answers; there is no point in going on.
            UnknownMode, RegistryUnreachable, TopicMissing: no order can be placed at all.
        """
        with self._lock:
            self._raise_trouble()
            self._make_room()
            write = self._desk.prepare(request, order_id)
            self._waiting.append((tag, write))
            if write.mode is Mode.SHADOW:
                self._join_batch(write)
            else:
                self._publisher.send(write)
            self._submitted += 1
            if self._submitted % _SERVE_EVERY == 0:
                self._serve()

    def wait(self, seconds: float) -> None:
        """Pass time until the next submission; outcomes go on coming."""
        time.sleep(seconds)
        self._raise_trouble()

    def close(self) -> None:
        """Wait for the outcome of every order, and stop."""
        deadline = Deadline(self._deadline_s + _GRACE_S)
        try:
            while self._waiting and not deadline.passed:
                with self._lock:
                    self._flush_batch()
                    self._publisher.poll(_BEAT_S / 5)
                    self._settle()
            with self._lock:
                self._give_up()
        finally:
            self._stop.set()
            self._heart.join(_GRACE_S)
        if isinstance(self._trouble, Exception) and not isinstance(self._trouble, CommandEventError):
            raise self._trouble

    def _join_batch(self, write: PendingOrder) -> None:
        if not self._batch:
            self._batch_due = time.monotonic() + BATCH_AGE_S
        self._batch.append(write)
        self._batch_bytes += sum(len(record.value or b"") for record in write.records)
        if len(self._batch) >= BATCH_ORDERS or self._batch_bytes >= BATCH_BYTES:
            self._flush_batch()
            self._settle()

    def _flush_batch(self) -> None:
        if self._batch:
            batch, self._batch, self._batch_bytes = self._batch, [], 0
            self._transactions.write(batch)

    def _serve(self) -> None:
        self._publisher.poll(0)
        if self._batch and time.monotonic() >= self._batch_due:
            self._flush_batch()
        self._settle()

    def _settle(self) -> None:
        while self._waiting and self._waiting[0][1].done:
            tag, write = self._waiting.popleft()
            outcome = write.outcome()
            if isinstance(outcome, NotAcknowledged) and self._trouble is None:
                self._look_for_brokers()
            self._on_outcome(tag, outcome)

    def _look_for_brokers(self) -> None:
        # One order out of time may be a slow moment; with no broker there, the rest of a million orders
        # would each wait as long.
        if not broker_responds(self._publisher.client, _PROBE_S):
            self._trouble = unreachable(self._cluster.bootstrap, self._deadline_s)

    def _make_room(self) -> None:
        if len(self._waiting) < IN_FLIGHT:
            return
        deadline = Deadline(self._deadline_s + _GRACE_S)
        while len(self._waiting) >= IN_FLIGHT:
            if deadline.passed:
                self._give_up()
            self._flush_batch()
            self._publisher.poll(_BEAT_S)
            self._settle()
        self._raise_trouble()

    def _give_up(self) -> None:
        for _, write in self._waiting:
            if not write.done:
                write.error = unconfirmed(write.order_id)
        self._settle()

    def _raise_trouble(self) -> None:
        if self._trouble is not None:
            raise self._trouble

    def _beat(self) -> None:
        while not self._stop.wait(_BEAT_S):
            with self._lock:
                try:
                    self._serve()
                except Exception as error:  # noqa: BLE001 - the thread has nobody to raise to: the next call does
                    self._trouble = error
                    return
