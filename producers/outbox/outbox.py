"""The outbox: an order that is accepted in the order service's own database transaction, and published later.

    from producers.outbox import Outbox

    with Outbox.connect("localhost:9092") as outbox:
        with engine.begin() as connection:
            connection.execute(...)                        # the service's own tables
            accepted = outbox.add(connection, request)     # the order's records, in the same transaction

Promises: the row is committed or rolled back with the caller's transaction (P15: no dual write). It holds the
records as bytes, rendered in the mode in force when the order was accepted, so a switch between acceptance
and publication changes nothing.

A broker must answer once, at the start, to say which mode is in force, and a registry before the first order
if there is one. From then on orders are accepted whether or not broker and registry answer.

Not here: sending. `cev relay` publishes the rows.

I/O: Kafka (follows order_mode), and the caller's database connection.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

from sqlalchemy import text

from clients.closing import Closing
from producers.connection import cluster_and_codec
from producers.mode.follower import ModeFollower
from producers.outbox.record_codec import pack
from producers.placing.pending_order import OrderRenderer
from producers.placing.render import correlation_id
from producers.placing.request import OrderRequest
from schemas.codec import Codec
from schemas.control import Mode, ModeChanged
from schemas.times import now_ms

_COLUMNS = ("order_id", "mode", "epoch", "accepted_at", "records")
_INSERT = f"INSERT INTO cev_outbox ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608 - a constant
_NAMED = text(_INSERT + "(" + ", ".join(f":{name}" for name in _COLUMNS) + ")")


class Accepted(NamedTuple):
    """An order that is stored once the caller's transaction commits.

    Attributes:
        order_id: given or generated.
        mode, epoch: the mode in force, in which its records are rendered.
        correlation_id: in the headers of every record that the order causes.
        accepted_at: milliseconds since the epoch, UTC.
    """

    order_id: int
    mode: Mode
    epoch: int
    correlation_id: str
    accepted_at: int


class Executes(Protocol):
    """A SQLAlchemy `Connection` or `Session`."""

    def execute(self, statement: Any, parameters: Any = ..., /) -> Any:
        """Run a statement in the open transaction."""


class KnowsMode(Protocol):
    """A `ModeFollower`."""

    @property
    def current(self) -> ModeChanged:
        """The change in force."""

    def close(self) -> None:
        """Stop following."""


class Outbox(Closing):
    """Adds orders to the caller's transactions. A context manager; thread-safe.

    Args:
        follower: knows the mode in force; closed with the outbox.
        codec: encodes the values.
        currency: of orders that name none.
    """

    def __init__(self, follower: KnowsMode, codec: Codec, *, currency: str = "EUR") -> None:
        self._follower = follower
        self._renderer = OrderRenderer(codec, lambda: follower.current, currency)

    @classmethod
    def connect(
        cls,
        bootstrap: str,
        *,
        registry: str | None = None,
        kafka: Mapping[str, str] | None = None,
        currency: str = "EUR",
    ) -> Self:
        """An outbox for the cluster at an address; arguments and errors as `OrderPlacer.connect`.

        Raises:
            BrokerUnreachable, TopicMissing, RegistryUnreachable: the mode in force cannot be read.
        """
        cluster, codec = cluster_and_codec(bootstrap, registry=registry, kafka=kafka)
        return cls(ModeFollower(cluster, codec), codec, currency=currency)

    def close(self) -> None:
        """Stop following the mode."""
        self._follower.close()

    @property
    def mode(self) -> ModeChanged:
        """The mode in force."""
        return self._follower.current

    def add(self, connection: Executes, request: OrderRequest, order_id: int | None = None) -> Accepted:
        """Insert an order's row in the open transaction of a connection; the caller commits it.

        Args:
            connection: a SQLAlchemy `Connection` or `Session`.
            request: the order.
            order_id: its id if the request has none; None: one is generated.

        Raises:
            UnknownMode, RegistryUnreachable, TopicMissing: its records cannot be rendered.
        """
        accepted, row = self._row(request, order_id)
        connection.execute(_NAMED, row)
        return accepted

    def insertion(
        self, request: OrderRequest, order_id: int | None = None, *, mark: str = "?"
    ) -> tuple[Accepted, str, tuple[Any, ...]]:
        """The same for a bare DB-API cursor: SQL and parameters that insert the order's row.

        Args:
            request: the order.
            order_id: as `add`.
            mark: how the driver writes a parameter: `?` for sqlite3, `%s` for psycopg.

        Raises:
            UnknownMode, RegistryUnreachable, TopicMissing: as `add`.
        """
        accepted, row = self._row(request, order_id)
        return accepted, f"{_INSERT}({', '.join([mark] * len(_COLUMNS))})", tuple(row.values())

    def _row(self, request: OrderRequest, order_id: int | None) -> tuple[Accepted, dict[str, Any]]:
        order = self._renderer.prepare(request, order_id)
        at = now_ms()
        row = dict(
            zip(
                _COLUMNS,
                (order.order_id, order.mode.value, order.epoch, at, pack(order.records)),
                strict=True,
            )
        )
        return Accepted(order.order_id, order.mode, order.epoch, correlation_id(order.order_id), at), row
