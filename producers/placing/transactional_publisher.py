"""Orders of two records to the broker: both or neither, many orders to one Kafka transaction (design §6).

A transaction is open only while it is being written. It is never open while we wait for input, because an
open one hides what lies behind it from every read_committed reader.

A transaction that failed is written again until the deadline: nothing of it is stored, or, where the answer
to the commit got lost, everything is, and then the same orders under the same ids cause nothing twice. The
transactional id is fresh per process and kept for its life, so that a new attempt ends what the last one left
open instead of waiting for the broker's timeout.

I/O: Kafka (writes dispatch_products and orders).
"""

import time
import uuid
from collections.abc import Sequence

from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import delivery_error
from clients.transactional import RecordsRefused, TransactionalProducer
from producers.placing.pending_order import PendingOrder
from producers.placing.publisher import QUEUE_KBYTES
from schemas.errors import CommandEventError, NotAcknowledged, TopicMissing

_BACKOFF_S = 0.2


class TransactionalPublisher:
    """Writes batches of orders, each in one transaction. For one thread at a time.

    Connects at the first batch: a process that never places in shadow has no transactional id.

    Args:
        cluster: where to.
        deadline_s: how long a batch may take, with all its attempts.
    """

    def __init__(self, cluster: Cluster, *, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        settings = cluster.unless_set(queue_buffering_max_kbytes=QUEUE_KBYTES)
        self._producer = TransactionalProducer(cluster, f"cev-place-{uuid.uuid4().hex}", **settings)

    def write(self, batch: Sequence[PendingOrder]) -> None:
        """Store these orders. Afterwards each of them is done: stored, or with its error."""
        deadline = Deadline(self._deadline_s)
        groups = [[order for order in batch if not order.done]]
        while groups:
            orders = groups.pop(0)
            if orders:
                groups += self._store(orders, deadline)

    def _store(self, orders: list[PendingOrder], deadline: Deadline) -> list[list[PendingOrder]]:
        """Store orders together; where some were refused, the groups in which to go on."""
        try:
            self._repeat(orders, deadline)
        except RecordsRefused as error:
            return _without_refused(orders, error, deadline)
        except TopicMissing as error:
            for order in orders:
                order.error = TopicMissing(f"order {order.order_id} is not placed: {error}")
        except CommandEventError as error:
            for order in orders:
                order.error = NotAcknowledged(
                    f"order {order.order_id}: its transaction did not come through ({error}), so it may not "
                    "be stored; placing it again under the same id is safe"
                )
        return []

    def _repeat(self, orders: list[PendingOrder], deadline: Deadline) -> None:
        while True:
            try:
                self._attempt(orders, deadline)
            except (RecordsRefused, TopicMissing):
                raise
            except CommandEventError:
                if deadline.passed:
                    raise
                time.sleep(min(_BACKOFF_S, deadline.left))
            else:
                return

    def _attempt(self, orders: list[PendingOrder], deadline: Deadline) -> None:
        if not self._producer.claimed:
            self._producer.claim(deadline.left)
        records = [record for order in orders for record in order.records]
        positions = iter(self._producer.transaction(records, timeout_s=deadline.left))
        for order in orders:
            order.stored_at([next(positions) for _ in order.records])


def _without_refused(
    orders: list[PendingOrder], error: RecordsRefused, deadline: Deadline
) -> list[list[PendingOrder]]:
    """An order that is refused alone fails alone; one that was refused in company is tried alone first.

    Others of the same id stay with it, so that they keep their order.
    """
    owners = [order for order in orders for _ in order.records]
    if len(orders) == 1 or deadline.passed:
        for index, reason in error.errors.items():
            owners[index].error = delivery_error(owners[index].order_id, reason)
        return [[order for order in orders if not order.done]]
    suspects = {owners[index].order_id for index in error.errors}
    others = [order for order in orders if order.order_id not in suspects]
    return [others, *([order] for order in orders if order.order_id in suspects)]
