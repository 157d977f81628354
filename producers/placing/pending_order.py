"""What a placed order is, and an order on its way there.

I/O: none of its own; it takes the Kafka client's reports.
"""

from collections.abc import Callable
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

from clients.errors import delivery_error
from clients.records import ProducerRecord
from producers.mode.follower import flow_of, mode_of
from producers.placing.clock_check import ClockCheck
from producers.placing.order_ids import new_order_id
from producers.placing.render import MetadataSource, correlation_id, render_order
from producers.placing.request import OrderRequest
from schemas.codec import Codec
from schemas.control import Flow, Mode, ModeChanged
from schemas.errors import CommandEventError, Position
from schemas.times import now_ms


class Placed(NamedTuple):
    """An order that is stored: every record was acknowledged and, in shadow, the transaction committed.

    Attributes:
        order_id: given or generated.
        mode: the one that it was placed in.
        epoch: that mode's number.
        correlation_id: in the headers of everything that the order causes.
        records: where they lie; in shadow two, the command's first.
    """

    order_id: int
    mode: Mode
    epoch: int
    correlation_id: str
    records: tuple[Position, ...]


class PendingOrder:
    """One order on its way to the broker.

    Attributes:
        order_id, mode, epoch: of the order.
        records: what has to be stored; given up once it is sent.
        positions: where records were acknowledged so far.
        missing: how many are not.
        error: why the order is not placed; final.

    Args:
        rendered_at: when its records were made, ms since the epoch.
        clock: compares that with the broker's time.
    """

    __slots__ = (
        "_clock",
        "_rendered_at",
        "epoch",
        "error",
        "missing",
        "mode",
        "order_id",
        "positions",
        "records",
    )

    def __init__(
        self,
        order_id: int,
        mode: Mode,
        epoch: int,
        records: tuple[ProducerRecord, ...],
        *,
        rendered_at: int,
        clock: ClockCheck,
    ) -> None:
        self._rendered_at = rendered_at
        self._clock = clock
        self.order_id = order_id
        self.mode = mode
        self.epoch = epoch
        self.records = records
        self.positions: list[Position] = []
        self.missing = len(records)
        self.error: CommandEventError | None = None

    def reported(self, error: KafkaError | None, message: Message) -> None:
        """Take the client's report about one record."""
        if error is not None:
            self.error = delivery_error(self.order_id, error)
        else:
            self.positions.append(Position(message.topic(), message.partition(), message.offset()))  # type: ignore[arg-type]  # a delivered record has all three
            self._clock.reported(message, self._rendered_at)
        self.missing -= 1

    def stored_at(self, positions: list[Position]) -> None:
        """Note where all records lie; they are given up."""
        self.positions = positions
        self.missing = 0
        self.records = ()

    @property
    def done(self) -> bool:
        """Whether the order's fate is known."""
        return self.missing <= 0 or self.error is not None

    def dry_run_result(self) -> Placed:
        """What would be placed. Partitions and offsets are -1, for only the broker gives them."""
        positions = tuple([Position(record.topic, -1, -1) for record in self.records])
        return Placed(self.order_id, self.mode, self.epoch, correlation_id(self.order_id), positions)

    def outcome(self) -> Placed | CommandEventError:
        """The order's fate, once `done`."""
        if self.error is not None:
            return self.error
        return Placed(
            self.order_id, self.mode, self.epoch, correlation_id(self.order_id), tuple(self.positions)
        )


class OrderRenderer:
    """Turns requests into orders to be sent, each in the mode that is in force at that moment.

    Args:
        codec: encodes the values.
        mode: the mode in force.
        currency: of orders that name none.
    """

    def __init__(self, codec: Codec, mode: Callable[[], ModeChanged], currency: str) -> None:
        self._codec = codec
        self._mode = mode
        self._currency = currency
        self._metadata_source = MetadataSource()
        self._clock = ClockCheck()
        self._latest: tuple[ModeChanged | None, Mode, Flow] = (None, Mode.COMMAND, Flow.DIRECT)

    def prepare(self, request: OrderRequest, order_id: int | None = None) -> PendingOrder:
        """An order, ready to be sent.

        Args:
            request: the order.
            order_id: its id if the request has none; None makes one.

        Raises:
            UnknownMode: the mode or flow in force is not one of ours.
            RegistryUnreachable, TopicMissing: the schemas cannot be looked up.
        """
        change = self._mode()
        latest, mode, flow = self._latest
        if latest is not change:
            mode, flow = mode_of(change), flow_of(change)
            self._latest = (change, mode, flow)
        number = request.order_id
        if number is None:
            number = new_order_id() if order_id is None else order_id
        encode, at = self._codec.encode, now_ms()
        records = render_order(
            request,
            order_id=number,
            mode=mode,
            flow=flow,
            epoch=change.epoch,
            currency=self._currency,
            metadata=self._metadata_source.metadata(at),
        )
        encoded = tuple(
            [ProducerRecord(r.topic, r.key, encode(r.topic, r.message), [*r.headers]) for r in records]
        )
        return PendingOrder(number, mode, change.epoch, encoded, rendered_at=at, clock=self._clock)
