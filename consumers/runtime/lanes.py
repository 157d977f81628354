"""Deliveries to the outside, side by side and in order per order.

Each order id belongs to one lane; a lane works through its errands one after the other, so two deliveries
of one order never overtake each other.

I/O: threads.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Protocol

from consumers.runtime.reaction import Delivery
from consumers.runtime.work import Dead, Errand
from schemas.errors import Position, RefusedByReceiver, Unreachable

_PATIENCE_S = 0.5
"""How long lanes may work before the member pauses its partitions to stay in the group."""


class Channel(Protocol):
    """A way to the outside world."""

    @property
    def describe(self) -> str:
        """What a person reads in the start line, e.g. `smtp mail.example:25`."""

    def deliver(self, delivery: Delivery, key: str, where: Position) -> None:
        """Hand a message over, at least once; the same key is the same message.

        Raises:
            RefusedByReceiver: it will never be taken.
            Unreachable: try again later.
        """

    def close(self) -> None:
        """Give up what is open; nothing is delivered after it."""


@dataclass(slots=True)
class Report:
    """How the errands of a batch ended.

    Attributes:
        done: order id and effect of what was handed over.
        refused: what the receiver will never take; its record is dead.
        outage: why the rest is still to do, or None.
    """

    done: list[tuple[int, str]] = field(default_factory=list)
    refused: list[tuple[Errand, Dead]] = field(default_factory=list)
    outage: Unreachable | None = None


class Lanes:
    """A fixed number of lanes with the channels they use.

    Args:
        group: the reaction's name, the first part of each effect key.
        channels: by name.
        workers: number of lanes.
    """

    def __init__(self, group: str, channels: Mapping[str, Channel], workers: int) -> None:
        self._group = group
        self._channels = channels
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"{group}-lane")

    def run(self, errands: Sequence[Errand], meanwhile: Callable[[], None]) -> Report:
        """Carry out errands.

        Args:
            errands: in the order of their records.
            meanwhile: called again and again while lanes are at work; it may block for a moment.
        """
        lanes: dict[int, list[Errand]] = {}
        for errand in errands:
            lanes.setdefault(errand.order_id % self._workers, []).append(errand)
        running: list[Future[Report]] = [self._pool.submit(self._lane, each) for each in lanes.values()]
        wait(running, _PATIENCE_S)
        while not all(each.done() for each in running):
            meanwhile()
        total = Report()
        for each in running:
            report = each.result()
            total.done += report.done
            total.refused += report.refused
            total.outage = total.outage or report.outage
        return total

    def close(self) -> None:
        """Start nothing more, and close the channels."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for channel in self._channels.values():
            channel.close()

    def _lane(self, errands: Sequence[Errand]) -> Report:
        report = Report()
        for errand in errands:
            key = f"{self._group}/{errand.order_id}/{errand.effect}"
            try:
                self._channels[errand.delivery.channel].deliver(errand.delivery, key, errand.record.position)
            except RefusedByReceiver as error:
                report.refused.append((errand, Dead(errand.record, error)))
            except Unreachable as error:
                report.outage = error
                break
            else:
                report.done.append((errand.order_id, errand.effect))
        return report
