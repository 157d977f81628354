"""Placing many orders: in flight together, with outcomes in the order of submission.

    submit(tag, request)  ->  ...  ->  on_outcome(tag, Placed | error)

Promises: every submitted order gets exactly one outcome, in the order of submission, never two at a time; at
most `IN_FLIGHT` orders are held; an order is written in the mode that is in force at its submission; in
shadow up to 2,000 orders share a transaction, and none waits longer than 100 ms for others to join it. While
the caller waits for its input, a thread of the pipeline polls delivery reports and writes batches that are
due.
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
"""Orders that may be in flight, at most."""
BATCH_ORDERS = 2_000
"""Orders in one transaction, at most."""
BATCH_BYTES = 4 * 1024 * 1024
"""About how many bytes of values one transaction may have."""
BATCH_AGE_S = 0.1
"""How long an order may wait for others to join its transaction."""

_POLL_EVERY = 64
_POLL_S = 0.05
_GRACE_S = 5.0
_PROBE_S = 2.0


class Pipeline(Closing, Generic[T]):
    """Places a stream of orders. A context manager: leaving it waits for every outcome.

    Args:
        cluster: the Kafka cluster.
        renderer: makes records of requests.
        on_outcome: called with every order's tag and outcome; must not call the pipeline.
        deadline_s: how long one order may wait for its acknowledgement.
    """

    def __init__(
        self,
        cluster: Cluster,
        renderer: OrderRenderer,
        on_outcome: Callable[[T, Outcome], None],
        *,
        deadline_s: float,
    ) -> None:
        self._cluster = cluster
        self._renderer = renderer
        self._on_outcome = on_outcome
        self._deadline_s = deadline_s
        self._publisher = Publisher(cluster, deadline_s=deadline_s, linger_ms=20)
        self._publisher.connect()
        self._transactions = TransactionalPublisher(cluster, deadline_s=deadline_s)
        self._waiting: deque[tuple[T, PendingOrder]] = deque()
        self._batch: list[PendingOrder] = []
        self._batch_bytes = 0
        self._batch_due = 0.0
        self._submitted = 0
        self._fatal_error: BaseException | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll_loop, name="placing", daemon=True)
        self._poller.start()

    @property
    def fatal_error(self) -> CommandEventError | None:
        """Why no further order can be placed, such as no answer from a broker; None while orders can."""
        return self._fatal_error if isinstance(self._fatal_error, CommandEventError) else None

    def submit(self, tag: T, request: OrderRequest, order_id: int | None = None) -> None:
        """Place an order; returns once it is in flight, and blocks while `IN_FLIGHT` orders are.

        Args:
            tag: given to `on_outcome` with the outcome.
            request: the order.
            order_id: its id if the request has none; None: one is generated.

        Raises:
            BrokerUnreachable: an order was not acknowledged in time and no broker answers any more.
            UnknownMode, RegistryUnreachable, TopicMissing: no order can be placed at all.
        """
        with self._lock:
            self._raise_fatal_error()
            self._make_room()
            order = self._renderer.prepare(request, order_id)
            self._waiting.append((tag, order))
            if order.mode is Mode.SHADOW:
                self._join_batch(order)
            else:
                self._publisher.send(order)
            self._submitted += 1
            if self._submitted % _POLL_EVERY == 0:
                self._poll_reports()

    def close(self) -> None:
        """Wait for the outcome of every order, then stop the thread."""
        deadline = Deadline(self._deadline_s + _GRACE_S)
        try:
            while self._waiting and not deadline.passed:
                with self._lock:
                    self._flush_batch()
                    self._publisher.poll(_POLL_S / 5)
                    self._report_outcomes()
            with self._lock:
                self._give_up()
        finally:
            self._stop.set()
            self._poller.join(_GRACE_S)
        if isinstance(self._fatal_error, Exception) and not isinstance(self._fatal_error, CommandEventError):
            raise self._fatal_error

    def _join_batch(self, order: PendingOrder) -> None:
        if not self._batch:
            self._batch_due = time.monotonic() + BATCH_AGE_S
        self._batch.append(order)
        self._batch_bytes += sum(len(record.value or b"") for record in order.records)
        if len(self._batch) >= BATCH_ORDERS or self._batch_bytes >= BATCH_BYTES:
            self._flush_batch()
            self._report_outcomes()

    def _flush_batch(self) -> None:
        if self._batch:
            batch, self._batch, self._batch_bytes = self._batch, [], 0
            self._transactions.write(batch)

    def _poll_reports(self) -> None:
        self._publisher.poll(0)
        if self._batch and time.monotonic() >= self._batch_due:
            self._flush_batch()
        self._report_outcomes()

    def _report_outcomes(self) -> None:
        while self._waiting and self._waiting[0][1].done:
            tag, order = self._waiting.popleft()
            outcome = order.outcome()
            if isinstance(outcome, NotAcknowledged) and self._fatal_error is None:
                self._check_broker()
            self._on_outcome(tag, outcome)

    def _check_broker(self) -> None:
        # One order that is not acknowledged in time may be a short delay. If no broker answers, each of the
        # remaining orders would wait as long.
        if not broker_responds(self._publisher.client, _PROBE_S):
            self._fatal_error = unreachable(self._cluster.bootstrap, self._deadline_s)

    def _make_room(self) -> None:
        if len(self._waiting) < IN_FLIGHT:
            return
        deadline = Deadline(self._deadline_s + _GRACE_S)
        while len(self._waiting) >= IN_FLIGHT:
            if deadline.passed:
                self._give_up()
            self._flush_batch()
            self._publisher.poll(_POLL_S)
            self._report_outcomes()
        self._raise_fatal_error()

    def _give_up(self) -> None:
        for _, order in self._waiting:
            if not order.done:
                order.error = unconfirmed(order.order_id)
        self._report_outcomes()

    def _raise_fatal_error(self) -> None:
        if self._fatal_error is not None:
            raise self._fatal_error

    def _poll_loop(self) -> None:
        while not self._stop.wait(_POLL_S):
            with self._lock:
                try:
                    self._poll_reports()
                except Exception as error:  # noqa: BLE001 - no caller is there to raise to: the next call raises it
                    self._fatal_error = error
                    return
