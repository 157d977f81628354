"""Placing orders from Python: what an order service uses.

    from producers import OrderPlacer, OrderRequest

    with OrderPlacer.connect("localhost:9092") as placer:
        placed = placer.place(OrderRequest(address="1 Streetford Road"))
        print(placed.order_id, placed.records)

Promises: an order is placed in the mode in force, which is followed live; an order that is returned is
stored.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Self, TypeVar

from clients.closing import Closing
from clients.config import Cluster
from clients.deadline import Deadline
from clients.errors import broker_responds, partitions_of, unconfirmed
from producers.connection import cluster_and_codec
from producers.mode.follower import ModeFollower
from producers.placing.pending_order import OrderRenderer, PendingOrder, Placed
from producers.placing.pipeline import Outcome, Pipeline
from producers.placing.publisher import Publisher
from producers.placing.request import OrderRequest
from producers.placing.transactional_publisher import TransactionalPublisher
from schemas.codec import Codec
from schemas.control import Mode, ModeChanged
from schemas.errors import BrokerUnreachable, CommandEventError, NotAcknowledged
from schemas.topics import DISPATCH_PRODUCTS, ORDERS

T = TypeVar("T")

_POLL_S = 0.01
_PROBE_S = 2.0


class OrderPlacer(Closing):
    """Places orders on one cluster. A context manager; thread-safe.

    Args:
        cluster: the Kafka cluster.
        codec: encodes the values, and decodes the control topic.
        currency: of orders that name none.
        deadline_s: how long an order may wait for its acknowledgement, and the start for a broker's answer.
        live: whether to follow the mode after the start.

    Raises:
        BrokerUnreachable: no broker answers.
        TopicMissing: a topic does not exist; the message says what creates it.
        RegistryUnreachable: the mode cannot be decoded without the registry.
    """

    def __init__(
        self,
        cluster: Cluster,
        codec: Codec,
        *,
        currency: str = "EUR",
        deadline_s: float = 30.0,
        live: bool = True,
    ) -> None:
        self._cluster = cluster
        self._deadline_s = deadline_s
        self._publisher = Publisher(cluster, deadline_s=deadline_s, linger_ms=1)
        self._transactions = TransactionalPublisher(cluster, deadline_s=deadline_s)
        self._shadow = threading.Lock()
        self.partitions = partitions_of(
            self._publisher.client,
            (DISPATCH_PRODUCTS, ORDERS),
            bootstrap=cluster.bootstrap,
            timeout_s=min(deadline_s, 10.0),
        )
        self._follower = ModeFollower(cluster, codec, timeout_s=min(deadline_s, 10.0), live=live)
        self._renderer = OrderRenderer(codec, lambda: self._follower.current, currency)

    @classmethod
    def connect(
        cls,
        bootstrap: str,
        *,
        registry: str | None = None,
        kafka: Mapping[str, str] | None = None,
        currency: str = "EUR",
        deadline_s: float = 30.0,
    ) -> Self:
        """A placer for the cluster at an address.

        Args:
            bootstrap: Kafka brokers, `host:port`, comma-separated.
            registry: URL of a schema registry; None writes without one.
            kafka: further librdkafka settings, e.g. `security.protocol`.
            currency: of orders that name none.
            deadline_s: how long an order may wait for its acknowledgement.

        Raises:
            InvalidSetting: a setting in `kafka` is the program's own.
            BrokerUnreachable, TopicMissing, RegistryUnreachable: as the class.
        """
        cluster, codec = cluster_and_codec(bootstrap, registry=registry, kafka=kafka)
        return cls(cluster, codec, currency=currency, deadline_s=deadline_s)

    def close(self) -> None:
        """Stop following the mode. No order is in flight: `place` waits for its acknowledgement."""
        self._follower.close()

    @property
    def mode(self) -> ModeChanged:
        """The mode in force."""
        return self._follower.current

    def prepare(self, request: OrderRequest, order_id: int | None = None) -> PendingOrder:
        """The records that `place` would write; `order_id` as in `OrderRenderer.prepare`."""
        return self._renderer.prepare(request, order_id)

    def place(self, request: OrderRequest, order_id: int | None = None) -> Placed:
        """Place one order; returns when it is stored.

        Args:
            request: the order.
            order_id: its id if the request has none; None: one is generated.

        Raises:
            NotAcknowledged: no acknowledgement in time; it may or may not be stored.
            BrokerUnreachable: the same, and no broker answers any more.
            UnknownMode, RegistryUnreachable, TopicMissing: its records cannot be rendered.
        """
        order = self._renderer.prepare(request, order_id)
        if order.mode is Mode.SHADOW:
            with self._shadow:
                self._transactions.write([order])
        else:
            self._publisher.send(order)
            self._await(order)
        outcome = order.outcome()
        if isinstance(outcome, Placed):
            return outcome
        raise self._with_cause(outcome)

    def place_many(self, requests: Iterable[OrderRequest]) -> Iterator[Outcome]:
        """Place a stream of orders, many in flight.

        Yields:
            For each request, in order: the placed order, or the error.

        Raises:
            BrokerUnreachable, UnknownMode, RegistryUnreachable, TopicMissing: no order can be placed at all.
        """
        done: deque[Outcome] = deque()
        pipeline: Pipeline[None] = self.pipeline(lambda _tag, outcome: done.append(outcome))
        with pipeline:
            for request in requests:
                pipeline.submit(None, request)
                while done:
                    yield done.popleft()
        yield from done

    def pipeline(self, on_outcome: Callable[[T, Outcome], None]) -> Pipeline[T]:
        """A pipeline for many orders, each with a tag of the caller's; see `Pipeline`."""
        return Pipeline(self._cluster, self._renderer, on_outcome, deadline_s=self._deadline_s)

    def _await(self, order: PendingOrder) -> None:
        deadline = Deadline(self._deadline_s + 1)
        # Several threads may poll, and each takes any order's report: so none may block long in it.
        while not order.done and not deadline.passed:
            self._publisher.poll(_POLL_S)
        if not order.done:
            order.error = unconfirmed(order.order_id)

    def _with_cause(self, error: CommandEventError) -> CommandEventError:
        if isinstance(error, NotAcknowledged) and not broker_responds(self._publisher.client, _PROBE_S):
            return BrokerUnreachable(f"{error}; and no broker answers at {self._cluster.bootstrap}")
        return error
